"""SLIC as loops over one image, compiled by numba: the same segments as the tensor version, faster on a CPU.

The functions also run as plain Python; the tests use that to step through them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lightning_spx.superpixels.cielab import BLUE_YELLOW, GREEN_RED, LIGHTNESS, OFFSET, ROOT_BITS, cielab_tables

SHARES, ROOTS = cielab_tables()
HALF = 2 ** (ROOT_BITS - 1)
INFINITY = np.float32(np.inf)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function; if there is a folder to keep the result, once for all processes.

    numba compiles it again when this file changes, but not when an imported constant changes.
    """
    try:
        result: Callable[..., Any] = njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # neither the package's folder nor the user's is writable
        result = njit(nogil=True)(function)
    return result


def _lab(pixels: NDArray[np.uint8], shares: NDArray[np.int32], roots: NDArray[np.int32]) -> NDArray[np.float32]:
    _, height, width = pixels.shape
    lab = np.empty((3, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            r, g, b = pixels[0, y, x], pixels[1, y, x], pixels[2, y, x]
            fx = roots[shares[0, 0, r] + shares[0, 1, g] + shares[0, 2, b]]
            fy = roots[shares[1, 0, r] + shares[1, 1, g] + shares[1, 2, b]]
            fz = roots[shares[2, 0, r] + shares[2, 1, g] + shares[2, 2, b]]
            lab[0, y, x] = ((LIGHTNESS * fy + HALF) >> ROOT_BITS) - OFFSET
            lab[1, y, x] = (GREEN_RED * (fx - fy) + HALF) >> ROOT_BITS
            lab[2, y, x] = (BLUE_YELLOW * (fy - fz) + HALF) >> ROOT_BITS
    return lab


to_lab = compiled(_lab)


def _nearest_in_row(
    lab: NDArray[np.float32], y: int, candidates: NDArray[np.float32], weight: np.float32, nearest: NDArray[np.int32]
) -> None:
    # the hot loop: the compiler unrolls the nine candidates and vectorizes over pixels
    for x in range(lab.shape[2]):
        best, winner = INFINITY, np.int32(0)
        for number in range(9):
            light = lab[0, y, x] - candidates[number, 0, x]
            green_red = lab[1, y, x] - candidates[number, 1, x]
            blue_yellow = lab[2, y, x] - candidates[number, 2, x]
            down = np.float32(y) - candidates[number, 3, x]
            place = down * down * weight + candidates[number, 4, x]
            distance = light * light + green_red * green_red + blue_yellow * blue_yellow + place
            if distance < best:
                best, winner = distance, np.int32(number)
        nearest[x] = winner


nearest_in_row = compiled(_nearest_in_row)


def _nearest_in_row_of_any(
    colors: NDArray[np.float32], y: int, candidates: NDArray[np.float32], weight: np.float32, nearest: NDArray[np.int32]
) -> None:
    # the same for any number of channels, one after the other, so that the loops over pixels are vectorized
    channels, _, width = colors.shape
    best = np.full(width, INFINITY)
    apart = np.empty(width, np.float32)
    nearest[:] = 0
    for number in range(9):
        apart[:] = 0
        for channel in range(channels):
            for x in range(width):
                difference = colors[channel, y, x] - candidates[number, channel, x]
                apart[x] += difference * difference
        for x in range(width):
            down = np.float32(y) - candidates[number, channels, x]
            place = down * down * weight + candidates[number, channels + 1, x]
            distance = apart[x] + place
            if distance < best[x]:
                best[x], nearest[x] = distance, np.int32(number)


nearest_in_row_of_any = compiled(_nearest_in_row_of_any)


def _move(sums: NDArray[np.int64], colors: NDArray[np.float32], y: int, x: int, cell: int, sign: int) -> None:
    channels = colors.shape[0]
    for channel in range(channels):
        sums[cell, channel] += sign * int(colors[channel, y, x])
    sums[cell, channels] += sign * y
    sums[cell, channels + 1] += sign * x
    sums[cell, channels + 2] += sign


move = compiled(_move)


def _cells(
    colors: NDArray[np.float32], rows: int, columns: int, weight: np.float32, max_num_iter: int
) -> NDArray[np.int32]:
    channels, height, width = colors.shape
    cell_x = np.arange(width) * columns // width
    labels = np.empty((height, width), np.int32)
    center = np.zeros((rows * columns, channels + 2), np.float32)
    sums = np.zeros((rows * columns, channels + 3), np.int64)
    for y in range(height):
        for x in range(width):
            labels[y, x] = y * rows // height * columns + cell_x[x]
            move(sums, colors, y, x, labels[y, x], 1)
    candidates = np.empty((9, channels + 2, width), np.float32)
    nearest = np.empty(width, np.int32)
    for iteration in range(max_num_iter):
        changed = iteration == 0
        row_of_candidates = -1
        for y in range(height):
            row = y * rows // height
            if iteration > 0:
                if row != row_of_candidates:
                    row_of_candidates = row
                    for number in range(9):
                        down, right = row + number // 3 - 1, number % 3 - 1
                        for x in range(width):
                            column = cell_x[x] + right
                            if 0 <= down < rows and 0 <= column < columns:
                                for value in range(channels + 1):
                                    candidates[number, value, x] = center[down * columns + column, value]
                                across = np.float32(x) - center[down * columns + column, channels + 1]
                                candidates[number, channels + 1, x] = across * across * weight
                            else:
                                candidates[number, :, x] = INFINITY
                if channels == 3:
                    nearest_in_row(colors, y, candidates, weight, nearest)
                else:
                    nearest_in_row_of_any(colors, y, candidates, weight, nearest)
                for x in range(width):
                    label = (row + nearest[x] // 3 - 1) * columns + cell_x[x] + nearest[x] % 3 - 1
                    if label != labels[y, x]:
                        # whole numbers, so subtracting leaves no rounding error
                        move(sums, colors, y, x, labels[y, x], -1)
                        move(sums, colors, y, x, label, 1)
                        labels[y, x] = label
                        changed = True
        if not changed:
            break
        for cell in range(rows * columns):
            if sums[cell, channels + 2] > 0:
                for value in range(channels + 2):
                    center[cell, value] = np.float32(sums[cell, value] / sums[cell, channels + 2])
    return labels


cells = compiled(_cells)


def _root(parent: NDArray[np.int64], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


root = compiled(_root)


def _unite(parent: NDArray[np.int64], one: int, other: int) -> None:
    one, other = root(parent, one), root(parent, other)
    parent[max(one, other)] = min(one, other)


unite = compiled(_unite)


def _numbered(parent: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    # a root precedes all its members
    ids = np.empty(len(parent), np.int64)
    count = 0
    for node in range(len(parent)):
        if parent[node] == node:
            ids[node] = count
            count += 1
        else:
            ids[node] = ids[root(parent, node)]
    return ids, count


numbered = compiled(_numbered)


def _choices(ids: NDArray[np.int64], width: int, size: NDArray[np.int64], min_size: int) -> NDArray[np.int64]:
    # for each piece that is too small, its largest neighbor (the first of equal ones); -1 for other pieces
    best = np.full(len(size), -1, np.int64)
    for pixel in range(len(ids)):
        for side in range(2):
            other = pixel + 1 if side == 0 else pixel + width
            if other >= len(ids) or (side == 0 and other % width == 0) or ids[pixel] == ids[other]:
                continue
            for turn in range(2):
                small, large = (ids[pixel], ids[other]) if turn == 0 else (ids[other], ids[pixel])
                if size[small] < min_size:
                    held = best[small]
                    if held < 0 or size[large] > size[held] or (size[large] == size[held] and large < held):
                        best[small] = large
    return best


choices = compiled(_choices)


def _connected(labels: NDArray[np.int32], min_size: int) -> NDArray[np.int64]:
    height, width = labels.shape
    parent = np.arange(height * width)
    for y in range(height):
        for x in range(width):
            pixel = y * width + x
            if x > 0 and labels[y, x] == labels[y, x - 1]:
                unite(parent, pixel, pixel - 1)
            if y > 0 and labels[y, x] == labels[y - 1, x]:
                unite(parent, pixel, pixel - width)
    ids, count = numbered(parent)
    while count > 1:
        size = np.zeros(count, np.int64)
        for pixel in range(len(ids)):
            size[ids[pixel]] += 1
        if size.min() >= min_size:
            break
        best = choices(ids, width, size, min_size)
        group = np.arange(count)
        for piece in range(count):
            if best[piece] >= 0:
                unite(group, piece, best[piece])
        renumbered, count = numbered(group)
        for pixel in range(len(ids)):
            ids[pixel] = renumbered[ids[pixel]]
    segments: NDArray[np.int64] = ids.reshape(height, width)
    return segments


connected = compiled(_connected)


def slic_labels(
    pixels: NDArray[np.uint8], rows: int, columns: int, weight: float, max_num_iter: int, min_size: int
) -> NDArray[np.int64]:
    """Segment one image with the steps and arguments of `cielab`, `nearest_cells` and `connected`.

    Args:
        pixels: `(C, H, W)` uint8; three channels are RGB and converted, and others are compared as they are.
        rows: Number of rows of cells.
        columns: Number of columns of cells.
        weight: Factor of the squared distance in pixels.
        max_num_iter: Number of iterations.
        min_size: Number of pixels below which a piece joins a neighbor.

    Returns:
        `(H, W)` int64, ids `0..S-1` without gaps.

    Example:
        >>> slic_labels(np.zeros((3, 1, 4), np.uint8), 1, 2, 1.0, 10, 1)
        array([[0, 0, 1, 1]])
    """
    colors = to_lab(pixels, SHARES, ROOTS) if len(pixels) == 3 else pixels.astype(np.float32)
    labels = cells(colors, rows, columns, np.float32(weight), max_num_iter)
    segments: NDArray[np.int64] = connected(labels, min_size)
    return segments
