"""The settings of the callback, with names for methods, segmenters and references."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.agreement import PREVIOUS
from lightning_spx.evaluation.callbacks.named_batch import BatchToImages
from lightning_spx.evaluation.maps.explained_model import ImageScale
from lightning_spx.metrics import Distance
from lightning_spx.reporting.rows import ALL_PAIRS
from lightning_spx.superpixels import Segmenter


@dataclass(frozen=True)
class Settings:
    """The settings of the callback; see `SaliencyEvaluator`.

    Args:
        methods: methods of every evaluation, by their names in tables.
        final_methods: methods of the end of fit and of test, by their names.
        segmenters: by their names.
        checkpoints: files of the references, by their names.
        with_previous: whether the model is compared with its previous state.
        num_images: number of images to choose.
        scale: how the loader scales images.
        batch_to_images: reads a batch; None recognizes the usual forms.
        target: explain the label or the prediction.
        magnitude: order of pooling and taking magnitudes.
        distance: distance between maps that MeGe uses.
        batch_size: number of images explained at a time.
        num_resamples: number of bootstrap resamples at the end.
        seed: seeds floors, controls and bootstrap.
    """

    methods: Mapping[str, Attribution]
    final_methods: Mapping[str, Attribution]
    segmenters: Mapping[str, Segmenter]
    checkpoints: Mapping[str, Path]
    with_previous: bool
    num_images: int
    scale: ImageScale
    batch_to_images: BatchToImages | None
    target: Literal["label", "prediction"]
    magnitude: Magnitude
    distance: Distance
    batch_size: int
    num_resamples: int
    seed: int

    def describe(self) -> dict[str, object]:
        """Return the settings that results depend on as plain values, for the run's configuration."""
        return {
            "methods": [repr(method) for method in self.methods.values()],
            "final_methods": [repr(method) for name, method in self.final_methods.items() if name not in self.methods],
            "superpixels": [repr(segmenter) for segmenter in self.segmenters.values()],
            "references": [*(str(path) for path in self.checkpoints.values()), *[PREVIOUS] * self.with_previous],
            "num_images": self.num_images,
            "mean": self.scale.mean_values,
            "std": self.scale.std_values,
            "target": self.target,
            "magnitude": self.magnitude,
            "distance": self.distance,
            "seed": self.seed,
        }


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
