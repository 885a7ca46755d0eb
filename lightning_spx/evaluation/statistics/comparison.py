"""Compares the attributions of k models, image by image, for every pair, pooling and metric, with their nulls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from math import comb
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution import magnitude, saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.evaluation.maps.poolings import Pooling, in_orders
from lightning_spx.evaluation.statistics.floors import with_nulls
from lightning_spx.metrics import Distance, pair_distances, pair_sets
from lightning_spx.metrics.overlap import pairwise_overlap
from lightning_spx.metrics.ssim import pairwise_ssim
from lightning_spx.runs.blocks import VARIANTS

TOP_K = 0.1
# these distances compare un-normalized magnitudes; the others compare saliency maps
MAGNITUDE_DISTANCES = ("l2", "l2_raw", "cosine")
CHUNK_ELEMENTS = 2**24  # attribution values at a time, over all models; bounds memory at a few hundred MiB


@dataclass(frozen=True)
class ComparisonSettings:
    """How the maps of one method are pooled and their nulls drawn.

    Args:
        magnitudes: `after` pools signed values, `before` their absolute values.
        non_negative: whether the method has no signs: the two orders then coincide, and a row `either` stands for both.
        seed: seeds the permutations.
        model_offset: number of the first model in the whole study, so that repeats permute differently.
    """

    magnitudes: Sequence[Magnitude]
    non_negative: bool
    seed: int
    model_offset: int = 0


class Maps(NamedTuple):
    """The maps of M models on n images, pooled in the same way.

    Args:
        magnitude: (M, n, H, W), not normalized.
        saliency: (M, n, H, W) in [0, 1].
    """

    magnitude: Tensor
    saliency: Tensor


@dataclass(frozen=True)
class PooledMaps:
    """The maps of some images in one pooling and order, with their nulls.

    Args:
        images: which of the poolings' images the maps belong to; positions (n,) where maps belong to items.
        pooling: how the maps were pooled.
        order: order of pooling and taking magnitudes.
        of_variant: the maps as they are, and the maps of each null, by the names of `VARIANTS`.
    """

    images: slice | Tensor
    pooling: Pooling
    order: str
    of_variant: Mapping[str, Maps]


@dataclass(frozen=True)
class ImageFacts:
    """What a comparison needs to know about the images besides their maps.

    If models explain findings, every map belongs to an item, an image with a finding, and N is the number of items.

    Args:
        index: (N,) each image's number in the data set.
        label: (N,) true classes.
        preds: (M, N) the models' predictions.
        held_out: (M, N) bool, which model did not train on which image, or None if no model saw any.
        permutation: (N,) a derangement: image n is mismatched with image permutation[n].
        items: the items, or None for one map of each image; `of_items` makes the facts about them.
    """

    index: Tensor
    label: Tensor
    preds: Tensor
    held_out: Tensor | None
    permutation: NDArray[np.int64]
    items: Items | None = None

    @classmethod
    def of_items(
        cls,
        index: Tensor,
        label: Tensor,
        preds: Tensor,
        held_out: Tensor | None,
        permutation: NDArray[np.int64],
        items: Items,
    ) -> Self:
        """Return the facts about the items of n images with K findings.

        Args:
            index: (n,) each image's number in the data set.
            label: (n, K) float, 0 or 1, or NaN where a finding is not said.
            preds: (M, n, K) int64, 1 where a model predicts a finding.
            held_out: (M, n) bool, or None.
            permutation: (n,) a derangement of the images in one cycle.
            items: the items.

        Raises:
            ValueError: fewer than two images have items.
        """
        image = items.image
        flags = None if held_out is None else held_out[:, image]
        other = items.mismatched(permutation)
        return cls(index[image], items.labels(label), items.of(preds), flags, other, items)

    def counting(self) -> Tensor:
        """Return which images count for which pair of models, (pairs, N)."""
        counts = torch.ones(comb(len(self.preds), 2), len(self.index), dtype=torch.bool)
        if self.held_out is not None:
            counts = counting_images(self.held_out)
        explained = None if self.items is None else self.items.explained
        if explained is not None:
            first, second = zip(*combinations(range(len(explained)), 2), strict=True)
            counts = counts & explained[list(first)] & explained[list(second)]
        return counts

    def of_models(self, models: Sequence[int]) -> "ImageFacts":
        """Return the facts about some of the models, as if they had seen no image in training."""
        items = self.items
        if items is not None and items.explained is not None:
            items = replace(items, explained=items.explained[list(models)])
        return replace(self, preds=self.preds[list(models)], held_out=None, items=items)

    def pooled_as(self, here: slice) -> slice | Tensor:
        """Return which of the poolings' images the maps at some places belong to."""
        return here if self.items is None else self.items.image[here]

    def columns(self) -> dict[str, object]:
        """Return the columns that name the map of each row: `index`, and `finding` if there are items."""
        index = self.index.numpy()
        if self.items is None:
            return {"index": index}
        findings = self.items.findings
        names = [findings[number] for number in self.items.finding.tolist()]
        return {"index": index, "finding": pd.Categorical(names, categories=list(findings))}


def counting_images(held_out: Tensor) -> Tensor:
    """Return which images count for which pair of models, (pairs, N): those that exactly one of the two did not see.

    Args:
        held_out: (M, N) bool, which model did not train on which image.
    """
    pairs = combinations(range(len(held_out)), 2)
    return torch.stack([held_out[first] ^ held_out[second] for first, second in pairs])


def check_pairs(held_out: Tensor | None) -> None:
    """Raise a ValueError if no image of a study counts for some pair of models."""
    if held_out is not None:
        for position, count in enumerate(counting_images(held_out).sum(1).tolist()):
            if not count:
                raise ValueError(f"Expected images that count for every pair of models, got none for pair {position}.")


