"""Maps of the evaluated model and of others -> how far they agree, with floors, and where they lie in the mask."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from lightning_spx.attribution import Attribution, saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages
from lightning_spx.evaluation.maps.model_maps import ModelMaps
from lightning_spx.evaluation.maps.poolings import Pooling, make_poolings, pixel_pooling, segment_images
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, ImageFacts, compare
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.metrics import Distance
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, without_controls
from lightning_spx.superpixels import Segmenter

PREVIOUS = "previous"


@dataclass(frozen=True)
class ExplainedImages:
    """The chosen images as they are segmented, explained and shown.

    Args:
        images: (N, C, H, W) in [0, 1], C is 1 or 3.
        label: (N,) int64.
        mask: (N, H, W) bool, or None.
        segments: (N, H, W) int64 of each segmenter, by name; not empty.
        seed: of floors and controls.
    """

    images: Tensor
    label: Tensor
    mask: Tensor | None
    segments: Mapping[str, Tensor]
    seed: int

    @classmethod
    def segment(
        cls, chosen: ChosenImages, images: Tensor, segmenters: Mapping[str, Segmenter], batch_size: int, seed: int
    ) -> "ExplainedImages":
        """Segment the restored images; gray ones as if they were RGB.

        Args:
            chosen: the images with their labels and masks.
            images: (N, C, H, W) in [0, 1], the chosen ones restored.
            segmenters: by name; not empty.
            batch_size: images at a time.
            seed: of floors and controls.

        Raises:
            ValueError: they have neither one channel nor three.
        """
        colored = as_colors(images)
        segments = segment_images(segmenters, colored, batch_size, colored.device)
        return cls(images, chosen.label, chosen.mask, segments, seed)

    def poolings(self, controls: bool) -> list[Pooling]:
        """List the ways of pooling: by pixel and by every segmenter, and with `controls` the controls of each."""
        if controls:
            index = torch.arange(len(self.images))
            return make_poolings(self.segments, index, derangement(len(self.images), self.seed), self.seed)
        first = next(iter(self.segments.values()))
        own = [Pooling(name, "segments", segments) for name, segments in self.segments.items()]
        return [pixel_pooling(first), *own]


def as_colors(images: Tensor) -> Tensor:
    """Return images as segmenters take them, (N, 3, H, W): gray ones as if they were RGB.

    Args:
        images: (N, C, H, W).

    Raises:
        ValueError: they have neither one channel nor three.
    """
    if images.shape[1] not in (1, 3):
        shape = tuple(images.shape)
        raise ValueError(f"Expected images of 1 or 3 channels, got {images.shape[1]} in (N, C, H, W) = {shape}.")
    return images.expand(-1, 3, -1, -1)


def compare_with(
    model: ModelMaps,
    others: Mapping[str, ModelMaps],
    methods: Mapping[str, Attribution],
    explained: ExplainedImages,
    *,
    magnitude: Magnitude,
    distance: Distance,
    controls: bool,
) -> pd.DataFrame:
    """Compare one model's maps with those of each other model, image by image.

    Args:
        model: the evaluated model's maps.
        others: maps of other models under the same methods, by name; not empty.
        methods: by their names.
        explained: the images.
        magnitude: order of pooling and taking magnitudes.
        distance: of MeGe.
        controls: whether to pool by the controls, too.

    Returns:
        The rows of `compare` for each method and each other model, whose name is in the column `pair`. They do not
        depend on which other models there are.
    """
    permutation = derangement(len(explained.images), explained.seed)
    poolings = explained.poolings(controls)
    frames = []
    for name, other in others.items():
        preds = torch.stack([model.preds, other.preds])
        images = ImageFacts(torch.arange(len(explained.images)), explained.label, preds, None, permutation)
        for method, settings in methods.items():
            both = torch.stack([model.attributions[method], other.attributions[method]])
            comparison = ComparisonSettings([magnitude], settings.non_negative, explained.seed)
            rows = compare(both, poolings, images, comparison, [distance])
            frames.append(rows.assign(pair=name, method=method, repeat=0))
    return pd.concat(frames, ignore_index=True)


def agreement_scalars(per_image: pd.DataFrame) -> dict[str, float]:
    """Average the rows of `compare_with` into the numbers of a dashboard.

    Returns:
        `saliency_ssim/<method>`, `topk_overlap/<method>` and `mege/<method>` over all models that are not the previous
        state of the same one, each with `/floor` and `/excess`; `<method>` is `Gradient` by pixel and
        `S-Gradient/Slic` pooled. Agreement with the previous state has these names if it is alone, and else ends with
        `/previous`. Left out is what has no value, as MeGe without an image that both models classify correctly, and
        the controls.
    """
    own = without_controls(per_image)
    kinds = {"": own[own["pair"] != PREVIOUS], f"/{PREVIOUS}": own[own["pair"] == PREVIOUS]}
    alone = sum(not rows.empty for rows in kinds.values()) == 1
    scalars: dict[str, float] = {}
    for ending, rows in kinds.items():
        if rows.empty:
            continue
        results = summarize(rows, dataset="", models="", num_resamples=0)
        for _, row in results[results["pair"] == ALL_PAIRS].iterrows():
            if row["metric"] == "reco" or pd.isna(row["value"]):
                continue
            name = f"{row['metric']}/{row_name(row['method'], row['superpixels'])}{'' if alone else ending}"
            scalars[name] = float(row["value"])
            scalars |= {f"{name}/{part}": float(row[part]) for part in ("floor", "excess") if pd.notna(row[part])}
    return scalars


def localization(
    model: ModelMaps, methods: Sequence[str], explained: ExplainedImages, magnitude: Magnitude
) -> dict[str, float]:
    """Measure where the maps lie, in the object's mask or beside it.

    Args:
        model: the evaluated model's maps.
        methods: names of those to measure.
        explained: the images and their masks.
        magnitude: order of pooling and taking magnitudes.

    Returns:
        `mass_accuracy/<method>`, `pointing_game/<method>` and `mask_auc/<method>`, means over the images that have a
        value; without masks nothing.
    """
    scalars: dict[str, float] = {}
    if explained.mask is None:
        return scalars
    for method in methods:
        for name, maps in pooled_maps(model.attributions[method], explained, magnitude).items():
            for metric, function in LOCALIZATION.items():
                value = float(function(maps, explained.mask).nanmean())
                if not math.isnan(value):  # some image has an object
                    scalars[f"{metric}/{row_name(method, name)}"] = value
    return scalars


def pooled_maps(attribution: Tensor, explained: ExplainedImages, magnitude: Magnitude) -> dict[str, Tensor]:
    """Return saliency maps by pixel and pooled by every segmenter.

    Args:
        attribution: (N, C, H, W) of all images.
        explained: the images and their segments.
        magnitude: order of pooling and taking magnitudes.

    Returns:
        (N, H, W) in [0, 1] by the pooling's name, `pixel` first.
    """
    poolings = explained.poolings(controls=False)
    return {pooling.name: saliency_map(pooling.pool(attribution, magnitude)) for pooling in poolings}


def row_name(method: str, superpixels: str) -> str:
    """Name a method by pixel, or pooled.

    Example:
        >>> row_name("Gradient", "pixel"), row_name("Gradient", "Slic")
        ('Gradient', 'S-Gradient/Slic')
    """
    return method if superpixels == PIXEL else f"S-{method}/{superpixels}"
