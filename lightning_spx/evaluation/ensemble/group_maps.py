"""Compares the mean map of one group of models with that of another, image by image, with the nulls of both."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.ensemble.assignments import Assignment, without
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.statistics.comparison import TOP_K
from lightning_spx.evaluation.statistics.floors import with_nulls
from lightning_spx.metrics import saliency_ssim, topk_overlap
from lightning_spx.reporting.rows import EITHER
from lightning_spx.runs.blocks import VARIANTS

SSIM, OVERLAP, CORRELATION = "saliency_ssim", "topk_overlap", "correlation"
# metrics with their settings, besides the number of models averaged
METRICS = {SSIM: "", OVERLAP: f"k={TOP_K}", CORRELATION: ""}
# in the column `left_out`: the row is the mean over all assignments
NO_MODEL = -1
# values at a time in the maps of the models, and in those of the groups; larger arrays are slower
CHUNK_ELEMENTS = 2**20
# the two sides of a value and of each null, in the order of `VARIANTS`
SIDES = (("value", "value"), ("permuted", "permuted"), ("value", "mismatched"))


def rows_of(
    poolings: Sequence[Pooling], magnitudes: Sequence[Magnitude], non_negative: bool
) -> list[tuple[Pooling, str]]:
    """Pair each pooling with every order of pooling and taking magnitudes.

    Without pooling the order counts, too: a mean of signed maps is another map than a mean of their magnitudes.

    Args:
        poolings: the poolings.
        magnitudes: the orders that a study asks for.
        non_negative: whether the method has no signs: the orders coincide, and `either` stands for them.
    """
    return [(pooling, order) for pooling in poolings for order in ((EITHER,) if non_negative else magnitudes)]


def compare_groups(
    attributions: Tensor,
    rows: Sequence[tuple[Pooling, str]],
    index: Tensor,
    permutation: NDArray[np.int64],
    assignments: Mapping[int, list[Assignment]],
    seed: int,
    advance: Callable[[int], object] = lambda count: None,
) -> pd.DataFrame:
    """Measure how far the mean maps of two groups of models agree, in every row and for every size of the groups.

    Each model's map is pooled and divided by its L2 norm, so that models count equally, before the mean is taken.

    Args:
        attributions: (M, N, C, H, W) the attributions of one method.
        rows: pairs of a pooling of these images and an order.
        index: (N,) the images' numbers.
        permutation: (N,) a derangement: image n is mismatched with image permutation[n].
        assignments: of models to two groups, by the size of the groups.
        seed: seeds the permutations of pixels.
        advance: is called with numbers of images, N for each row in all.

    Returns:
        For each row, size, metric and image the mean over all assignments, in which `left_out` is -1, and for each
        model the mean over the assignments without it, unless that leaves a model without any. Its columns are
        `superpixels`, `magnitude`, `averaged`, `left_out`, `metric`, `setting`, `index`, `num_segments`, `constant`
        (one of the two mean maps is constant in every assignment), `value`, `permuted` and `mismatched`.
    """
    num_models, num_images = attributions.shape[:2]
    chunk = max(1, CHUNK_ELEMENTS // attributions[:, 0].numel())
    # by row, size and metric: values (3, assignments, n) of each chunk
    found: dict[tuple[int, int, str], list[NDArray[np.float64]]] = {}
    constant: dict[tuple[int, int], list[NDArray[np.bool_]]] = {}
    for start in range(0, num_images, chunk):
        here = slice(start, min(start + chunk, num_images))
        nulls = with_nulls(attributions, here, index, permutation, seed, model_offset=0)
        for number, (pooling, order) in enumerate(rows):
            maps = {name: normalized(_pooled(pooling, order, each, here)) for name, each in nulls.items()}
            for size, chosen in assignments.items():
                measured, blank = _measure(maps, chosen)
                for metric, values in measured.items():
                    found.setdefault((number, size, metric), []).append(values)
                constant.setdefault((number, size), []).append(blank)
            advance(here.stop - here.start)
    num_segments = {pooling.name: pooling.num_segments().numpy() for pooling, _ in rows}
    frames = []
    for (number, size, metric), chunks in found.items():
        pooling, order = rows[number]
        left_out, means = _means(np.concatenate(chunks, axis=2), assignments[size], num_models)
        columns = {
            "superpixels": pooling.name,
            "magnitude": order,
            "averaged": size,
            "left_out": np.repeat(left_out, num_images),
            "metric": metric,
            "setting": METRICS[metric],
            "index": np.tile(index.numpy(), len(left_out)),
            "num_segments": np.tile(num_segments[pooling.name], len(left_out)),
            "constant": np.tile(np.concatenate(constant[number, size]), len(left_out)),
        }
        frames.append(pd.DataFrame({**columns, **dict(zip(VARIANTS, means, strict=True))}))
    return pd.concat(frames, ignore_index=True)


def normalized(maps: Tensor) -> Tensor:
    """Divide each map by its L2 norm; a map of zeros stays one.

    Args:
        maps: (M, n, C, H, W).

    Example:
        >>> normalized(torch.tensor([3.0, 4.0, 0.0, 0.0]).view(1, 2, 1, 1, 2)).flatten().tolist()
        [0.6000000238418579, 0.800000011920929, 0.0, 0.0]
    """
    # in double precision, because squares of small gradients vanish in single
    flat = maps.flatten(2).double()
    norm = flat.norm(dim=2, keepdim=True)
    return (flat / torch.where(norm > 0, norm, 1.0)).to(maps.dtype).view_as(maps)


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return the Pearson correlation of each two maps over their channels and pixels.

    Args:
        first: (n, C, H, W), signed or magnitudes.
        second: the maps to compare with, of the same shape.

    Returns:
        Values in [-1, 1], (n,) float64; NaN where a map is constant.

    Example:
        >>> maps = torch.tensor([0.0, 1.0, 2.0, 3.0]).view(1, 1, 2, 2)
        >>> [round(float(correlation(maps, other)), 6) for other in (-2 * maps, torch.ones_like(maps))]
        [-1.0, nan]
    """
    flat = [maps.flatten(1).double() for maps in (first, second)]
    centered = [maps - maps.mean(1, keepdim=True) for maps in flat]
    norms = [maps.norm(dim=1) for maps in centered]
    # rounding leaves a little of a constant map
    varies = torch.stack([maps.amax(1) > maps.amin(1) for maps in flat]).all(0)
    product = (centered[0] * centered[1]).sum(1) / (norms[0] * norms[1])
    return torch.where(varies, product.clamp(-1, 1), torch.nan)


