"""A trial of everything that an evaluation does, on two images of the first batch, to refuse early what cannot work."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.finite import NonFiniteError
from lightning_spx.evaluation.callbacks.agreement import PREVIOUS, ExplainedImages
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages, ImageChooser
from lightning_spx.evaluation.callbacks.named_batch import ADVICE, NamedBatch, name_batch
from lightning_spx.evaluation.callbacks.pipeline import EvaluationPipeline
from lightning_spx.evaluation.callbacks.restored_images import restore
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.maps.model_maps import ModelMaps, finite_logits
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
    """

    masks: bool
    check_labels: Callable[[Tensor], None] | None


def try_out(settings: Settings, module: LightningModule, batch: object, methods: Mapping[str, Attribution]) -> Tried:
    """Segment, predict, explain and compare two images as an evaluation and a summary would, and drop the result.

    Every method runs as it is set, however many samples it draws. Later random numbers stay the same, and no process
    waits for another.

    Args:
        settings: of the callback.
        module: on its device.
        batch: what the loader returned.
        methods: methods to try, by their names; without any, the images themselves are compared as if they were maps.

    Raises:
        TypeError: a part of the batch, or an input or output of the module, has the wrong type.
        ValueError: a value or a shape is wrong, or a method or a segmenter cannot work on such images.
    """
    named = name_batch(batch, settings.batch_to_images)
    with isolate_rng(), alone():
        chosen, restored = _two_images(named, settings)
        explained = ExplainedImages.segment(chosen, restored, settings.segmenters, settings.batch_size, settings.seed)
        pipeline = EvaluationPipeline(settings, explained)
        check_gradient(settings.preprocess_layer(), restored.to(module.device))
        shape = _try_forward(settings, module, restored.to(module.device))
        check = None
        if shape is not None and settings.target == "label":
            check = partial(check_labels, shape[1] if len(shape) > 1 else None, type(module).__name__)
            check(chosen.label if named.label is None else named.label)
        maps = None if shape is None else pipeline.explain(module, methods, 0)
        if maps is not None and methods:
            pipeline.compare(module, maps, methods, maps, controls=True)
        elif maps is not None:
            any_method = dict(list(settings.methods.items())[:1])
            stand_in = ModelMaps(maps.preds, maps.probability, dict.fromkeys(any_method, restored))
            pipeline.compare_with_others({PREVIOUS: stand_in}, stand_in, any_method, controls=True)
        return Tried(named.mask is not None, check)


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


def _try_forward(settings: Settings, module: LightningModule, images: Tensor) -> torch.Size | None:
    """Return the shape of the module's logits; None while they are not finite, which training may cure."""
    try:
        return finite_logits(settings.model(module), images).shape
    except NonFiniteError:
        return None
    except (IndexError, KeyError, AttributeError) as error:
        # a `forward` that expects a whole batch fails like this on a tensor of images
        raise TypeError(
            f"Expected {type(module).__name__}.forward to turn images (N, C, H, W) into logits, got "
            f"{type(error).__name__}({' '.join(str(error).split())})."
        ) from error


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