def compare(
    attributions: Tensor,
    poolings: Sequence[Pooling],
    images: ImageFacts,
    settings: ComparisonSettings,
    distances: Sequence[Distance],
) -> pd.DataFrame:
    """Compare every pair of models on every image, in every pooling, and compute the two nulls of each value.

    Args:
        attributions: (M, N, C, H, W) the attributions of one method.
        poolings: poolings of the images; each gets rows for every magnitude order.
        images: the images' labels, predictions and derangement, or those of their items.
        settings: how maps are pooled and nulls drawn.
        distances: distances that MeGe and ReCo use.

    Returns:
        One row for each (pair, superpixels, magnitude, metric, setting, image): `value`, `permuted` and `mismatched`
        are NaN where the image does not count for the pair; `constant` says that one of the two maps is constant. With
        items there is a row for each of them, and the column `finding` names its finding.
    """
    num_models = len(attributions)
    pairs = list(combinations(range(num_models), 2))
    agree, differ = pair_sets(images.preds, images.label, images.held_out)
    counts = images.counting()
    agree, differ, counting = agree & counts, differ & counts, counts.numpy()
    values: dict[tuple[int, str, str, str, str], list[NDArray[np.float64]]] = {}
    constant: dict[tuple[int, str, str], list[NDArray[np.bool_]]] = {}
    for maps in each_pooling(attributions, poolings, images, settings):
        superpixels, order = maps.pooling.name, maps.order
        blank = maps.of_variant["value"].saliency.flatten(2).amax(2) == 0
        measured = _pair_values(maps, distances)
        for position, (first, second) in enumerate(pairs):
            either_blank = (blank[first] | blank[second]).numpy()
            constant.setdefault((position, superpixels, order), []).append(either_blank)
            for (metric, setting), number in measured.items():
                values.setdefault((position, superpixels, order, metric, setting), []).append(number[:, position])
    every = images.pooled_as(slice(None))
    sizes = {pooling.name: pooling.num_segments()[every].numpy() for pooling in poolings}
    frames = []
    for (position, superpixels, order, metric, setting), chunks in values.items():
        first, second = pairs[position]
        number = np.where(counting[position], np.concatenate(chunks, axis=1), np.nan)
        frames.append(
            pd.DataFrame(
                {
                    "pair": f"{first}-{second}",
                    "superpixels": superpixels,
                    "magnitude": order,
                    "metric": metric,
                    "setting": setting,
                    **images.columns(),
                    "agree": agree[position].numpy(),
                    "differ": differ[position].numpy(),
                    "num_segments": sizes[superpixels],
                    "constant": np.concatenate(constant[position, superpixels, order]),
                    **dict(zip(VARIANTS, number, strict=True)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def each_pooling(
    attributions: Tensor, poolings: Sequence[Pooling], images: ImageFacts, settings: ComparisonSettings
) -> Iterator[PooledMaps]:
    """Pool the maps and their nulls in every way, some images at a time, so that memory is bounded."""
    num_images = attributions.shape[1]
    chunk = max(1, CHUNK_ELEMENTS // attributions[:, 0].numel())
    for start in range(0, num_images, chunk):
        here = slice(start, min(start + chunk, num_images))
        finding = None if images.items is None else images.items.finding
        nulls = with_nulls(
            attributions, here, images.index, images.permutation, settings.seed, settings.model_offset, finding
        )
        own = images.pooled_as(here)
        for pooling, order in in_orders(poolings, settings.magnitudes, settings.non_negative):
            of_variant = {name: _maps(pooling, order, part, own) for name, part in nulls.items()}
            yield PooledMaps(own, pooling, order, of_variant)


def _maps(pooling: Pooling, order: str, attributions: Tensor, images: slice | Tensor) -> Maps:
    """Pool attributions (M, n, C, H, W)."""
    pooled = pooling.pool(attributions.flatten(0, 1), order, images)
    shape = (*attributions.shape[:2], *attributions.shape[-2:])
    return Maps(magnitude(pooled).view(shape), saliency_map(pooled).view(shape))


def _pair_values(maps: PooledMaps, distances: Sequence[Distance]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return values (3, pairs, n) of each metric and setting: as is, permuted, mismatched (an image against another).

    All pairs are measured at once, so that a metric computes what it needs from a map once, however many models there
    are.
    """
    magnitudes = {name: each.magnitude for name, each in maps.of_variant.items()}
    saliency = {name: each.saliency for name, each in maps.of_variant.items()}
    # the two sides of a pair; None where the second side has the same maps as the first and needs no computation
    sides = (("value", None), ("permuted", None), ("value", "mismatched"))

    def of_sides(kind: dict[str, Tensor], metric: Callable[[Tensor, Tensor | None], Tensor]) -> NDArray[np.float64]:
        values = [metric(kind[own], None if other is None else kind[other]) for own, other in sides]
        return torch.stack(values).double().numpy()

    result = {
        ("saliency_ssim", ""): of_sides(saliency, pairwise_ssim),
        ("topk_overlap", f"k={TOP_K}"): of_sides(saliency, partial(pairwise_overlap, k=TOP_K)),
    }
    segments = maps.pooling.constant_on(maps.images)
    for distance in distances:
        kind = magnitudes if distance in MAGNITUDE_DISTANCES else saliency
        metric = partial(_distances, distance=distance, segments=segments)
        result["distance", f"distance={distance}"] = of_sides(kind, metric)
    return result


def _distances(maps: Tensor, others: Tensor | None, distance: Distance, segments: Tensor | None) -> Tensor:
    return pair_distances(maps, distance, segments, others)