def _pooled(pooling: Pooling, order: str, attributions: Tensor, images: slice) -> Tensor:
    return pooling.pool(attributions.flatten(0, 1), order, images).view_as(attributions)


def _measure(
    maps: Mapping[str, Tensor], assignments: Sequence[Assignment]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """Return values (3, assignments, n) by metric, and which images (n,) have a constant map in every assignment."""
    num_images = maps["value"].shape[1]
    batch = max(1, CHUNK_ELEMENTS // maps["value"][0].numel())
    parts: dict[str, list[NDArray[np.float64]]] = {metric: [] for metric in METRICS}
    constant = np.ones(num_images, bool)
    for start in range(0, len(assignments), batch):
        some = assignments[start : start + batch]
        values: dict[str, list[Tensor]] = {metric: [] for metric in METRICS}
        for own, other in SIDES:
            first = _group_means(maps[own], [group for group, _ in some])
            second = _group_means(maps[other], [group for _, group in some])
            saliency = saliency_map(first), saliency_map(second)
            values[SSIM].append(saliency_ssim(*saliency))
            values[OVERLAP].append(topk_overlap(*saliency, k=TOP_K))
            values[CORRELATION].append(correlation(first, second))
            if (own, other) == SIDES[0]:
                blank = torch.stack([each.flatten(1).amax(1) == 0 for each in saliency]).any(0)
                constant &= blank.view(len(some), num_images).all(0).numpy()
        for metric, of_sides in values.items():
            parts[metric].append(torch.stack(of_sides).double().view(len(SIDES), len(some), num_images).numpy())
    return {metric: np.concatenate(each, axis=1) for metric, each in parts.items()}, constant


def _group_means(maps: Tensor, groups: Sequence[tuple[int, ...]]) -> Tensor:
    """Return the mean map of each group on each image, (groups * n, C, H, W), group after group."""
    # one map after the other and not by a matrix product, which rounds equal pixels, as those of a segment, differently
    return torch.cat([reduce(torch.add, [maps[model] for model in group]) / len(group) for group in groups])


def _means(
    values: NDArray[np.float64], assignments: list[Assignment], num_models: int
) -> tuple[list[int], NDArray[np.float64]]:
    """Return which model is left out, and means (3, those times n) over all assignments and over those without each."""
    remaining = [without(assignments, model) for model in range(num_models)]
    means = [values.mean(1)]
    if all(remaining):
        means += [values[:, chosen].mean(1) for chosen in remaining]
    return [NO_MODEL, *range(num_models)][: len(means)], np.concatenate(means, axis=1)
