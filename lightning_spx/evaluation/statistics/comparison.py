"""Compares the attributions of k models, image by image, for every pair, pooling and metric, with their nulls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution import magnitude, saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.poolings import Pooling, in_orders
from lightning_spx.evaluation.statistics.floors import with_nulls
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.metrics import Distance, pair_distances, pair_sets
from lightning_spx.metrics.overlap import pairwise_overlap
from lightning_spx.metrics.ssim import PairPreset, pairwise_ssim
from lightning_spx.runs.blocks import CEILING, VARIANTS

TOP_K = 0.1
# these distances compare un-normalized magnitudes; the others compare saliency maps
MAGNITUDE_DISTANCES = ("l2", "l2_raw", "cosine")
Metric = Callable[[Tensor, Tensor | None], Tensor]
CHUNK_ELEMENTS = 2**24  # attribution values at a time, over all models; bounds memory at a few hundred MiB


@dataclass(frozen=True)
class ComparisonSettings:
    """How the maps of one method are pooled and their nulls drawn.

    Args:
        magnitudes: `after` pools signed values, `before` their absolute values.
        non_negative: whether the method has no signs: the two orders then coincide, and a row `either` stands for both.
        seed: seeds the permutations.
        model_offset: number of the first model in the whole study, so that repeats permute differently.
        ssim_presets: presets of SSIM that get rows of their own beside the usual one.
        is_random: whether the method draws random numbers; without, a model's map agrees with itself perfectly. None if
            that is not known.
    """

    magnitudes: Sequence[Magnitude]
    non_negative: bool
    seed: int
    model_offset: int = 0
    ssim_presets: Sequence[PairPreset] = ()
    is_random: bool | None = None


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


def compare(
    attributions: Tensor,
    poolings: Sequence[Pooling],
    images: ImageFacts,
    settings: ComparisonSettings,
    distances: Sequence[Distance],
    again: Tensor | None = None,
) -> pd.DataFrame:
    """Compare every pair of models on every image, in every pooling, and compute the two nulls of each value.

    Args:
        attributions: (M, N, C, H, W) the attributions of one method.
        poolings: poolings of the images; each gets rows for every magnitude order.
        images: the images' labels, predictions and derangement, or those of their items.
        settings: how maps are pooled and nulls drawn.
        distances: distances that MeGe and ReCo use.
        again: (M, N, C, H, W) the attributions of the same models by the same method with other seeds.

    Returns:
        One row for each (pair, superpixels, magnitude, metric, setting, image): `value`, `permuted` and `mismatched`
        are NaN where the image does not count for the pair; `ceiling` is the agreement of a model's map with its own by
        other seeds, the mean of both models, that of equal maps for a method that is not random, or NaN if nobody
        knows; `same` says that both models predict the same, `constant` that one of the two maps is constant. With
        items there is a row for each of them, and the column `finding` names its finding.
    """
    num_models = len(attributions)
    pairs = list(combinations(range(num_models), 2))
    agree, differ = pair_sets(images.preds, images.label, images.held_out)
    counts = images.counting()
    agree, differ, counting = agree & counts, differ & counts, counts.numpy()
    same = torch.stack([images.preds[first] == images.preds[second] for first, second in pairs]) & counts
    values: dict[tuple[int, str, str, str, str], list[NDArray[np.float64]]] = {}
    constant: dict[tuple[int, str, str], list[NDArray[np.bool_]]] = {}
    for maps in each_pooling(attributions, poolings, images, settings, again):
        superpixels, order = maps.pooling.name, maps.order
        blank = maps.of_variant["value"].saliency.flatten(2).amax(2) == 0
        measured = _pair_values(maps, distances, settings)
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
                    "same": same[position].numpy(),
                    "num_segments": sizes[superpixels],
                    "constant": np.concatenate(constant[position, superpixels, order]),
                    **dict(zip((*VARIANTS, CEILING), number, strict=True)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def each_pooling(
    attributions: Tensor,
    poolings: Sequence[Pooling],
    images: ImageFacts,
    settings: ComparisonSettings,
    again: Tensor | None = None,
) -> Iterator[PooledMaps]:
    """Pool the maps, their nulls and those by other seeds in every way, some images at a time, to bound memory."""
    num_images = attributions.shape[1]
    chunk = max(1, CHUNK_ELEMENTS // attributions[:, 0].numel())
    for start in range(0, num_images, chunk):
        here = slice(start, min(start + chunk, num_images))
        finding = None if images.items is None else images.items.finding
        nulls = with_nulls(
            attributions, here, images.index, images.permutation, settings.seed, settings.model_offset, finding
        )
        if again is not None:
            nulls |= {CEILING: again[:, here]}
        own = images.pooled_as(here)
        for pooling, order in in_orders(poolings, settings.magnitudes, settings.non_negative):
            of_variant = {name: _maps(pooling, order, part, own) for name, part in nulls.items()}
            yield PooledMaps(own, pooling, order, of_variant)


def _maps(pooling: Pooling, order: str, attributions: Tensor, images: slice | Tensor) -> Maps:
    """Pool attributions (M, n, C, H, W)."""
    pooled = pooling.pool(attributions.flatten(0, 1), order, images)
    shape = (*attributions.shape[:2], *attributions.shape[-2:])
    return Maps(magnitude(pooled).view(shape), saliency_map(pooled).view(shape))


def _pair_values(
    maps: PooledMaps, distances: Sequence[Distance], settings: ComparisonSettings
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return values (4, pairs, n) of each metric and setting: as is, permuted, mismatched with another image, ceiling.

    All pairs are measured at once, so that a metric computes what it needs from a map once, however many models there
    are.
    """
    magnitudes = {name: each.magnitude for name, each in maps.of_variant.items()}
    saliency = {name: each.saliency for name, each in maps.of_variant.items()}
    # the two sides of a pair; None where the second side has the same maps as the first and needs no computation
    sides = (("value", None), ("permuted", None), ("value", "mismatched"))

    def of_sides(kind: dict[str, Tensor], metric: Metric, perfect: float = 1.0) -> NDArray[np.float64]:
        values = [metric(kind[own], None if other is None else kind[other]) for own, other in sides]
        values.append(_ceiling(kind, metric, perfect if settings.is_random is False else float("nan"), values[0]))
        return torch.stack(values).double().numpy()

    result = {
        ("saliency_ssim", ""): of_sides(saliency, pairwise_ssim),
        **{
            ("saliency_ssim", f"preset={preset}"): of_sides(saliency, partial(pairwise_ssim, preset=preset))
            for preset in settings.ssim_presets
        },
        ("topk_overlap", f"k={TOP_K}"): of_sides(saliency, partial(pairwise_overlap, k=TOP_K)),
    }
    segments = maps.pooling.constant_on(maps.images)
    for distance in distances:
        kind = magnitudes if distance in MAGNITUDE_DISTANCES else saliency
        metric = partial(_distances, distance=distance, segments=segments)
        result["distance", f"distance={distance}"] = of_sides(kind, metric, perfect=0.0)
    return result


def _ceiling(maps: Mapping[str, Tensor], metric: Metric, otherwise: float, like: Tensor) -> Tensor:
    """Return how far the models' maps agree with their own by other seeds, (pairs, n), as the mean of both models."""
    if CEILING not in maps:
        return torch.full_like(like, otherwise)
    own = [metric(torch.stack(both), None)[0] for both in zip(maps["value"], maps[CEILING], strict=True)]
    return torch.stack([(own[first] + own[second]) / 2 for first, second in combinations(range(len(own)), 2)])


def _distances(maps: Tensor, others: Tensor | None, distance: Distance, segments: Tensor | None) -> Tensor:
    return pair_distances(maps, distance, segments, others)
