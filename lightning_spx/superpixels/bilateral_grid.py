"""Sums values with bilateral weights on a coarse grid of places and colors (Paris and Durand, 2006; Chen et al., 2007).

Values are spread over the nodes around them by quadratic splines, smoothed along each axis, and read back by the same
splines. A spline has a variance of a quarter of a squared step wherever a value lies, and variances add up, so the
smoothing has what the two others leave. All weights are positive.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs

# nodes lie so many standard deviations apart: with 0.7 there are twice as many, and with 1.0 thrice the error
STEP = 0.8
# a quadratic spline touches so many nodes of an axis
TAPS = 3
# the smoothing ends after so many nodes, where its weight is below 1e-5
REACH = 5
# of the smoothing, in squared steps
VARIANCE = 1 / STEP**2 - 2 / 4
# numbers of one grid, beyond which there are fewer pairs of pixels than nodes, or not enough memory
LARGEST = 2**24
# colors as their mean and two differences: photos fill less of a box with these sides
OPPONENT = {
    1: [[1.0]],
    2: [[0.5**0.5, 0.5**0.5], [0.5**0.5, -(0.5**0.5)]],
    3: [[3**-0.5] * 3, [0.5**0.5, 0.0, -(0.5**0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]],
}


@dataclass(frozen=True)
class Axis:
    """Places on an axis of the grid.

    Args:
        at: (N, P) float64, in steps from the first node; the values of each image lie in its middle.
        sizes: (N,) int64, the number of nodes that each image needs.
    """

    at: Tensor
    sizes: Tensor

    @classmethod
    def over(cls, values: Tensor, step: float) -> "Axis":
        """Lay an axis through values (N, P) float64, with nodes a step apart."""
        scaled = values / step
        low, high = scaled.aminmax(dim=1, keepdim=True)
        sizes = ((high - low).ceil() + 2).clamp(min=TAPS)
        return cls(scaled - (low + high) / 2 + (sizes - 1) / 2, sizes.flatten().long())

    def taps(self) -> tuple[Tensor, Tensor]:
        """Return the first of three nodes, (N, P) int64, and the shares of all three, (3, N, P) float64."""
        middle = torch.minimum((self.at + 0.5).floor().clamp(min=1), self.sizes[:, None] - 2.0)
        part = self.at - middle
        shares = torch.stack([0.5 * (0.5 - part).square(), 0.75 - part.square(), 0.5 * (0.5 + part).square()])
        return middle.long() - 1, shares


def axes_of(images: Tensor, sigma_color: float, sigma_spatial: float) -> list[Axis]:
    """Lay the axes of the grid: up to three of colors, of rows, and of columns; rows and columns need one image.

    Args:
        images: (N, G, H, W) float64 of one to three channels.
        sigma_color: standard deviation of the colors' distance.
        sigma_spatial: standard deviation of the places' distance in pixels.
    """
    _, channels, height, width = images.shape
    turn = torch.tensor(OPPONENT[channels], dtype=images.dtype, device=images.device)
    colors = (turn @ images.flatten(2)).unbind(1)
    lines = [torch.arange(size, dtype=images.dtype, device=images.device)[None] for size in (height, width)]
    return [
        *(Axis.over(color, STEP * sigma_color) for color in colors),
        *(Axis.over(line, STEP * sigma_spatial) for line in lines),
    ]


def smoothing(size: int) -> Tensor:
    """Return the matrix that smooths an axis, (size, size) float64, in units in which a pixel's own weight is one."""
    line = torch.arange(size, dtype=torch.float64)
    apart = line[:, None] - line
    return torch.exp(-0.5 * apart.square() / VARIANCE) * (apart.abs() <= REACH) / (STEP * math.sqrt(VARIANCE))


