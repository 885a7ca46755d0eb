"""Overlaps and Euclidean distances of pairs of maps as loops compiled by numba, for tensors on a CPU.

They visit maps in blocks that stay in a cache, and of a set of most salient pixels only its members.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.metrics.ssim_compiled import compiled

Values = NDArray[np.floating[Any]]
Numbers = NDArray[np.int64]

# values of each map in a block, and sums of a pair
BLOCK, SUMS = 512, 16


def _members(values: Values, smallest: float, held: NDArray[np.int32]) -> tuple[int, int, int]:
    # the pixels from `smallest` on, their number, and how many are above and at it; a number of -1 if there is a NaN
    number, above, tied, unknown = 0, 0, 0, 0
    for pixel in range(len(values)):
        value = values[pixel]
        # without a branch that nobody can predict: the next member overwrites what is none
        held[number] = pixel
        number += value >= smallest
        above += value > smallest
        tied += value == smallest
        unknown += value != value
    return (-1 if unknown else number), above, tied


find_members = compiled(_members)


def _overlaps(maps: Values, smallest: Values, places: int, pairs: Numbers, found: NDArray[np.float64]) -> None:
    # maps (K, D) of one image, smallest (K,), found (pairs,)
    number, pixels = maps.shape
    held, counts = np.empty((number, pixels + 1), np.int32), np.empty(number, np.int64)
    of_tied = np.empty(number, np.float32)
    for each in range(number):
        counts[each], above, tied = find_members(maps[each], smallest[each], held[each])
        of_tied[each] = np.float32(places - above) / np.float32(tied)
    for pair in range(len(pairs)):
        i, j = pairs[pair]
        one, other = maps[i], maps[j]
        both, of_first, of_second, of_ties = 0, 0, 0, 0
        for place in range(counts[i]):
            pixel = held[i, place]
            first, second = one[pixel] > smallest[i], other[pixel] > smallest[j]
            tie = other[pixel] == smallest[j]
            both += first & second
            of_first += first & tie
            of_second += (not first) & second
            of_ties += (not first) & tie
        shared = both + of_first * np.float64(of_tied[j]) + of_second * np.float64(of_tied[i])
        shared += of_ties * np.float64(of_tied[i]) * np.float64(of_tied[j])
        found[pair] = np.nan if counts[i] < 0 or counts[j] < 0 else shared / places


overlaps_of_image = compiled(_overlaps)


def _squares(maps: Values, image: int, scale: Values, pairs: Numbers, found: NDArray[np.float64]) -> None:
    # maps (K, N, D), of which those of one image are multiplied by scale (K,); found (pairs,)
    number, _, pixels = maps.shape
    # products are rounded before they are subtracted, so that equal maps have the distance 0
    block = np.zeros((number, BLOCK))
    # several sums, because a single one would wait for each of its terms
    sums = np.zeros((len(pairs), SUMS))
    for begin in range(0, pixels, BLOCK):
        size = min(BLOCK, pixels - begin)
        for each in range(number):
            factor, line = scale[each], block[each]
            for place in range(size):
                line[place] = factor * np.float64(maps[each, image, begin + place])
            for place in range(size, BLOCK):
                line[place] = 0.0
        for pair in range(len(pairs)):
            one, other, total = block[pairs[pair, 0]], block[pairs[pair, 1]], sums[pair]
            for first in range(0, BLOCK, SUMS):
                for place in range(SUMS):
                    difference = one[first + place] - other[first + place]
                    total[place] += difference * difference
    for pair in range(len(pairs)):
        found[pair] = sums[pair].sum()


squares_of_image = compiled(_squares)


def overlaps(values: Tensor, pairs: Numbers, places: int) -> Tensor:
    """Return the overlaps of chosen pairs, with arguments and values of `overlap.overlap_of_pairs`.

    Example:
        >>> overlaps(torch.tensor([[[4.0, 3.0, 2.0]], [[4.0, 1.0, 2.0]]]), np.array([[0, 1]]), places=2)
        tensor([[0.5000]], dtype=torch.float64)
    """
    maps = values.detach().numpy()
    # NumPy puts one place in order five times faster than torch finds the largest (measured)
    smallest, row = np.empty(maps.shape[:2], maps.dtype), np.empty(maps.shape[2], maps.dtype)
    for place in np.ndindex(smallest.shape):
        row[:] = maps[place]
        row.partition(len(row) - places)
        smallest[place] = row[len(row) - places]
    found = np.empty((maps.shape[1], len(pairs)))
    for image in range(len(found)):
        own = np.ascontiguousarray(maps[:, image])
        overlaps_of_image(own, np.ascontiguousarray(smallest[:, image]), places, pairs, found[image])
    return torch.from_numpy(found.T.copy())


def squared_distances(maps: Tensor, scale: Tensor, pairs: Numbers) -> Tensor:
    """Return the squared Euclidean distances of chosen pairs of maps, each multiplied by a number.

    Args:
        maps: (K,N,D).
        scale: (K,N) float64.
        pairs: (P,2), the two maps of each pair.

    Returns:
        Shape (P,N), float64.

    Example:
        >>> scale = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
        >>> squared_distances(torch.tensor([[[3.0]], [[6.0]]]), scale, np.array([[0, 1]]))
        tensor([[81.]], dtype=torch.float64)
    """
    known = maps if maps.dtype in (torch.float32, torch.float64) else maps.double()
    values, factors = known.detach().contiguous().numpy(), scale.numpy()
    found = np.empty((maps.shape[1], len(pairs)))
    for image in range(len(found)):
        squares_of_image(values, image, np.ascontiguousarray(factors[:, image]), pairs, found[image])
    return torch.from_numpy(found.T.copy())
