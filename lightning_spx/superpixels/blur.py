"""The control without borders: a Gaussian blur that smooths as much as pooling over the segments."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs
from lightning_spx.superpixels.pooling import as_pair
from lightning_spx.superpixels.segmenter import counts


def blur_like(attribution: Tensor, segments: Tensor) -> Tensor:
    """Blur each image with a Gaussian whose width matches the mean size of its segments.

    The standard deviation is `sqrt(H * W / (4 * pi * S))` pixels for an image with `S` segments; the image is
    mirrored at its border and the kernel ends at four standard deviations, as in
    `scipy.ndimage.gaussian_filter(mode="reflect")`. A NaN stays in its image, where it reaches at least as far as the
    kernel does.

    Args:
        attribution: `(N, C, H, W)` or `(N, H, W)` floating point.
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)`, as in `segment_pool`.

    Returns:
        float32 of the shape of `attribution`.

    Raises:
        TypeError: If `attribution` is not floating point.
        ValueError: If shapes or devices do not fit or `segments` breaks its contract.

    Example:
        >>> segments = torch.arange(3).view(1, 1, 3)
        >>> blur_like(torch.tensor([[[[0.0, 1.0, 0.0]]]]), segments)
        tensor([[[[0.0019, 0.9963, 0.0019]]]])
    """
    shape = attribution.shape if isinstance(attribution, Tensor) else ()
    attribution, segments = as_pair(attribution, segments)
    return blurred(attribution[None], counts(segments))[0].view(shape)


def blurred(attribution: Tensor, num_segments: Tensor, absolute: bool = False) -> Tensor:
    """Blur several maps of the same images, each as wide as the image's segments are; nothing is checked.

    Args:
        attribution: `(M, N, C, H, W)` floating point, M maps of each image.
        num_segments: `(N,)`, the number of segments of each image, or the effective one of another pooling.
        absolute: Whether absolute values are blurred.

    Returns:
        `(M, N, C, H, W)` float32.

    Example:
        >>> blurred(torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 1, 3), torch.tensor([3])).flatten()
        tensor([0.0019, 0.9963, 0.0019])
    """
    height, width = attribution.shape[-2:]
    rows, columns = _matrices(attribution, num_segments)
    compiled = None if needs_tensor_operations(attribution) else _compiled()
    if compiled is not None:
        return compiled(attribution, rows, columns, absolute)
    # One matrix product per image and axis: float64, so that neither autocast nor TF32 touches it
    models, images, channels = attribution.shape[:3]
    values = attribution.abs() if absolute else attribution
    lines = values.double().movedim(0, 1).reshape(images, models * channels * height, width).bmm(columns.mT)
    lines = lines.view(images, models * channels, height, width).mT
    lines = lines.reshape(images, models * channels * width, height).bmm(rows.mT)
    result = lines.view(images, models, channels, width, height).mT.float()
    return result.movedim(1, 0).contiguous()


def blurred_variance(variance: Tensor, num_segments: Tensor) -> Tensor:
    """Return the variance of blurred noise, which has the squares of the blur's weights; nothing is checked.

    Args:
        variance: `(N, C, H, W)` floating point, of independent values.
        num_segments: `(N,)`, as for `blurred`.

    Returns:
        `(N, C, H, W)` float32.

    Example:
        >>> blurred_variance(torch.ones(1, 1, 1, 3), torch.tensor([3])).flatten()
        tensor([0.9963, 0.9926, 0.9963])
    """
    rows, columns = (matrices.square()[:, None] for matrices in _matrices(variance, num_segments))
    return (rows @ variance.double() @ columns.mT).float()


def _matrices(values: Tensor, num_segments: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrices `(N, H, H)` and `(N, W, W)` that blur each image's columns and rows."""
    height, width = values.shape[-2:]
    # Images with the same number of segments share their matrices
    numbers, image_of = np.unique(num_segments.numpy(force=True), return_inverse=True)
    sigma = torch.from_numpy(np.sqrt(height * width / (4 * math.pi * numbers.astype(np.float64)))).to(values.device)
    rows, columns = (gaussian_matrices(size, sigma)[torch.from_numpy(image_of)] for size in (height, width))
    return rows, columns


@cache
def _compiled() -> Callable[[Tensor, Tensor, Tensor, bool], Tensor] | None:
    """Return the compiled version if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.superpixels.pooling_compiled import gaussian_blur

        return gaussian_blur
    return None


def gaussian_matrices(size: int, sigma: Tensor) -> Tensor:
    """Return the matrices that blur a line of `size` values with a reflecting border.

    Args:
        size: Length of the line.
        sigma: `(U,)` float64, standard deviations in pixels, positive.

    Returns:
        `(U, size, size)` float64; every row sums to one.

    Example:
        >>> gaussian_matrices(2, torch.tensor([0.5], dtype=torch.float64))
        tensor([[[0.8930, 0.1070],
                 [0.1070, 0.8930]]], dtype=torch.float64)
    """
    radius = (4 * sigma + 0.5).long()
    largest = max(radius.tolist(), default=0)
    offset = torch.arange(-largest, largest + 1, device=sigma.device)
    weight = torch.exp(-0.5 * (offset / sigma[:, None]) ** 2) * (offset.abs() <= radius[:, None])
    weight = weight / weight.sum(1, keepdim=True)
    # A line mirrored at both ends repeats after 2 * size values; a wide kernel passes over several mirrors
    source = (torch.arange(size, device=sigma.device)[:, None] + offset) % (2 * size)
    source = torch.minimum(source, 2 * size - 1 - source)
    matrices = torch.zeros(len(sigma), size, size, dtype=sigma.dtype, device=sigma.device)
    return matrices.scatter_add_(2, source.expand(len(sigma), -1, -1), weight[:, None].expand(-1, size, -1))
