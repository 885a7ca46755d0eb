"""The guided filter as loops over one image, compiled by numba: the same as with tensors, and faster on a CPU."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.superpixels.pooling_compiled import compiled

Numbers = NDArray[np.float64]


def _box(values: Numbers, radius: int, result: Numbers) -> None:
    # means over windows that end at the border, values and result (H, W), which may be the same
    height, width = values.shape
    down = np.empty((height, width))
    sums = np.zeros(width)
    for y in range(min(radius, height)):
        for x in range(width):
            sums[x] += values[y, x]
    for y in range(height):
        if y + radius < height:
            for x in range(width):
                sums[x] += values[y + radius, x]
        if y - radius > 0:
            for x in range(width):
                sums[x] -= values[y - radius - 1, x]
        share = 1.0 / (min(y + radius + 1, height) - max(y - radius, 0))
        for x in range(width):
            down[y, x] = sums[x] * share
    for y in range(height):
        total = 0.0
        for x in range(min(radius, width)):
            total += down[y, x]
        for x in range(width):
            if x + radius < width:
                total += down[y, x + radius]
            if x - radius > 0:
                total -= down[y, x - radius - 1]
            result[y, x] = total / (min(x + radius + 1, width) - max(x - radius, 0))


box = compiled(_box)


def _factors(guide: Numbers, mean: Numbers, radius: int, eps: float, lower: Numbers) -> None:
    # lower (G, G, H, W): the Cholesky factors of the windows' covariances; those on the diagonal are inverted
    colors, height, width = guide.shape
    for i in range(colors):
        for j in range(i + 1):
            here = lower[i, j]
            here[:] = guide[i] * guide[j]
            box(here, radius, here)
            for y in range(height):
                for x in range(width):
                    here[y, x] -= mean[i, y, x] * mean[j, y, x]
                    if i == j:
                        here[y, x] += eps
    for i in range(colors):
        for j in range(i + 1):
            for y in range(height):
                for k in range(j):
                    for x in range(width):
                        lower[i, j, y, x] -= lower[i, k, y, x] * lower[j, k, y, x]
                for x in range(width):
                    if i == j:
                        lower[i, i, y, x] = 1.0 / np.sqrt(lower[i, i, y, x])
                    else:
                        lower[i, j, y, x] *= lower[j, j, y, x]


factors = compiled(_factors)


def _filter(guide: Numbers, mean: Numbers, lower: Numbers, values: Numbers, radius: int, result: Numbers) -> None:
    # values and result (H, W)
    colors, height, width = guide.shape
    target, slope, offset = np.empty((height, width)), np.empty((colors, height, width)), np.empty((height, width))
    box(values, radius, target)
    for i in range(colors):
        slope[i] = guide[i] * values
        box(slope[i], radius, slope[i])
    offset[:] = target
    for y in range(height):
        for i in range(colors):
            for x in range(width):
                slope[i, y, x] -= mean[i, y, x] * target[y, x]
            for k in range(i):
                for x in range(width):
                    slope[i, y, x] -= lower[i, k, y, x] * slope[k, y, x]
            for x in range(width):
                slope[i, y, x] *= lower[i, i, y, x]
        for i in range(colors - 1, -1, -1):
            for k in range(i + 1, colors):
                for x in range(width):
                    slope[i, y, x] -= lower[k, i, y, x] * slope[k, y, x]
            for x in range(width):
                slope[i, y, x] *= lower[i, i, y, x]
                offset[y, x] -= slope[i, y, x] * mean[i, y, x]
    box(offset, radius, result)
    for i in range(colors):
        box(slope[i], radius, slope[i])
        for y in range(height):
            for x in range(width):
                result[y, x] += slope[i, y, x] * guide[i, y, x]


filter_channel = compiled(_filter)


def filtered(values: Tensor, images: Tensor, radius: int, eps: float) -> Tensor:
    """Filter images one by one.

    Args:
        values: (N, C, H, W) float64.
        images: (N, G, H, W) float64.
        radius: of the windows.
        eps: is added to the variances of colors.

    Returns:
        (N, C, H, W) float64.

    Example:
        >>> filtered(torch.ones(1, 1, 2, 2).double(), torch.zeros(1, 3, 2, 2).double(), 1, 0.01).flatten().tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    result = np.empty(values.shape)
    for found, maps, guide in zip(result, values.contiguous().numpy(), images.contiguous().numpy(), strict=True):
        colors, height, width = guide.shape
        mean, lower = np.empty(guide.shape), np.zeros((colors, colors, height, width))
        for color in range(colors):
            box(guide[color], radius, mean[color])
        factors(guide, mean, radius, eps, lower)
        for channel in range(len(maps)):
            filter_channel(guide, mean, lower, maps[channel], radius, found[channel])
    return torch.from_numpy(result)
