"""Distances between saliency maps, as MeGe and ReCo use them."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs
from lightning_spx.metrics.ranks import centered_ranks, cosine_similarity
from lightning_spx.metrics.shapes import check_real, check_same_shape, scaled
from lightning_spx.metrics.ssim import pairwise_ssim

Distance = Literal["l2", "l2_raw", "l1", "spearman", "cosine", "ssim"]

# At most so many values of all models' maps are held in float64 at once.
CHUNK_VALUES = 2**22
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def map_distance(first: Tensor, second: Tensor, distance: Distance) -> Tensor:
    """Return the distance of each map to its partner; see `pair_distances` for the definitions.

    Args:
        first: maps, shape (N,H,W).
        second: maps, shape (N,H,W).
        distance: name of the distance.

    Returns:
        Distances, shape (N,), float32.

    Raises:
        ValueError: if the shapes do not fit, `distance` is unknown, or maps for `"ssim"` are smaller than 11x11.

    Example:
        >>> import torch
        >>> map_distance(torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[6.0, 8.0]]]), "l2_raw")
        tensor([5.])
    """
    check_same_shape(first, second, "(N,H,W)")
    return pair_distances(torch.stack([first, second]), distance)[0]


def pair_distances(
    maps: Tensor, distance: Distance, segments: Tensor | None = None, others: Tensor | None = None
) -> Tensor:
    """Return the distances between the maps of every two models, image by image.

    `l2`: Euclidean distance of the maps divided by their L2 norms; an all-zero map is not divided (its distance is 0 to
    another all-zero map and 1 to any other). `l2_raw`: Euclidean distance. `l1`: mean absolute difference over pixels.
    `cosine`: 1 minus the cosine; 1 if a map is all zero. `spearman`: `sqrt(1 - |rho|)` with the rho of `spearman`; 1 if
    a map is constant. `ssim`: 1 minus `saliency_ssim` with data range 1.

    A map with a NaN has distance NaN. A map with an infinity has distance NaN under `l2`, `cosine` and `ssim`, and
    infinity under `l1` and `l2_raw`; `spearman` ranks the infinity first or last. A distance beyond float32 is
    infinity.

    `l1`, `spearman` and `ssim` are meant for saliency in [0, 1]; `l2`, `l2_raw` and `cosine` for magnitudes that are
    not normalized; no scale is enforced. Everything is computed in float64 and rounded once, so that equal distances
    compare as equal.

    Args:
        maps: maps of M models for the same N images, shape (M,N,H,W).
        distance: name of the distance.
        segments: super-pixels on which every map of the image is constant, shape (N,H,W), ids from 0, int. They do not
            change the distances; `spearman` then sorts segments instead of pixels and is many times faster, and `ssim`
            ignores them.
        others: maps of the second model of each pair, shape (M,N,H,W), such as its maps of other images; None uses
            `maps` for both.

    Returns:
        Distances, shape (M (M - 1) / 2, N), pairs in the order of `itertools.combinations(range(M), 2)`, float32.

    Raises:
        ValueError: if the shapes do not fit, there are fewer than two models, `distance` is unknown, maps for `"ssim"`
            are smaller than 11x11, or a map varies within a segment.
        TypeError: if `segments` is not of an integer type.

    Example:
        >>> import torch
        >>> pair_distances(torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1), "l1")
        tensor([[1.],
                [3.],
                [2.]])
    """
    check_distance(distance)
    check_real(maps, "maps")
    if maps.ndim != 4 or 0 in maps.shape[2:]:
        raise ValueError(f"Expected `maps` of shape (M,N,H,W) with at least one pixel, got {tuple(maps.shape)}.")
    if len(maps) < 2:
        raise ValueError(f"Expected `maps` of at least 2 models, got {len(maps)}.")
    if segments is not None:
        _check_segments(segments, maps)
    if others is not None:
        check_real(others, "others")
    if others is not None and others.shape != maps.shape:
        raise ValueError(f"Expected `others` of shape {tuple(maps.shape)}, got {tuple(others.shape)}.")
    if distance == "ssim":
        return 1 - pairwise_ssim(maps, others)
    models = len(maps)
    pairs = [(i, j if others is None else models + j) for i, j in combinations(range(models), 2)]
    size = max(1, CHUNK_VALUES // max(1, maps[:, :1].numel()))
    chunks = []
    for start in range(0, maps.shape[1], size) or [0]:
        here = slice(start, start + size)
        known = maps[:, here] if others is None else torch.cat([maps[:, here], others[:, here]])
        if segments is None:
            chunks.append(distances_of_pairs(known.flatten(2), pairs, distance))
        else:
            table, sizes = _segment_values(known, segments[here])
            chunks.append(distances_of_pairs(table, pairs, distance, sizes))
    return torch.cat(chunks, dim=1)


def distances_of_pairs(
    values: Tensor, pairs: Sequence[tuple[int, int]], distance: Distance, sizes: Tensor | None = None
) -> Tensor:
    """Return `pair_distances` of chosen pairs of maps of the same images, but not `ssim`; nothing is checked.

    Args:
        values: K maps of N images with one value for each pixel or segment, shape (K,N,D).
        pairs: the two maps of each pair.
        distance: name of the distance.
        sizes: how many pixels each value stands for, shape (N,D) float64; None: one each.

    Returns:
        Distances, shape (pairs,N), float32.

    Example:
        >>> import torch
        >>> distances_of_pairs(torch.tensor([[[3.0, 4.0]], [[6.0, 8.0]]]), [(0, 1)], "l2_raw")
        tensor([[5.]])
    """
    compiled = None if needs_tensor_operations(values) else _compiled()
    # squares of float32 cannot overflow float64
    if compiled is not None and sizes is None and values.dtype == torch.float32 and distance in ("l2", "l2_raw"):
        scale = torch.ones(values.shape[:2], dtype=torch.float64)
        if distance == "l2":
            norm = torch.stack([each.double().square().sum(1).sqrt() for each in values])
            scale = 1 / norm.masked_fill(norm == 0, 1.0)
        return compiled(values, scale, np.array(pairs, dtype=np.int64).reshape(-1, 2)).sqrt().float()
    prepared = [_prepare(value, sizes, distance) for value in values]
    if sizes is not None:
        # few values of each map: all pairs at once
        maps = torch.stack(prepared)
        first, second = (maps[[pair[side] for pair in pairs]] for side in (0, 1))
        return _compare(first, second, sizes, distance).float()
    return torch.stack([_compare(prepared[i], prepared[j], None, distance) for i, j in pairs]).float()


def check_distance(distance: str) -> None:
    """Raise a ValueError unless `distance` is one of the known names.

    Example:
        >>> check_distance("spearman")
    """
    if distance not in get_args(Distance):
        raise ValueError(f"Expected `distance` to be one of {get_args(Distance)}, got {distance!r}.")


def _prepare(values: Tensor, weights: Tensor | None, distance: Distance) -> Tensor:
    """Do the part of the work that is needed once per model: (N,D) to (N,D) in float64."""
    if distance == "spearman":
        return centered_ranks(values, weights)
    if distance == "cosine":
        return scaled(values)
    if distance == "l2":
        values = scaled(values)
        norm = _pixel_sum(values.square(), weights).sqrt()[:, None]
        return values / norm.masked_fill(norm == 0, 1.0)
    return values.double()


def _compare(first: Tensor, second: Tensor, weights: Tensor | None, distance: Distance) -> Tensor:
    """Do the part of the work that is needed for every pair: two (...,N,D) to (...,N)."""
    if distance == "spearman":
        return (1 - cosine_similarity(first, second, weights).abs()).sqrt()
    if distance == "cosine":
        return 1 - cosine_similarity(first, second, weights)
    if distance == "l1":
        pixels = first.shape[-1] if weights is None else weights.sum(dim=-1)
        return _pixel_sum((first - second).abs(), weights) / pixels
    return _pixel_sum((first - second).square(), weights).sqrt()


@cache
def _compiled() -> Callable[[Tensor, Tensor, NDArray[np.int64]], Tensor] | None:
    """Return compiled squared distances if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.metrics.pairs_compiled import squared_distances

        return squared_distances
    return None


