"""Sums values with bilateral weights on a coarse grid of places and colors (Paris and Durand, 2006; Chen et al., 2007).

Values are spread over the corners of their cell, smoothed along each axis, and read back at the corners: three steps
whose variances add up, so the middle one has what the two others leave.
"""

import itertools

import torch
from torch import Tensor


def grid_sums(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return approximate weighted sums, in units in which the weight of a pixel itself is about one.

    Args:
        values: (N, C, H, W) float64.
        images: (N, G, H, W) float64 in [0, 1].
        sigma_color: standard deviation of the colors' distance.
        sigma_spatial: standard deviation of the places' distance in pixels.

    Returns:
        (N, C, H, W) float64.
    """
    count, channels, height, width = values.shape
    steps = [sigma_spatial, sigma_spatial, *[sigma_color] * images.shape[1]]
    extents = [height - 1, width - 1, *[1.0] * images.shape[1]]
    sizes = [int(extent / step) + 2 for extent, step in zip(extents, steps, strict=True)]
    rows = torch.arange(height, dtype=images.dtype, device=images.device)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=images.dtype, device=images.device).expand(height, width)
    places = torch.stack([rows, columns]).expand(count, -1, -1, -1)
    at = torch.cat([places / sigma_spatial, images.clamp(0, 1) / sigma_color], 1).flatten(2).movedim(1, 0)
    low = at.floor()
    part = at - low
    strides = torch.tensor([1, *sizes[:0:-1]]).cumprod(0).flip(0).tolist()
    base = sum(axis.long() * stride for axis, stride in zip(low, strides, strict=True))
    cells = strides[0] * sizes[0]
    base = base + torch.arange(count, device=images.device)[:, None] * cells
    corners = []
    for corner in itertools.product((0, 1), repeat=len(sizes)):
        share = torch.stack([part[axis] if up else 1 - part[axis] for axis, up in enumerate(corner)]).prod(0)
        corners.append((base + sum(up * stride for up, stride in zip(corner, strides, strict=True)), share))
    flat = values.flatten(2).mT.reshape(-1, channels)
    grid = values.new_zeros(count * cells, channels)
    for index, share in corners:
        grid.index_add_(0, index.flatten(), flat * share.reshape(-1, 1))
    grid = grid.view(count, *sizes, channels)
    for axis, size in enumerate(sizes, start=1):
        line = torch.arange(size, dtype=values.dtype, device=values.device)
        # spreading and reading back have a variance of a sixth of a cell each
        smooth = torch.exp(-0.5 * (line[:, None] - line).square() / (1 - 1 / 3)) * (1 - 1 / 3) ** -0.5
        grid = torch.movedim(torch.tensordot(smooth, grid, dims=([1], [axis])), 0, axis)
    grid = grid.reshape(count * cells, channels)
    result = values.new_zeros(count * height * width, channels)
    for index, share in corners:
        result += grid[index.flatten()] * share.reshape(-1, 1)
    return result.view(count, height * width, channels).mT.reshape(values.shape)