def fits(images: Tensor, sigma_color: float, sigma_spatial: float) -> bool:
    """Return whether no image can need a grid that is too large, whatever its colors are."""
    spans = {1: [1.0], 2: [2**0.5, 2**0.5], 3: [3**0.5, 2**0.5, 6**0.5 * 2 / 3]}[images.shape[1]]
    extents = [span / sigma_color for span in spans] + [size / sigma_spatial for size in images.shape[-2:]]
    return math.prod(extent / STEP + TAPS for extent in extents) <= LARGEST


def grid_sums(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return approximate weighted sums, in units in which the weight of a pixel itself is about one.

    Args:
        values: (N, C, H, W) floating point.
        images: (N, G, H, W) float64 in [0, 1] of one to three channels.
        sigma_color: standard deviation of the colors' distance.
        sigma_spatial: standard deviation of the places' distance in pixels.

    Returns:
        (N, C, H, W) float64.
    """
    compiled = None if needs_tensor_operations(values, images) else _compiled()
    sums = _tensor_sums if compiled is None else compiled
    values = values.double()
    # one image at a time stays in the cache of a CPU
    parts = range(len(images)) if images.device.type == "cpu" else range(0, len(images), 8)
    step = 1 if images.device.type == "cpu" else 8
    found = [
        sums(values[start : start + step], axes_of(images[start : start + step], sigma_color, sigma_spatial))
        for start in parts
    ]
    return torch.cat(found) if found else values.double()


@cache
def _compiled() -> Callable[[Tensor, list[Axis]], Tensor] | None:
    """Return the compiled version if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.superpixels.bilateral_compiled import sums_of_image

        return sums_of_image
    return None


def _tensor_sums(values: Tensor, axes: list[Axis]) -> Tensor:
    """Return the sums with tensor operations, of all images at once."""
    count, channels, height, width = values.shape
    sizes = [int(axis.sizes.max()) for axis in axes]
    strides = [math.prod(sizes[number + 1 :]) for number in range(len(sizes))]
    cells = math.prod(sizes)
    taps = [axis.taps() for axis in axes]
    # of colors, all nodes around a pixel at once; of places, one after the other
    base = (torch.arange(count, device=values.device) * cells)[:, None]
    for (first, _), stride in zip(taps[:-2], strides[:-2], strict=True):
        base = base + first * stride
    (row, downs), (column, acrosses) = taps[-2:]
    base = base.view(count, height, width) + row[0, :, None] * strides[-2] + column[0] * strides[-1]
    corners = list(itertools.product(range(TAPS), repeat=len(taps) - 2))
    steps = [sum(tap * stride for tap, stride in zip(corner, strides[:-2], strict=True)) for corner in corners]
    nodes = base + torch.tensor(steps, device=values.device).view(-1, 1, 1, 1)
    shares = torch.stack(
        [
            math.prod(
                [of[tap] for tap, (_, of) in zip(corner, taps[:-2], strict=True)], start=torch.ones_like(taps[0][1][0])
            )
            for corner in corners
        ]
    ).view(len(corners), count, height, width)
    places = [
        (nodes + down * strides[-2] + across, shares * (downs[down, 0, :, None] * acrosses[across, 0]))
        for down, across in itertools.product(range(TAPS), repeat=2)
    ]
    flat = values.double().movedim(1, -1)
    grid = flat.new_zeros(count * cells, channels)
    for index, share in places:
        grid = grid.index_add(0, index.flatten(), (share[..., None] * flat).flatten(0, -2))
    grid = grid.view(count, *sizes, channels)
    for number, size in enumerate(sizes, start=1):
        matrix = smoothing(size).to(grid.device)
        grid = torch.movedim(torch.tensordot(matrix, grid, dims=([1], [number])), 0, number)
    grid = grid.reshape(count * cells, channels)
    result = torch.zeros_like(flat)
    for index, share in places:
        result = result + (grid[index.flatten()].view(*index.shape, channels) * share[..., None]).sum(0)
    return result.movedim(-1, 1)
