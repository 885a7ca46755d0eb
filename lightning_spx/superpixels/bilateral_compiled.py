"""The bilateral grid as loops over one image, compiled by numba: the same sums as with tensors, faster on a CPU."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.superpixels.bilateral_grid import REACH, TAPS, Axis, smoothing
from lightning_spx.superpixels.pooling_compiled import compiled

# channels side by side in a cell, which fill a register of four numbers
LANES = 4

Numbers = NDArray[np.float64]


def _taps(place: float, size: int, shares: Numbers) -> int:
    # return the first of three nodes, and write their shares by a quadratic spline; a single node has all
    if size == 1:
        shares[0] = 1.0
        return 0
    middle = min(max(int(place + 0.5), 1), size - 2)
    part = place - middle
    low, high = 0.5 - part, 0.5 + part
    shares[0], shares[1], shares[2] = 0.5 * low * low, 0.75 - part * part, 0.5 * high * high
    return middle - 1


taps = compiled(_taps)


def _add_row(line: Numbers, lines: Numbers, shares: Numbers) -> None:
    # spread a row of nodes (X * 4) over three, and empty it
    for place in range(len(line)):
        value = line[place]
        lines[0, place] += shares[0] * value
        lines[1, place] += shares[1] * value
        lines[2, place] += shares[2] * value
        line[place] = 0.0


add_row = compiled(_add_row)


def _read_row(line: Numbers, lines: Numbers, shares: Numbers) -> None:
    for place in range(len(line)):
        line[place] = shares[0] * lines[0, place] + shares[1] * lines[1, place] + shares[2] * lines[2, place]


read_row = compiled(_read_row)


def _spread(
    values: Numbers, at: Numbers, downs: Numbers, acrosses: Numbers, grid: Numbers, touched: NDArray[np.bool_]
) -> None:
    # values (H, W, 4), at (3, H, W), downs (H,), acrosses (W,), grid (cells of colors, Y, X * 4), touched (cells, ...)
    height, width, _ = values.shape
    (n, m, o), (cells, rows, wide) = touched.shape, grid.shape
    seen, flags = np.empty(cells, np.int64), np.full(cells, -1)
    is_touched = touched.reshape(-1)
    # a row of pixels is spread over colors and columns first, and from there over rows
    line, shares = np.zeros((cells, wide)), np.empty((5, TAPS))
    for v in range(height):
        y, count = taps(downs[v], rows, shares[3]), 0
        for u in range(width):
            x = taps(acrosses[u], wide // LANES, shares[4]) * LANES
            a, b, c = taps(at[0, v, u], n, shares[0]), taps(at[1, v, u], m, shares[1]), taps(at[2, v, u], o, shares[2])
            v0, v1, v2, v3 = values[v, u, 0], values[v, u, 1], values[v, u, 2], values[v, u, 3]
            s0, s1, s2 = shares[4, 0], shares[4, 1], shares[4, 2]
            for i in range(min(n, TAPS)):
                for j in range(min(m, TAPS)):
                    both = shares[0, i] * shares[1, j]
                    for k in range(min(o, TAPS)):
                        cell = ((a + i) * m + b + j) * o + c + k
                        if flags[cell] != v:
                            flags[cell], seen[count] = v, cell
                            count += 1
                        share = both * shares[2, k]
                        w0, w1, w2 = share * s0, share * s1, share * s2
                        run = line[cell, x : x + TAPS * LANES]
                        run[0] += w0 * v0
                        run[1] += w0 * v1
                        run[2] += w0 * v2
                        run[3] += w0 * v3
                        run[4] += w1 * v0
                        run[5] += w1 * v1
                        run[6] += w1 * v2
                        run[7] += w1 * v3
                        run[8] += w2 * v0
                        run[9] += w2 * v1
                        run[10] += w2 * v2
                        run[11] += w2 * v3
        for number in range(count):
            cell = seen[number]
            is_touched[cell] = True
            add_row(line[cell], grid[cell, y : y + TAPS], shares[3])


spread = compiled(_spread)


def _read(
    at: Numbers, downs: Numbers, acrosses: Numbers, grid: Numbers, touched: NDArray[np.bool_], result: Numbers
) -> None:
    # result (H, W, 4); the others as in `_spread`
    height, width, _ = result.shape
    (n, m, o), (cells, rows, wide) = touched.shape, grid.shape
    flags = np.full(cells, -1)
    line, shares = np.empty((cells, wide)), np.empty((5, TAPS))
    for v in range(height):
        y = taps(downs[v], rows, shares[3])
        for u in range(width):
            x = taps(acrosses[u], wide // LANES, shares[4]) * LANES
            a, b, c = taps(at[0, v, u], n, shares[0]), taps(at[1, v, u], m, shares[1]), taps(at[2, v, u], o, shares[2])
            s0, s1, s2 = shares[4, 0], shares[4, 1], shares[4, 2]
            r0, r1, r2, r3 = 0.0, 0.0, 0.0, 0.0
            for i in range(min(n, TAPS)):
                for j in range(min(m, TAPS)):
                    both = shares[0, i] * shares[1, j]
                    for k in range(min(o, TAPS)):
                        cell = ((a + i) * m + b + j) * o + c + k
                        if flags[cell] != v:
                            flags[cell] = v
                            read_row(line[cell], grid[cell, y : y + TAPS], shares[3])
                        share = both * shares[2, k]
                        w0, w1, w2 = share * s0, share * s1, share * s2
                        run = line[cell, x : x + TAPS * LANES]
                        r0 += w0 * run[0] + w1 * run[4] + w2 * run[8]
                        r1 += w0 * run[1] + w1 * run[5] + w2 * run[9]
                        r2 += w0 * run[2] + w1 * run[6] + w2 * run[10]
                        r3 += w0 * run[3] + w1 * run[7] + w2 * run[11]
            result[v, u, 0], result[v, u, 1], result[v, u, 2], result[v, u, 3] = r0, r1, r2, r3


read = compiled(_read)


def _smooth_places(grid: Numbers, touched: NDArray[np.bool_], rows: Numbers, columns: Numbers, radius: int) -> None:
    # grid (cells, Y, X * 4), touched (cells,); rows (Y, Y) and columns (X, X) are zero beyond the radius
    _, height, width = grid.shape
    between = np.empty((height, width))
    for cell in range(len(grid)):
        if not touched[cell]:
            continue
        image = grid[cell]
        for y in range(height):
            line = between[y]
            line[:] = 0.0
            for source in range(max(0, y - radius), min(height, y + radius + 1)):
                weight = rows[y, source]
                for place in range(width):
                    line[place] += weight * image[source, place]
        for y in range(height):
            for x in range(width // LANES):
                a, b, c, d = 0.0, 0.0, 0.0, 0.0
                for source in range(max(0, x - radius), min(width // LANES, x + radius + 1)):
                    weight = columns[x, source]
                    a += weight * between[y, source * LANES]
                    b += weight * between[y, source * LANES + 1]
                    c += weight * between[y, source * LANES + 2]
                    d += weight * between[y, source * LANES + 3]
                image[y, x * LANES], image[y, x * LANES + 1] = a, b
                image[y, x * LANES + 2], image[y, x * LANES + 3] = c, d


smooth_places = compiled(_smooth_places)


def _smooth_colors(
    grid: Numbers, filled: NDArray[np.bool_], weights: Numbers, radius: int, wanted: NDArray[np.bool_]
) -> None:
    # grid (before, n, after, places), filled and wanted (before, n, after): which cells are not zero, and needed
    before, size, after, places = grid.shape
    lines, is_filled = np.empty((size, places)), np.empty(size, np.bool_)
    for outer in range(before):
        for inner in range(after):
            for cell in range(size):
                is_filled[cell] = filled[outer, cell, inner]
                if is_filled[cell]:
                    lines[cell] = grid[outer, cell, inner]
            for cell in range(size):
                if not wanted[outer, cell, inner]:
                    continue
                line = grid[outer, cell, inner]
                line[:] = 0.0
                for source in range(max(0, cell - radius), min(size, cell + radius + 1)):
                    if is_filled[source]:
                        filled[outer, cell, inner] = True
                        weight = weights[cell, source]
                        for place in range(places):
                            line[place] += weight * lines[source, place]


smooth_colors = compiled(_smooth_colors)


def sums_of_image(values: Tensor, axes: list[Axis]) -> Tensor:
    """Return the sums of one image, as `bilateral_grid` does with tensors.

    Args:
        values: (1, C, H, W) floating point.
        axes: one to three of colors, of rows, and of columns.

    Returns:
        (1, C, H, W) float64.
    """
    _, channels, height, width = values.shape
    *colors, down, across = axes
    # channels that are missing take no part: one node, with a share of one
    missing = 3 - len(colors)
    at = np.zeros((3, height, width))
    for number, axis in enumerate(colors, start=missing):
        at[number] = axis.at[0].view(height, width).numpy()
    sizes = [1] * missing + [int(axis.sizes[0]) for axis in colors]
    rows, columns = int(down.sizes[0]), int(across.sizes[0])
    downs, acrosses = down.at[0].numpy(), across.at[0].numpy()
    result = np.empty((-(-channels // LANES) * LANES, height, width))
    padded = np.zeros((height, width, len(result)))
    padded[..., :channels] = values[0].movedim(0, -1).numpy()
    places = rows * columns * LANES
    for start in range(0, channels, LANES):
        lanes = np.ascontiguousarray(padded[..., start : start + LANES])
        grid, touched = np.zeros((*sizes, rows, columns * LANES)), np.zeros(sizes, np.bool_)
        spread(lanes, at, downs, acrosses, grid.reshape(-1, rows, columns * LANES), touched)
        smooth_places(
            grid.reshape(-1, rows, columns * LANES),
            touched.reshape(-1),
            smoothing(rows).numpy(),
            smoothing(columns).numpy(),
            REACH,
        )
        filled = touched.copy()
        for number, size in enumerate(sizes):
            if number < missing:
                continue
            # the last axes are not read but where the first value was spread
            wanted = np.broadcast_to(touched.any(axis=tuple(range(number + 1, 3)), keepdims=True), sizes)
            before, after = math.prod(sizes[:number]), math.prod(sizes[number + 1 :])
            smooth_colors(
                grid.reshape(before, size, after, places),
                filled.reshape(before, size, after),
                smoothing(size).numpy(),
                REACH,
                np.ascontiguousarray(wanted).reshape(before, size, after),
            )
        read(at, downs, acrosses, grid.reshape(-1, rows, columns * LANES), touched, lanes)
        result[start : start + LANES] = np.moveaxis(lanes, -1, 0)
    return torch.from_numpy(result[:channels])[None]
