"""A trial of everything that an evaluation does, on two images of the first batch, to refuse early what cannot work."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.finite import NonFiniteError
from lightning_spx.attribution.guards import explaining
from lightning_spx.evaluation.callbacks.agreement import PREVIOUS
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages, ImageChooser
from lightning_spx.evaluation.callbacks.finding_names import name_findings
from lightning_spx.evaluation.callbacks.named_batch import ADVICE, NamedBatch, name_batch
from lightning_spx.evaluation.callbacks.pipeline import EvaluationPipeline
from lightning_spx.evaluation.callbacks.restored_images import restore
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.maps.model_maps import finite_logits
from lightning_spx.guard.model_output import read_output
from lightning_spx.models.image_model import ImageModel
from lightning_spx.models.model_input import input_keyword
from lightning_spx.models.preprocess import check_gradient
from lightning_spx.runs.processes import alone

NUM_IMAGES = 2  # the fewest that can be compared, each with another


@dataclass(frozen=True)
class Tried:
    """What the first batch shows.

    Args:
        masks: whether the batch has masks.
        check_labels: refuses labels without a logit of the module; None if no labels are needed.
        findings: names of the findings; empty unless the module has several.
        image_name: the loader's name of the images; None if it has none.
    """

    masks: bool
    check_labels: Callable[[Tensor], None] | None
    findings: tuple[str, ...] = ()
    image_name: str | None = None


def try_out(
    settings: Settings,
    module: LightningModule,
    batch: object,
    methods: Mapping[str, Attribution],
    known_findings: Sequence[str] | None = None,
) -> Tried:
    """Segment, predict, explain and compare two images as an evaluation and a summary would, and drop the result.

    Every method runs as it is set, however many samples it draws. Later random numbers stay the same, and no process
    waits for another.

    Args:
        settings: of the callback.
        module: on its device.
        batch: what the loader returned.
        methods: methods to try, by their names; without any, the images themselves are compared as if they were maps.
        known_findings: names of the findings that the DataModule says; the settings' own come first.

    Raises:
        TypeError: a part of the batch, or an input or output of the module, has the wrong type.
        ValueError: a value or a shape is wrong, or a method or a segmenter cannot work on such images.
    """
    named = name_batch(batch, settings.batch_to_images, settings.head)
    findings: tuple[str, ...] = ()
    if settings.head == "multi_label" and named.label is not None:
        given = known_findings if settings.findings is None else settings.findings
        findings = name_findings(given, named.label.shape[1])
    with isolate_rng(), alone():
        chosen, restored = _two_images(named, settings)
        check_gradient(settings.preprocess_layer(), restored.to(module.device))
        pipeline = EvaluationPipeline(settings, findings=findings, image_name=named.image_name)
        explained = pipeline.segment(chosen, restored)
        if findings:
            # one finding on both images stands for all, whatever they show and the module predicts
            some = findings if isinstance(explained.targets, str) else explained.targets
            explained = explained.with_findings(findings, some[:1])
        pipeline.explained = explained
        shape = _try_forward(settings, module, restored.to(module.device), named.image_name, batch)
        check = None
        if shape is not None and findings and shape[1] != len(findings):
            raise ValueError(
                f"Expected labels (N, {shape[1]}) beside the {shape[1]} logits of {type(module).__name__} for `head` "
                f"multi_label, got (N, {len(findings)}). {ADVICE}"
            )
        if shape is not None and settings.head == "single_label" and settings.target == "label":
            check = partial(check_labels, shape[1] if len(shape) > 1 else None, type(module).__name__)
            check(chosen.label if named.label is None else named.label)
        maps = None if shape is None else pipeline.explain(module, methods, 0)
        if maps is not None and methods:
            pipeline.compare(module, maps, methods, maps, controls=True)
        elif maps is not None:
            any_method = dict(list(settings.methods.items())[:1])
            stand_in = replace(maps, attributions=dict.fromkeys(any_method, restored))
            pipeline.compare_with_others({PREVIOUS: stand_in}, stand_in, any_method, controls=True)
        return Tried(named.mask is not None, check, findings, named.image_name)


def _two_images(named: NamedBatch, settings: Settings) -> tuple[ChosenImages, Tensor]:
    ImageChooser(NUM_IMAGES).add(named)  # it refuses a batch without labels
    restored = restore(named.images, settings.preprocess_layer())[:NUM_IMAGES].cpu()
    rows = torch.arange(NUM_IMAGES) % len(restored)
    restored = restored[rows]
    if len(named.images) == 1:
        # the mirror image of a single image serves as the second one
        restored[1] = restored[1].flip(-1)
    label = torch.zeros(NUM_IMAGES, dtype=torch.long) if named.label is None else named.label.cpu()[rows]
    mask = None if named.mask is None else named.mask.cpu()[rows]
    return ChosenImages(restored, label, mask), restored


def _try_forward(
    settings: Settings, module: LightningModule, images: Tensor, image_name: str | None, batch: object
) -> torch.Size | None:
    """Return the shape of the module's logits; None while they are not finite, which training may cure."""
    model = settings.model(module, image_name=image_name)
    try:
        # three images, because a `forward` that takes a pair apart would take two for its parts
        return finite_logits(model, images[[0, 1, 0]]).shape
    except NonFiniteError:
        return None
    except (IndexError, KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        name = type(module).__name__
        if _takes_batches(module, batch, model):
            raise TypeError(
                f"Expected {name}.forward to take images (N, C, H, W) alone, got one that takes a whole batch: let "
                "`forward` take images, and take the batch apart in `training_step` and `validation_step`."
            ) from error
        if not isinstance(error, IndexError | KeyError | AttributeError):
            raise
        raise TypeError(
            f"Expected {name}.forward to turn images (N, C, H, W) into logits, got "
            f"{type(error).__name__}({' '.join(str(error).split())})."
        ) from error


def _takes_batches(module: LightningModule, batch: object, model: ImageModel) -> bool:
    """Return whether a module that cannot take images returns logits for what the loader returned."""
    if isinstance(batch, Tensor) or input_keyword(module, None) is not None:
        return False
    try:
        with explaining(model, module.device, "fp32"), torch.no_grad():
            read_output(module(batch), model.output)
    except (IndexError, KeyError, AttributeError, TypeError, ValueError, RuntimeError):
        return False
    return True


def check_labels(num_logits: int | None, name: str, label: Tensor) -> None:
    """Raise a ValueError if a label has no logit.

    Args:
        num_logits: K of logits (N, K); None for logits (N,) of class 1 out of two.
        name: of the module.
        label: (N,) int64.

    Example:
        >>> check_labels(3, "Net", torch.tensor([0, 2]))
    """
    count = 2 if num_logits is None else num_logits
    beyond = label[(label < 0) | (label >= count)]
    if len(beyond):
        logits = "one logit" if num_logits is None else f"{num_logits} logits"
        raise ValueError(
            f"Expected labels from 0 to {count - 1} beside the {logits} of {name}, got {int(beyond[0])}. {ADVICE}"
        )


def check_forward(module: LightningModule, input_name: str | None) -> None:
    """Refuse a module whose `forward`, which is what gets explained, cannot be called with images alone.

    Args:
        module: the module.
        input_name: the keyword that takes images; None finds it.

    Raises:
        TypeError: it defines no `forward`, or `forward` needs more than images.
        ValueError: it has no parameter of that name.
    """
    if type(module).forward is LightningModule.forward:
        raise TypeError(
            f"Expected {type(module).__name__} to define `forward(images)`, which SaliencyEvaluator explains, got none."
        )
    keyword = input_keyword(module, input_name)
    signature = inspect.signature(module.forward)
    try:
        signature.bind(None) if keyword is None else signature.bind(**{keyword: None})
    except TypeError as error:
        raise TypeError(
            f"Expected {type(module).__name__}.forward to take images alone, got forward{signature}: {error}."
        ) from error
