"""SSIM of pairs of maps as loops compiled by numba: the same values as the tensor version in a fraction of its time.

The loops write no arrays of an image's size to memory for a pair; that is what slows tensor operations on a CPU.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.metrics.ssim_tensors import K1, K2, WEIGHTS, WINDOW

Values = NDArray[np.floating[Any]]

WEIGHT = np.array(WEIGHTS)
VALUES_PER_THREAD = 2**17


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function; if there is a folder to keep the result, once for all processes.

    A product and a sum may become one instruction, which rounds once.
    numba compiles it again when this file changes, but not when an imported constant changes.
    """
    try:
        result: Callable[..., Any] = njit(nogil=True, error_model="numpy", fastmath={"contract"}, cache=True)(function)
    except RuntimeError:
        # neither the package's folder nor the user's is writable
        result = njit(nogil=True, error_model="numpy", fastmath={"contract"})(function)
    return result


def _moments(image: Values, weight: Values, mean: Values, square: Values) -> None:
    height, width = mean.shape
    line, squares = np.empty(image.shape[1]), np.empty(image.shape[1])
    for y in range(height):
        for x in range(image.shape[1]):
            first, second = 0.0, 0.0
            for k in range(WINDOW):
                value = np.float64(image[y + k, x])
                first += weight[k] * value
                second += weight[k] * (value * value)
            line[x], squares[x] = first, second
        for x in range(width):
            first, second = 0.0, 0.0
            for k in range(WINDOW):
                first += weight[k] * line[x + k]
                second += weight[k] * squares[x + k]
            mean[y, x], square[y, x] = first, second


moments = compiled(_moments)


def _ssim(image: Values, other: Values, weight: Values, own: Values, others: Values, c1: float, c2: float) -> float:
    # `own` and `others` are the moments of both maps, (2, height, width)
    _, height, width = own.shape
    # summed by column, because a single sum would wait for each of its terms
    line, sums = np.empty(image.shape[1]), np.zeros(width)
    for y in range(height):
        for x in range(image.shape[1]):
            product = 0.0
            for k in range(WINDOW):
                product += weight[k] * (np.float64(image[y + k, x]) * np.float64(other[y + k, x]))
            line[x] = product
        for x in range(width):
            product = 0.0
            for k in range(WINDOW):
                product += weight[k] * line[x + k]
            mean_x, mean_y = own[0, y, x], others[0, y, x]
            means, mean_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
            luminance = (2 * means + c1) / (mean_squares + c1)
            squares = own[1, y, x] + others[1, y, x]
            sums[x] += luminance * ((2 * (product - means) + c2) / (squares - mean_squares + c2))
    mean: float = sums.sum() / (height * width)
    return mean


ssim = compiled(_ssim)


def _values(
    first: Values,
    second: Values,
    same: bool,
    pairs: NDArray[np.int64],
    weight: Values,
    ranges: Values,
    begin: int,
    end: int,
    found: Values,
) -> None:
    models, _, height, width = first.shape
    own = np.empty((models, 2, height - WINDOW + 1, width - WINDOW + 1))
    others = own if same else np.empty((len(second), 2, height - WINDOW + 1, width - WINDOW + 1))
    for image in range(begin, end):
        for model in range(models):
            moments(first[model, image], weight, own[model, 0], own[model, 1])
        if not same:
            for model in range(len(second)):
                moments(second[model, image], weight, others[model, 0], others[model, 1])
        c1, c2 = (K1 * ranges[image]) ** 2, (K2 * ranges[image]) ** 2
        for pair in range(len(pairs)):
            i, j = pairs[pair]
            found[pair, image] = ssim(first[i, image], second[j, image], weight, own[i], others[j], c1, c2)


values = compiled(_values)


def pair_values(maps: Tensor, others: Tensor | None, pairs: Sequence[tuple[int, int]], data_range: Tensor) -> Tensor:
    """Return the SSIM of pairs, with arguments and values of `ssim_tensors.pair_values`, for tensors on the CPU.

    Example:
        >>> maps = torch.zeros(2, 1, 16, 16)
        >>> pair_values(maps, None, [(0, 1)], torch.ones(1))
        tensor([[1.]], dtype=torch.float64)
    """
    first = _array(maps)
    second = first if others is None else _array(others)
    number = maps.shape[1]
    chosen, ranges = np.array(pairs, dtype=np.int64).reshape(-1, 2), data_range.detach().double().numpy()
    found = np.empty((len(pairs), number))
    part = partial(values, first, second, others is None, chosen, WEIGHT, ranges)
    in_threads(lambda begin, end: part(begin, end, found), number, found.size * maps.shape[2:].numel())
    return torch.from_numpy(found)


def in_threads(part: Callable[[int, int], object], number: int, num_values: int) -> None:
    """Call `part` with the first image of each thread and the one after its last.

    Args:
        part: does what belongs to some of the images.
        number: number of images.
        num_values: number of values to compute; few take one thread, because calls cost more than they do.

    Example:
        >>> in_threads(lambda begin, end: print(begin, end), 3, 100)
        0 3
    """
    parts = min(torch.get_num_threads(), number, num_values // VALUES_PER_THREAD)
    if parts < 2:
        part(0, number)
        return
    edges = np.linspace(0, number, parts + 1).astype(int)
    with ThreadPoolExecutor(max_workers=parts) as pool:
        list(pool.map(part, edges[:-1], edges[1:]))


def _array(maps: Tensor) -> Values:
    known = maps if maps.dtype in (torch.float32, torch.float64) else maps.double()
    array: Values = known.detach().contiguous().numpy()
    return array
