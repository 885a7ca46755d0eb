"""The bilateral grid as loops over one image, compiled by numba: the same sums as the tensor version, faster on a CPU."""

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


def _taps(place: float, last: int) -> tuple[int, float, float, float]:
    # the first of three nodes, and their shares by a quadratic spline; an axis without a size has one node
    if last <= 0:
        return 0, 1.0, 0.0, 0.0
    first = min(max(int(place + 0.5), 1), last - 1) - 1
    part = place - first - 1
    return first, 0.5 * (0.5 - part) * (0.5 - part), 0.75 - part * part, 0.5 * (0.5 + part) * (0.5 + part)


taps = compiled(_taps)


def _spread(
    values: Numbers, at: Numbers, downs: Numbers, acrosses: Numbers, grid: Numbers, touched: NDArray[np.bool_]
) -> None:
    # values (H, W, 4), at (3, H, W), downs (H,), acrosses (W,), grid (colors, colors, colors, Y, X * 4)
    height, width, _ = values.shape
    n, m, o, rows, wide = grid.shape
    flat, size = grid.reshape(-1), rows * wide
    three = np.empty(TAPS)
    for v in range(height):
        y, p, q, r = taps(downs[v], rows - 1)
        for u in range(width):
            x, k, l, t = taps(acrosses[u], wide // LANES - 1)
            one, two, tri, four = values[v, u, 0], values[v, u, 1], values[v, u, 2], values[v, u, 3]
            a0, a1, a2, a3 = k * one, k * two, k * tri, k * four
            b0, b1, b2, b3 = l * one, l * two, l * tri, l * four
            c0, c1, c2, c3 = t * one, t * two, t * tri, t * four
            a, ai, aj, ak = taps(at[0, v, u], n - 1)
            b, bi, bj, bk = taps(at[1, v, u], m - 1)
            c, three[0], three[1], three[2] = taps(at[2, v, u], o - 1)
            for i in range(TAPS):
                first = ai if i == 0 else (aj if i == 1 else ak)
                for j in range(TAPS):
                    both = first * (bi if j == 0 else (bj if j == 1 else bk))
                    for z in range(TAPS):
                        share = both * three[z]
                        if share == 0:
                            continue
                        cell = ((a + i) * m + b + j) * o + c + z
                        touched[cell] = True
                        begin = cell * size + y * wide + x * LANES
                        for row in range(TAPS):
                            w = share * (p if row == 0 else (q if row == 1 else r))
                            line = flat[begin + row * wide : begin + row * wide + TAPS * LANES]
                            line[0] += w * a0
                            line[1] += w * a1
                            line[2] += w * a2
                            line[3] += w * a3
                            line[4] += w * b0
                            line[5] += w * b1
                            line[6] += w * b2
                            line[7] += w * b3
                            line[8] += w * c0
                            line[9] += w * c1
                            line[10] += w * c2
                            line[11] += w * c3


spread = compiled(_spread)


def _read(at: Numbers, downs: Numbers, acrosses: Numbers, grid: Numbers, result: Numbers) -> None:
    # result (H, W, 4); the others as in `_spread`
    height, width, _ = result.shape
    n, m, o, rows, wide = grid.shape
    flat, size = grid.reshape(-1), rows * wide
    three = np.empty(TAPS)
    for v in range(height):
        y, p, q, r = taps(downs[v], rows - 1)
        for u in range(width):
            x, k, l, t = taps(acrosses[u], wide // LANES - 1)
            a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            a, ai, aj, ak = taps(at[0, v, u], n - 1)
            b, bi, bj, bk = taps(at[1, v, u], m - 1)
            c, three[0], three[1], three[2] = taps(at[2, v, u], o - 1)
            for i in range(TAPS):
                first = ai if i == 0 else (aj if i == 1 else ak)
                for j in range(TAPS):
                    both = first * (bi if j == 0 else (bj if j == 1 else bk))
                    for z in range(TAPS):
                        share = both * three[z]
                        if share == 0:
                            continue
                        cell = ((a + i) * m + b + j) * o + c + z
                        begin = cell * size + y * wide + x * LANES
                        for row in range(TAPS):
                            w = share * (p if row == 0 else (q if row == 1 else r))
                            line = flat[begin + row * wide : begin + row * wide + TAPS * LANES]
                            a0 += w * line[0]
                            a1 += w * line[1]
                            a2 += w * line[2]
                            a3 += w * line[3]
                            b0 += w * line[4]
                            b1 += w * line[5]
                            b2 += w * line[6]
                            b3 += w * line[7]
                            c0 += w * line[8]
                            c1 += w * line[9]
                            c2 += w * line[10]
                            c3 += w * line[11]
            result[v, u, 0] = k * a0 + l * b0 + t * c0
            result[v, u, 1] = k * a1 + l * b1 + t * c1
            result[v, u, 2] = k * a2 + l * b2 + t * c2
            result[v, u, 3] = k * a3 + l * b3 + t * c3


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
    at[:missing] = -1
    for number, axis in enumerate(colors, start=missing):
        at[number] = axis.at[0].view(height, width).numpy()
    sizes = [1] * missing + [int(axis.sizes[0]) for axis in colors]
    rows, columns = int(down.sizes[0]), int(across.sizes[0])
    downs, acrosses = down.at[0].numpy(), across.at[0].numpy()
    result = np.empty((-(-channels // LANES) * LANES, height, width))
    padded = np.zeros((height, width, len(result)))
    padded[..., :channels] = (
        values[0].movedim(0, -1).numpy() if values.dtype != torch.bfloat16 else values[0].float().movedim(0, -1).numpy()
    )
    places = rows * columns * LANES
    for start in range(0, channels, LANES):
        lanes = np.ascontiguousarray(padded[..., start : start + LANES])
        grid, touched = np.zeros((*sizes, rows, columns * LANES)), np.zeros(sizes, np.bool_)
        spread(lanes, at, downs, acrosses, grid, touched.reshape(-1))
        smooth_places(
            grid.reshape(-1, rows, columns * LANES),
            touched.reshape(-1),
            smoothing(rows).numpy(),
            smoothing(columns).numpy(),
            REACH,
        )
        filled = touched.copy()
        for axis, size in enumerate(sizes):
            if axis < missing:
                continue
            # the last axes are not read but where the first value was spread
            wanted = np.broadcast_to(touched.any(axis=tuple(range(axis + 1, 3)), keepdims=True), sizes)
            before, after = math.prod(sizes[:axis]), math.prod(sizes[axis + 1 :])
            smooth_colors(
                grid.reshape(before, size, after, places),
                filled.reshape(before, size, after),
                smoothing(size).numpy(),
                REACH,
                np.ascontiguousarray(wanted).reshape(before, size, after),
            )
        read(at, downs, acrosses, grid, lanes)
        result[start : start + LANES] = np.moveaxis(lanes, -1, 0)
    return torch.from_numpy(result[:channels])[None]
