"""The local k-means of SLIC on tensors: every pixel compares the centers of the 3x3 cells around it."""

import math
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad


class CellGrid(NamedTuple):
    """A grid of cells over an image: about as many as requested, and as square as possible.

    Args:
        rows: Number of rows of cells.
        columns: Number of columns of cells.
    """

    rows: int
    columns: int

    @classmethod
    def over(cls, height: int, width: int, n_segments: int) -> "CellGrid":
        """Divide an image into cells, none of which is empty.

        Example:
            >>> CellGrid.over(224, 224, 100), CellGrid.over(3, 30, 100)
            (CellGrid(rows=10, columns=10), CellGrid(rows=3, columns=30))
        """
        side = math.sqrt(height * width / n_segments)
        rows, columns = (min(length, max(1, round(length / side))) for length in (height, width))
        return cls(rows, columns)


def nearest_cells(colors: Tensor, grid: CellGrid, weight: float, max_num_iter: int) -> Tensor:
    """Assign each pixel to the nearest center in color and place among the 3x3 cells around it.

    The first iteration is the grid itself; each further one moves the centers to the means of their pixels and assigns
    again. A center without pixels stays where it is, and the first of equally near centers wins. Sums add whole numbers
    in float64, which is exact in any order, so the result is the same on every device and in every batch.

    On a CPU it stops as soon as nothing changes. On other devices it never waits for the device, and its shapes depend
    only on the shapes of the arguments.

    Args:
        colors: `(N, C, H, W)` int32.
        grid: The cells.
        weight: Factor of the squared distance in pixels against the squared distance in color.
        max_num_iter: Number of iterations.

    Returns:
        `(N, H, W)` int64, the number of the pixel's cell in row-major order. Cells need not be connected.

    Example:
        >>> colors = torch.tensor([0, 0, 0, 9, 9, 9, 9, 9]).view(1, 1, 1, 8).repeat(1, 3, 1, 1).int()
        >>> nearest_cells(colors, CellGrid(1, 2), weight=0.1, max_num_iter=1)
        tensor([[[0, 0, 0, 0, 1, 1, 1, 1]]])
        >>> nearest_cells(colors, CellGrid(1, 2), weight=0.1, max_num_iter=2)
        tensor([[[0, 0, 0, 1, 1, 1, 1, 1]]])
    """
    (height, width), device = colors.shape[-2:], colors.device
    y, inside_y, cell_y, offset_y = _blocks(height, grid.rows, device)
    x, inside_x, cell_x, offset_x = _blocks(width, grid.columns, device)
    # one block of pixels for each cell, so that a cell's values are broadcast instead of looked up
    color = colors[:, :, y[:, None, :, None], x[None, :, None, :]].float()
    place_y, place_x = y.float()[:, None, :, None], x.float()[None, :, None, :]
    inside = inside_y[:, None, :, None] & inside_x[None, :, None, :]
    # the values whose mean is a center, and the number of pixels; cells smaller than the largest are padded with zeros
    moments = torch.stack([*color.unbind(1), *(p.expand_as(color[:, 0]) for p in (place_y, place_x))], dim=-1)
    moments = torch.cat([moments, torch.ones_like(moments[..., :1])], dim=-1).double() * inside[..., None]
    moments = moments.flatten(3, 4)
    neighbor = torch.arange(9, device=device)
    nearest = torch.full_like(color[:, 0], 4, dtype=torch.int64)
    center = centers(moments.sum(3), torch.zeros(1, device=device))
    for _ in range(max_num_iter - 1):
        found = _nearest(color, place_y, place_x, center, weight)
        if device.type == "cpu" and not torch.compiler.is_compiling() and torch.equal(found, nearest):
            break
        nearest = found
        chosen = (nearest.flatten(3)[:, :, :, None, :] == neighbor[:, None]).double()
        center = centers(_gathered(chosen @ moments), center)
    own = nearest[:, cell_y[:, None], cell_x, offset_y[:, None], offset_x]
    return (cell_y[:, None] + own // 3 - 1) * grid.columns + cell_x + own % 3 - 1


def _blocks(length: int, cells: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the positions of each cell's block and which are its own; for each position, its cell and place there."""
    position = torch.arange(length, device=device)
    cell = position * cells // length
    start = -(-torch.arange(cells + 1, device=device) * length // cells)
    places = start[:-1, None] + torch.arange(-(-length // cells), device=device)
    return places.clamp(max=length - 1), places < start[1:, None], cell, position - start[cell]


def _nearest(color: Tensor, y: Tensor, x: Tensor, center: Tensor, weight: float) -> Tensor:
    """Return which of nine centers (N, rows, columns, C + 2) is the nearest to each pixel, (N, rows, columns, h, w)."""
    rows, columns = center.shape[1:3]
    # there is no center beyond the border: infinitely far
    around = pad(center.movedim(-1, 1), (1, 1, 1, 1), value=torch.inf)[..., None, None]
    best = torch.full_like(color[:, 0], torch.inf)
    nearest = torch.zeros_like(best, dtype=torch.int64)
    for number in range(9):
        down, right = divmod(number, 3)
        candidate = around[:, :, down : down + rows, right : right + columns]
        # separate products and sums in a fixed order, so that every device and the compiled version round alike
        apart = reduce(torch.add, (color - candidate[:, :-2]).square().unbind(1))
        place = (y - candidate[:, -2]).square() * weight + (x - candidate[:, -1]).square() * weight
        distance = apart + place
        nearest = torch.where(distance < best, number, nearest)
        # not `minimum`: it would return the NaN that an underflowing weight gives
        best = torch.where(distance < best, distance, best)
    return nearest


def _gathered(sums: Tensor) -> Tensor:
    """Add up what each cell's neighbors hold for it, (N, rows, columns, 9, C + 3) to (N, rows, columns, C + 3)."""
    rows, columns = sums.shape[1:3]
    total = sums.new_zeros(len(sums), rows + 2, columns + 2, sums.shape[-1])
    for number in range(9):
        down, right = divmod(number, 3)
        total[:, down : down + rows, right : right + columns] += sums[:, :, :, number]
    return total[:, 1:-1, 1:-1]


def centers(sums: Tensor, before: Tensor) -> Tensor:
    """Return the means of color and place; a center without pixels stays where it was.

    Args:
        sums: `(..., C + 3)` float64, whole numbers: the sums of the `C` channels, of rows and of columns, then the
            number of pixels.
        before: `(..., C + 2)` float32, the previous centers.

    Returns:
        `(..., C + 2)` float32.

    Example:
        >>> centers(torch.tensor([[2.0, 4, 6, 8, 10, 2], [0, 0, 0, 0, 0, 0]]), torch.full((2, 5), 9.0))
        tensor([[1., 2., 3., 4., 5.],
                [9., 9., 9., 9., 9.]])
    """
    count = sums[..., -1:]
    return torch.where(count > 0, (sums[..., :-1] / count).float(), before)
