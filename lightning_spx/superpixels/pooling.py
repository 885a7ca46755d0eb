"""Pools attributions over super-pixels, which turns a method into an S- method."""

import math
from typing import Literal

import torch
from torch import Tensor

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
    values = attribution.flatten(2).double()
    ids = segments.flatten(1)[:, None].expand_as(values)
    most = max(counts(segments).tolist(), default=0)
    pooled = values.new_zeros(*values.shape[:2], most).scatter_add(2, ids, values)
    if reduce == "mean":
        sizes = values.new_zeros(len(values), 1, most).scatter_add(2, ids[:, :1], torch.ones_like(values[:, :1]))
        # Ids that occur only in other images of the batch are empty here and never read
        pooled = pooled / sizes.clamp(min=1)
    return pooled.float().gather(2, ids).view(shape)


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