def _pixel_sum(values: Tensor, weights: Tensor | None) -> Tensor:
    return (values if weights is None else values * weights).sum(dim=-1)


def _segment_values(maps: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Return one value per model and segment (M,N,S), and each segment's number of pixels (N,S)."""
    ids = segments.flatten(1).long()
    pixels = maps.flatten(2)
    index = ids.expand(len(maps), -1, -1)
    num_segments = int(ids.max()) + 1 if ids.numel() else 0
    # All pixels of a segment are equal, so it does not matter which one is written last.
    values = pixels.new_zeros(*pixels.shape[:2], num_segments).scatter_(2, index, pixels)
    written = values.gather(2, index)
    if not ((written == pixels) | (written.isnan() & pixels.isnan())).all():
        raise ValueError("Expected `maps` to be constant on each of `segments`; leave `segments` out for other maps.")
    weights = torch.zeros(len(ids), num_segments, dtype=torch.float64, device=maps.device)
    return values, weights.scatter_add_(1, ids, torch.ones_like(ids, dtype=torch.float64))


def _check_segments(segments: Tensor, maps: Tensor) -> None:
    if not isinstance(segments, Tensor) or segments.dtype not in INTEGERS:
        kind = segments.dtype if isinstance(segments, Tensor) else type(segments).__name__
        raise TypeError(f"Expected `segments` of an integer type, got {kind}.")
    if segments.shape != maps.shape[1:]:
        raise ValueError(f"Expected `segments` of shape {tuple(maps.shape[1:])}, got {tuple(segments.shape)}.")
    # in a type that can hold the number of pixels
    ids = segments.long()
    if ((ids < 0) | (ids >= segments[:1].numel())).any():
        raise ValueError("Expected `segments` to hold ids from 0 to the number of segments minus 1.")
