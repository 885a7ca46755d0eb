"""Pools attributions over super-pixels, which turns a method into an S- method."""

import math
from collections.abc import Callable
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs
from lightning_spx.superpixels.segmenter import check_segments, counts, is_one_map


def segment_pool(attribution: Tensor, segments: Tensor, reduce: Literal["mean", "sum"] = "mean") -> Tensor:
    """Replace each value by the mean or sum over its segment, channel by channel.

    Sums use float64, so that an image gives the same result alone and in a batch (on CUDA, which may sum in any order,
    the last bit of float32 may differ in rare cases). A NaN stays within its segment. Mean pooling preserves the sum
    over the image, and pooling twice equals pooling once.

    Args:
        attribution: `(N, C, H, W)` or `(N, H, W)` floating point, signed or not.
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)`, which pools everything in
            `attribution`, then `(H, W)`, `(C, H, W)` or a batch, over the same segments.
        reduce: `"mean"` or `"sum"` over the pixels of a segment.

    Returns:
        float32 of the shape of `attribution`, constant on each segment; a value beyond its range is infinite.

    Raises:
        TypeError: If `attribution` is not floating point.
        ValueError: If shapes or devices do not fit, `segments` breaks its contract or `reduce` is neither word.

    Example:
        >>> attribution = torch.tensor([[[[1.0, 3.0, -5.0]]]])
        >>> segments = torch.tensor([[[0, 0, 1]]])
        >>> segment_pool(attribution, segments)
        tensor([[[[ 2.,  2., -5.]]]])
        >>> segment_pool(attribution, segments, reduce="sum")
        tensor([[[[ 4.,  4., -5.]]]])
        >>> segment_pool(attribution[0, 0], segments[0])
        tensor([[ 2.,  2., -5.]])
    """
    if reduce not in ("mean", "sum"):
        raise ValueError(f'Expected `reduce` to be "mean" or "sum", got {reduce!r}.')
    shape = attribution.shape if isinstance(attribution, Tensor) else ()
    attribution, segments = as_pair(attribution, segments)
    ids = segments.flatten(1)[:, None].expand_as(attribution.flatten(2))
    if reduce == "mean":
        return segment_means(attribution[None], segments)[0].gather(2, ids).view(shape)
    return _sums(attribution[None], segments, _most(segments))[0].float().gather(2, ids).view(shape)


def segment_means(attribution: Tensor, segments: Tensor, absolute: bool = False) -> Tensor:
    """Return the mean of each channel over each segment, for several maps of the same images; nothing is checked.

    Args:
        attribution: `(M, N, C, H, W)` floating point, M maps of each image.
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image.
        absolute: Whether means are of absolute values.

    Returns:
        `(M, N, C, S)` float32, with the largest `S` of all images; 0 for ids that an image does not have.

    Example:
        >>> attribution = torch.tensor([1.0, -3.0, -5.0]).view(1, 1, 1, 1, 3)
        >>> segment_means(attribution, torch.tensor([[[0, 0, 1]]])).flatten()
        tensor([-1., -5.])
    """
    most = _most(segments)
    compiled = None if needs_tensor_operations(attribution) else _compiled()
    if compiled is not None:
        return compiled(attribution, segments, most, absolute)
    sums = _sums(attribution.abs() if absolute else attribution, segments, most)
    return (sums / segment_sizes(segments, most).clamp(min=1)[:, None]).float()


def segment_variance(variance: Tensor, segments: Tensor) -> Tensor:
    """Return the variance of means over segments of independent values: their mean variance over their number.

    Args:
        variance: `(N, C, H, W)` floating point, not negative.
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image.

    Returns:
        `(N, C, H, W)` float32, constant on each segment.

    Example:
        >>> segment_variance(torch.tensor([[[[1.0, 3.0, 5.0]]]]), torch.tensor([[[0, 0, 1]]]))
        tensor([[[[1., 1., 5.]]]])
    """
    most = _most(segments)
    ids = segments.flatten(1)
    sizes = segment_sizes(segments, most).gather(1, ids).view(len(ids), 1, *segments.shape[1:])
    return (segment_pool(variance, segments) / sizes).float()


def segment_sizes(segments: Tensor, num_segments: int) -> Tensor:
    """Return the number of pixels of each segment; nothing is checked.

    Args:
        segments: `(N, H, W)` int64.
        num_segments: Number of columns of the result, above all ids.

    Returns:
        `(N, num_segments)` float64; 0 for ids that an image does not have.

    Example:
        >>> segment_sizes(torch.tensor([[[0, 0, 1]]]), 3)
        tensor([[2., 1., 0.]], dtype=torch.float64)
    """
    ids = segments.flatten(1)
    sizes = torch.zeros(len(ids), num_segments, dtype=torch.float64, device=ids.device)
    return sizes.scatter_add_(1, ids, torch.ones((), dtype=torch.float64, device=ids.device).expand(ids.shape))


def _sums(attribution: Tensor, segments: Tensor, most: int) -> Tensor:
    values = attribution.flatten(3).double()
    ids = segments.flatten(1)[:, None].expand_as(values)
    return values.new_zeros(*values.shape[:3], most).scatter_add(3, ids, values)


def _most(segments: Tensor) -> int:
    return max(counts(segments).tolist(), default=0)


@cache
def _compiled() -> Callable[[Tensor, Tensor, int, bool], Tensor] | None:
    """Return the compiled version if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.superpixels.pooling_compiled import segment_means

        return segment_means
    return None


def as_pair(attribution: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Return an attribution and its segments as batches, or refuse them if they do not belong together.

    Args:
        attribution: As in `segment_pool`.
        segments: As in `segment_pool`.

    Returns:
        `(N, C, H, W)` and `(N, H, W)`; if the segments are `(H, W)`, all maps become channels of one image.

    Raises:
        TypeError: If `attribution` is not floating point.
        ValueError: If shapes or devices do not fit, or `segments` breaks its contract.

    Example:
        >>> attribution, segments = as_pair(torch.zeros(2, 3, 4, 5), torch.zeros(4, 5, dtype=torch.int64))
        >>> attribution.shape, segments.shape
        (torch.Size([1, 6, 4, 5]), torch.Size([1, 4, 5]))
    """
    if not isinstance(attribution, Tensor) or not attribution.is_floating_point():
        is_tensor = isinstance(attribution, Tensor)
        kind = attribution.dtype if is_tensor else type(attribution).__name__
        advice = "attribution.float()" if is_tensor else "torch.as_tensor(attribution)"
        raise TypeError(f"Expected `attribution` to be a floating point tensor, got {kind}: give {advice}.")
    shapes = tuple(attribution.shape), tuple(segments.shape) if isinstance(segments, Tensor) else ()
    if is_one_map(segments):
        segments = segments[None]
        if attribution.ndim in (2, 3, 4):
            attribution = attribution.reshape(1, math.prod(attribution.shape[:-2]), *attribution.shape[-2:])
    elif attribution.ndim == 3:
        attribution = attribution[:, None]
    check_segments(segments)
    if attribution.ndim != 4 or (attribution.shape[0], *attribution.shape[2:]) != segments.shape:
        raise ValueError(
            f"Expected `attribution` to have shape (N, C, H, W) or (N, H, W) with the (N, H, W) of `segments`, "
            f"got {shapes[0]} and {shapes[1]}."
        )
    if attribution.device != segments.device:
        raise ValueError(
            f"Expected `segments` on the device of `attribution`, {attribution.device}, got {segments.device}: "
            "give segments.to(attribution.device)."
        )
    return attribution, segments
