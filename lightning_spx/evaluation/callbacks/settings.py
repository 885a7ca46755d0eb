"""The settings of the callback, with names for methods, super-pixels and references."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from lightning import LightningDataModule
from torch import nn

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.agreement import PREVIOUS
from lightning_spx.evaluation.callbacks.finding_names import FindingTargets, finding_keys, name_targets
from lightning_spx.evaluation.callbacks.named_batch import BatchToImages
from lightning_spx.evaluation.maps.colors import ToRgb
from lightning_spx.evaluation.maps.guides import check_poolings
from lightning_spx.evaluation.maps.ways import refuse_own_segments
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.evaluation.training.training_images import with_training_images
from lightning_spx.guard.model_output import OutputChoice
from lightning_spx.metrics import Distance
from lightning_spx.models.image_model import Head, ImageModel
from lightning_spx.models.model_input import ANY_KEYWORD, input_keyword
from lightning_spx.models.preprocess import Preprocess, chosen_preprocess
from lightning_spx.reporting.rows import ALL_PAIRS
from lightning_spx.reporting.safe_keys import safe_key
from lightning_spx.superpixels import ImagePooling

AGREEMENT = ("saliency_ssim", "topk_overlap", "mege")
# a name becomes a part of keys and of paths, where `v1` stands for a later run
NAME = re.compile(r"(?!\.*$)(?!(.*-)?v\d+$)[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Settings:
    """The settings of the callback; see `SaliencyEvaluator`.

    Args:
        methods: methods of every evaluation, by their names in tables.
        final_methods: methods of the end of fit and of test, by their names.
        superpixels: segmenters and filters by their names.
        checkpoints: files of the references, by their names.
        with_previous: whether the model is compared with its previous state.
        num_images: number of images to choose.
        mean: channel means of the loader's normalization; None if it does not normalize.
        std: channel standard deviations of that normalization.
        preprocess: the loader's preprocessing in the place of `mean` and `std`; None for another.
        output: what picks the logits out of what the module returns; None recognizes the usual forms.
        input_name: keyword of the module's `forward` that takes images; None recognizes the usual ones.
        head: kind of the module's head.
        batch_to_images: reads a batch; None recognizes the usual forms.
        target: explain the label or the prediction.
        magnitude: order of pooling and taking magnitudes.
        distance: distance between maps that MeGe uses.
        batch_size: number of images explained at a time.
        num_resamples: number of bootstrap resamples at the end.
        seed: seeds floors, controls and bootstrap.
        name: of the evaluator among others of a Trainer; empty without one.
        to_rgb: colors of the images, for pictures and for segmenters and filters that need RGB.
        targets: which findings are explained if the head has several.
        findings: names of the findings; None if the DataModule says them, or nothing does.
        without_references: these settings before their methods got images of a DataModule; None if they have got none.

    Raises:
        TypeError: what pools is neither a segmenter nor a filter.
        ValueError: a setting is out of its range, or two do not fit each other.
    """

    methods: Mapping[str, Attribution]
    final_methods: Mapping[str, Attribution]
    superpixels: Mapping[str, ImagePooling]
    checkpoints: Mapping[str, Path]
    with_previous: bool
    num_images: int
    mean: Sequence[float] | None
    std: Sequence[float] | None
    preprocess: Preprocess | None
    output: OutputChoice | None
    input_name: str | None
    head: Head
    batch_to_images: BatchToImages | None
    target: Literal["label", "prediction"]
    magnitude: Magnitude
    distance: Distance
    batch_size: int
    num_resamples: int
    seed: int
    name: str = ""
    to_rgb: ToRgb | None = None
    targets: FindingTargets = "present"
    findings: Sequence[str] | None = None
    without_references: Self | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name, value, least in (("num_images", self.num_images, 2), ("batch_size", self.batch_size, 1)):
            if value < least:
                raise ValueError(f"Expected `{name}` to be at least {least}, got {value}.")
        if self.name and (not NAME.fullmatch(self.name) or self.name in (*AGREEMENT, *LOCALIZATION)):
            raise ValueError(
                "Expected `name` to be a word of letters, digits, `_`, `-` and `.` that is no metric and does not end "
                f"like a version, -v1, got {self.name!r}: it becomes a part of keys and of the results' folder."
            )
        choices = {"target": ("label", "prediction"), "magnitude": get_args(Magnitude), "head": get_args(Head)}
        for name, words in choices.items():
            if getattr(self, name) not in words:
                raise ValueError(f"Expected `{name}` to be {' or '.join(words)}, got {getattr(self, name)!r}.")
        refuse_own_segments([*self.methods.values(), *self.final_methods.values()], "SaliencyEvaluator")
        self.preprocess_layer()
        several = self.head == "multi_label"
        if not several and (self.findings is not None or self.targets != "present"):
            given = f"`targets` {self.targets}" if self.findings is None else f"`findings` {self.findings}"
            raise ValueError(f"Expected `head` multi_label with {given}, got {self.head}.")
        if self.head != "single_label" and self.target != "label":
            raise ValueError(
                f"Expected `target` {self.target} with `head` single_label, got {self.head}: set `targets` to say "
                "which findings are explained."
            )
        check_poolings(self.superpixels)
        for name in ("final_methods", "superpixels"):
            self._check_keys(name)
        if self.findings is not None:
            finding_keys(self.findings)
            name_targets(self.targets, self.findings)

    def _check_keys(self, name: str) -> None:
        known: dict[str, str] = {}
        for given in getattr(self, name):
            twin = known.setdefault(safe_key(given.replace("/", "-")), given)
            if twin != given:
                raise ValueError(f"Expected `{name}` whose names are different keys, got {twin!r} and {given!r}.")

    def with_images_of(self, data: LightningDataModule | None) -> Self:
        """Return these settings, in which methods that compare an image with others have training images of `data`.

        Raises:
            ValueError: a method needs them, and `data` is no ImageDataModule.
        """
        given = self.without_references or self
        named = with_training_images(given.final_methods, data)
        if all(named[name] is method for name, method in given.final_methods.items()):
            return given
        methods = {name: named[name] for name in given.methods}
        return replace(given, methods=methods, final_methods=named, without_references=given)

    def stage(self, stage: str) -> str:
        """Return the first part of this evaluator's keys: the stage, and its name if it has one.

        Args:
            stage: `val` or `test`.
        """
        return f"{stage}/{self.name}" if self.name else stage

    def word(self, word: str) -> str:
        """Return a word that files and configurations begin with, and the evaluator's name if it has one."""
        return f"{word}-{self.name}" if self.name else word

    def preprocess_layer(self) -> nn.Module | None:
        """Return what the loader did to the images, as a layer; None for nothing.

        Raises:
            ValueError: `mean` and `std` do not fit each other, or come with `preprocess`.
        """
        return chosen_preprocess(nn.Identity(), self.mean, self.std, self.preprocess)

    def model(
        self, module: nn.Module, state: Mapping[str, Any] | None = None, image_name: str | None = None
    ) -> ImageModel:
        """Return a module as a model of images in [0, 1], with its own weights or others in their place.

        Args:
            module: the module in training, or another one that takes the same batches.
            state: weights and buffers that replace the module's own; None keeps its own.
            image_name: the loader's name of the images, for a `forward(**batch)` that tells none.
        """
        keyword = self.input_name
        if keyword is None and input_keyword(module, None) == ANY_KEYWORD:
            keyword = image_name
        model = ImageModel(module, self.mean, self.std, self.preprocess, None, self.output, keyword, self.head)
        return model.with_weights(state)

    def describe(self) -> dict[str, object]:
        """Return the settings that results depend on as plain values, for the run's configuration."""
        return {
            "methods": [repr(method) for method in self.methods.values()],
            "final_methods": [repr(method) for name, method in self.final_methods.items() if name not in self.methods],
            "superpixels": [repr(each) for each in self.superpixels.values()],
            "references": [*(str(path) for path in self.checkpoints.values()), *[PREVIOUS] * self.with_previous],
            "num_images": self.num_images,
            # plain numbers, because NumPy's own cannot be written to YAML
            "mean": None if self.mean is None else [float(value) for value in self.mean],
            "std": None if self.std is None else [float(value) for value in self.std],
            "preprocess": _text(self.preprocess),
            "output": _text(self.output),
            "input_name": self.input_name,
            "head": self.head,
            "to_rgb": _text(self.to_rgb),
            "target": self.target,
            "targets": self.targets if isinstance(self.targets, str) else list(self.targets),
            "findings": None if self.findings is None else list(self.findings),
            "magnitude": self.magnitude,
            "distance": self.distance,
            "seed": self.seed,
        }


def _text(value: object) -> str | None:
    return None if value is None else str(getattr(value, "__name__", value))


def name_references(references: Sequence[str | Path]) -> dict[str, Path]:
    """Name the checkpoints among the references by their stems, or by their paths if several share a stem.

    Args:
        references: paths, and the word `previous`, which names no file.

    Raises:
        ValueError: the references name a checkpoint twice.

    Example:
        >>> sorted(name_references(["a/last.ckpt", "b/last.ckpt", "previous", "part1.ckpt"]))
        ['a/last.ckpt', 'b/last.ckpt', 'part1']
    """
    paths = [Path(reference) for reference in references if reference != PREVIOUS]
    taken = Counter([PREVIOUS, ALL_PAIRS, *(path.stem for path in paths)])
    named: dict[str, Path] = {}
    for path in paths:
        name = path.stem if taken[path.stem] == 1 else f"{path.parent.as_posix()}/{path.name}"
        if name in named:
            raise ValueError(f"Expected `references` to name each checkpoint once, got {path} twice.")
        named[name] = path
    return named
