"""SSIM of pairs of maps that are constant on segments, as loops compiled by numba.

A window meets few segments, and a sum over its pixels is one over these segments: of their values or products, weighted
by the share of the window that they cover. All pairs of maps share these shares.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.metrics.ssim_compiled import WEIGHT, compiled, in_threads
from lightning_spx.metrics.ssim_tensors import K1, K2, WINDOW

Values = NDArray[np.floating[Any]]
Numbers = NDArray[np.int64]

# windows of a row that are computed together; what belongs to them stays in the fastest cache
BLOCK = 24
SPAN = BLOCK + WINDOW - 1


def _cover(
    labels: Numbers,
    top: int,
    left: int,
    weight: Values,
    slot: Numbers,
    held: Numbers,
    vertical: Values,
    shares: Values,
) -> int:
    # the segments that a block of windows meets, in `held`, and the share of each window that each of them covers
    size = min(SPAN, labels.shape[1] - left)
    number = 0
    for down in range(WINDOW):
        for x in range(size):
            segment = labels[top + down, left + x]
            position = slot[segment]
            if position < 0:
                position = number
                slot[segment], held[number] = position, segment
                for column in range(SPAN):
                    vertical[position, column] = 0.0
                number += 1
            vertical[position, x] += weight[down]
    for position in range(number):
        slot[held[position]] = -1
        line, share = vertical[position], shares[position]
        for x in range(BLOCK):
            covered = 0.0
            for across in range(WINDOW):
                covered += weight[across] * line[x + across]
            share[x] = covered
    return number


cover = compiled(_cover)


def _mix(shares: Values, held: Numbers, number: int, table: Values, planes: Values) -> None:
    # planes (Q, BLOCK) = table[held].T @ shares, four segments at a time, so that sums are written less often
    planes[:] = 0.0
    for first in range(0, number, 4):
        of_one, of_two, of_three, of_four = (
            table[held[first]],
            table[held[first + 1]],
            table[held[first + 2]],
            table[held[first + 3]],
        )
        one, two, three, four = shares[first], shares[first + 1], shares[first + 2], shares[first + 3]
        for row in range(len(planes)):
            a, b, c, d = of_one[row], of_two[row], of_three[row], of_four[row]
            for x in range(BLOCK):
                planes[row, x] += (a * one[x] + b * two[x]) + (c * three[x] + d * four[x])


mix = compiled(_mix)


def _add_values(
    planes: Values, maps: int, first: Numbers, second: Numbers, size: int, c1: float, c2: float, total: Values
) -> None:
    # planes hold the means of all maps, of their squares, and of the products of all pairs; `total` (pairs, BLOCK) has
    # a sum for each place in a block, because a single one would wait for each of its terms
    values = np.empty(BLOCK)
    for pair in range(len(first)):
        i, j = first[pair], second[pair]
        mean_x, mean_y, square_x, square_y = planes[i], planes[j], planes[maps + i], planes[maps + j]
        product = planes[2 * maps + pair]
        for x in range(BLOCK):
            means, squares = mean_x[x] * mean_y[x], mean_x[x] * mean_x[x] + mean_y[x] * mean_y[x]
            above = (2 * means + c1) * (2 * (product[x] - means) + c2)
            values[x] = above / ((squares + c1) * (square_x[x] + square_y[x] - squares + c2))
        for x in range(BLOCK):
            # beyond the last column of windows there is nothing to add
            total[pair, x] += values[x] if x < size else 0.0


add_values = compiled(_add_values)


def _image(
    maps: Values, labels: Numbers, first: Numbers, second: Numbers, weight: Values, data_range: float, found: Values
) -> None:
    # maps (K, S), labels (H, W), found (pairs,)
    number, count = maps.shape
    rows, columns = labels.shape[0] - WINDOW + 1, labels.shape[1] - WINDOW + 1
    table = np.empty((count, 2 * number + len(first)))
    for segment in range(count):
        for each in range(number):
            value = np.float64(maps[each, segment])
            table[segment, each], table[segment, number + each] = value, value * value
        for pair in range(len(first)):
            table[segment, 2 * number + pair] = table[segment, first[pair]] * table[segment, second[pair]]
    slot = np.full(count, -1, np.int64)
    held, shares = np.empty(WINDOW * SPAN + 3, np.int64), np.empty((WINDOW * SPAN + 3, BLOCK))
    vertical = np.empty((WINDOW * SPAN, SPAN))
    planes = np.empty((table.shape[1], BLOCK))
    total = np.zeros((len(first), BLOCK))
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    for top in range(rows):
        for left in range(0, columns, BLOCK):
            met = cover(labels, top, left, weight, slot, held, vertical, shares)
            for empty in range(met, -(-met // 4) * 4):
                held[empty] = held[0]
                shares[empty, :] = 0.0
            mix(shares, held, met, table, planes)
            add_values(planes, number, first, second, min(BLOCK, columns - left), c1, c2, total)
    for pair in range(len(first)):
        found[pair] = total[pair].sum() / (rows * columns)


image = compiled(_image)


def _values(
    maps: Values,
    labels: Numbers,
    first: Numbers,
    second: Numbers,
    weight: Values,
    begin: int,
    end: int,
    found: NDArray[np.float64],
) -> None:
    # maps (K, N, S), labels (N, H, W), found (N, pairs)
    for number in range(begin, end):
        image(maps[:, number], labels[number], first, second, weight, 1.0, found[number])


values = compiled(_values)


def segment_pair_values(maps: Tensor, segments: Tensor, pairs: NDArray[np.int64]) -> Tensor:
    """Return the SSIM (data range 1) of pairs of maps that are constant on segments, for tensors on the CPU.

    Args:
        maps: one value for each segment, shape (K,N,S).
        segments: (N,H,W) int64, below S.
        pairs: (P,2), the two maps of each pair.

    Returns:
        Shape (P,N), float64.

    Example:
        >>> maps, segments = torch.zeros(2, 1, 1), torch.zeros(1, 16, 16, dtype=torch.int64)
        >>> segment_pair_values(maps, segments, np.array([[0, 1]]))
        tensor([[1.]], dtype=torch.float64)
    """
    known, labels = maps.detach().contiguous().numpy(), segments.contiguous().numpy()
    number = maps.shape[1]
    found = np.empty((number, len(pairs)))
    first, second = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
    part = partial(values, known, labels, first, second, WEIGHT)
    in_threads(lambda begin, end: part(begin, end, found), number, len(pairs) * segments.numel())
    return torch.from_numpy(found.T.copy())
