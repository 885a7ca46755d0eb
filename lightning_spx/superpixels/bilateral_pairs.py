"""Sums values with bilateral weights over all pairs of pixels: exact, and slow for large images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs

# weights at a time, which stay in the cache of a CPU
PAIRS_ON_CPU = 2**18
PAIRS_ON_DEVICE = 2**28
# channels of colors that the loops know, and pixels of a row that they add in float32
LOOP_COLORS = 3
LOOP_WIDTH = 128
# colors that float32 rounds change weights by less than its own rounding, where they are compared no finer than this
LEAST_ROUNDED = 0.05

Numbers = NDArray[np.float64]
Loops = Callable[[Numbers, NDArray[np.float32], float, float], Numbers]


def pair_sums(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return the weighted sums, in which the weight of a pixel itself is one.

    Args:
        values: (N, C, H, W) floating point.
        images: (N, G, H, W) float64 of any number of channels.
        sigma_color: standard deviation of the colors' distance.
        sigma_spatial: standard deviation of the places' distance in pixels.

    Returns:
        (N, C, H, W) float64.

    Example:
        >>> pair_sums(torch.ones(1, 1, 1, 2), torch.zeros(1, 3, 1, 2).double(), 0.1, 1.0)
        tensor([[[[1.6065, 1.6065]]]], dtype=torch.float64)
    """
    loops = None if needs_tensor_operations(values, images) else _compiled()
    if loops is None or images.shape[1] > LOOP_COLORS or max(images.shape[-2:]) > LOOP_WIDTH or not images.numel():
        return _by_tensors(values, images, sigma_color, sigma_spatial)
    # image by image, so that none decides for another
    can_loop = (images.float().to(images.dtype) == images).flatten(1).all(1) | (sigma_color >= LEAST_ROUNDED)
    sums = torch.empty(values.shape, dtype=torch.float64)
    sums[~can_loop] = _by_tensors(values[~can_loop], images[~can_loop], sigma_color, sigma_spatial)
    sums[can_loop] = _by_loops(loops, values[can_loop].double(), images[can_loop].float(), sigma_color, sigma_spatial)
    return sums


def _by_tensors(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return the sums by products of matrices, on any device and of any number of channels."""
    count, _, height, width = images.shape
    lines = [torch.arange(size, dtype=images.dtype, device=images.device) for size in (height, width)]
    places = torch.stack(torch.meshgrid(*lines, indexing="ij")).expand(count, -1, -1, -1)
    features = torch.cat([places / sigma_spatial, images / sigma_color], 1).flatten(2)
    # products lose the fewest digits around zero
    features = features - features.mean(2, keepdim=True)
    half, ones = -0.5 * features.square().sum(1, keepdim=True), torch.ones_like(features[:, :1])
    left, right = torch.cat([features, half, ones], 1).mT, torch.cat([features, ones, half], 1)
    flat = values.double().flatten(2).mT
    if images.device.type == "cpu":
        parts = [_of_image(*each) for each in zip(left, right, flat, strict=True)]
        return torch.stack(parts).mT.reshape(values.shape) if parts else values.double()
    pixels = height * width
    together = max(1, PAIRS_ON_DEVICE // pixels**2)
    step = max(1, PAIRS_ON_DEVICE // (together * pixels))
    parts = []
    for first in range(0, count, together):
        some = slice(first, first + together)
        rows = [
            _weights(left[some, start : start + step], right[some]) @ flat[some] for start in range(0, pixels, step)
        ]
        parts.append(torch.cat(rows, 1))
    return torch.cat(parts).mT.reshape(values.shape)


def _by_loops(loops: Loops, values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return the sums by compiled loops, of as many images at once as there are threads."""
    given = [(*each, sigma_color, sigma_spatial) for each in zip(values.detach().numpy(), images.numpy(), strict=True)]
    threads = min(torch.get_num_threads(), len(given))
    if threads < 2:
        return torch.from_numpy(np.stack([loops(*each) for each in given])) if given else values
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return torch.from_numpy(np.stack(list(pool.map(lambda each: loops(*each), given))))


@cache
def _compiled() -> Loops | None:
    """Return the loops if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.superpixels.bilateral_pairs_compiled import sums_of_image

        return sums_of_image
    return None


def _of_image(left: Tensor, right: Tensor, values: Tensor) -> Tensor:
    """Return the sums (P, C) of one image; a weight serves both of its pixels, so half of them are computed."""
    step = max(1, PAIRS_ON_CPU // len(left))
    given = torch.split(values, step)
    sums = [torch.zeros_like(each) for each in given]
    for number, rows in enumerate(torch.split(left, step)):
        start = number * step
        weights = _weights(rows, right[:, start:])
        sums[number] = sums[number] + weights @ values[start:]
        if start + step < len(left):
            others = torch.split(weights[:, step:].mT @ given[number], step)
            sums[number + 1 :] = [known + more for known, more in zip(sums[number + 1 :], others, strict=True)]
    return torch.cat(sums)


def _weights(left: Tensor, right: Tensor) -> Tensor:
    """Return exponentials of minus half the squared distances, which rounding may make positive."""
    return (left @ right).clamp_(max=0).exp_()
