"""Means over segments and Gaussian blurs as loops compiled by numba, for tensors on a CPU.

They write no arrays in double precision to memory; that is what slows tensor operations on a CPU.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

Values = NDArray[np.floating[Any]]

# a call of a thread costs more than pooling fewer values does
VALUES_PER_THREAD = 2**20


def compiled(function: Callable[..., Any], may_reorder: bool = False) -> Callable[..., Any]:
    """Compile a function; if there is a folder to keep the result, once for all processes.

    Products and sums may become one instruction, which rounds once: of float64 values that are rounded to float32.

    Args:
        function: the loops.
        may_reorder: whether sums may be taken in another order, in as many parts as a register holds.
    """
    allowed = {"contract", "reassoc"} if may_reorder else {"contract"}
    try:
        result: Callable[..., Any] = njit(nogil=True, error_model="numpy", fastmath=allowed, cache=True)(function)
    except RuntimeError:
        # neither the package's folder nor the user's is writable
        result = njit(nogil=True, error_model="numpy", fastmath=allowed)(function)
    return result


def _add_runs(
    one: Values,
    two: Values,
    three: Values,
    four: Values,
    begin: NDArray[np.int64],
    of: NDArray[np.int64],
    absolute: bool,
    sums: NDArray[np.float64],
) -> None:
    # four maps (D,) at a time, because each sum waits for the one before it
    for run in range(len(of)):
        segment = of[run]
        a, b, c, d = sums[0, segment], sums[1, segment], sums[2, segment], sums[3, segment]
        if absolute:
            for pixel in range(begin[run], begin[run + 1]):
                a += np.float64(abs(one[pixel]))
                b += np.float64(abs(two[pixel]))
                c += np.float64(abs(three[pixel]))
                d += np.float64(abs(four[pixel]))
        else:
            for pixel in range(begin[run], begin[run + 1]):
                a += np.float64(one[pixel])
                b += np.float64(two[pixel])
                c += np.float64(three[pixel])
                d += np.float64(four[pixel])
        sums[0, segment], sums[1, segment], sums[2, segment], sums[3, segment] = a, b, c, d


add_runs = compiled(_add_runs)


def _means(values: Values, image: int, labels: NDArray[np.int64], absolute: bool, found: NDArray[np.float32]) -> None:
    # values (M, N, C, D), labels (D,) of one image, found (M, N, C, S)
    models, _, channels, pixels = values.shape
    begin, of = np.empty(pixels + 1, np.int64), np.empty(pixels, np.int64)
    sizes = np.zeros(found.shape[3], np.int64)
    runs = 0
    for pixel in range(pixels):
        sizes[labels[pixel]] += 1
        if pixel == 0 or labels[pixel] != labels[pixel - 1]:
            begin[runs], of[runs] = pixel, labels[pixel]
            runs += 1
    begin[runs] = pixels
    begin, of = begin[: runs + 1], of[:runs]
    sums, maps = np.empty((4, len(sizes))), models * channels
    for first in range(0, maps, 4):
        # the last map takes the places that are left
        p, q, r, s = first, min(first + 1, maps - 1), min(first + 2, maps - 1), min(first + 3, maps - 1)
        sums[:] = 0.0
        add_runs(
            values[p // channels, image, p % channels],
            values[q // channels, image, q % channels],
            values[r // channels, image, r % channels],
            values[s // channels, image, s % channels],
            begin,
            of,
            absolute,
            sums,
        )
        for place in range(min(4, maps - first)):
            one = first + place
            result = found[one // channels, image, one % channels]
            for segment in range(len(sizes)):
                result[segment] = sums[place, segment] / max(1, sizes[segment])


means = compiled(_means)


def _blur_lines(
    image: Values,
    weights: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    result: NDArray[np.float64],
) -> None:
    # result (H, W) = weights (H, H) @ image (H, W), where weights outside low:high are zero
    height, width = image.shape
    for y in range(height):
        line = result[y]
        line[:] = 0.0
        source = low[y]
        # six lines at a time, so that sums are written less often
        while source + 6 <= high[y]:
            a, b, c = weights[y, source], weights[y, source + 1], weights[y, source + 2]
            d, e, f = weights[y, source + 3], weights[y, source + 4], weights[y, source + 5]
            for x in range(width):
                line[x] += (
                    (a * image[source, x] + b * image[source + 1, x])
                    + (c * image[source + 2, x] + d * image[source + 3, x])
                    + (e * image[source + 4, x] + f * image[source + 5, x])
                )
            source += 6
        while source < high[y]:
            a = weights[y, source]
            for x in range(width):
                line[x] += a * image[source, x]
            source += 1


blur_lines = compiled(_blur_lines)


def _blurs(
    images: Values,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    edges: NDArray[np.int64],
    edges_of_columns: NDArray[np.int64],
    absolute: bool,
    found: NDArray[np.float32],
) -> None:
    # images and found (P, H, W); rows (H, H) and columns (W, W) with the edges (2, ...) of their non-zero bands
    _, height, width = images.shape
    whole, down = np.empty((height, width)), np.empty((height, width))
    turned, across = np.empty((width, height)), np.empty((width, height))
    for number in range(len(images)):
        for y in range(height):
            for x in range(width):
                value = np.float64(images[number, y, x])
                whole[y, x] = abs(value) if absolute else value
        blur_lines(whole, rows, edges[0], edges[1], down)
        for y in range(height):
            for x in range(width):
                turned[x, y] = down[y, x]
        blur_lines(turned, columns, edges_of_columns[0], edges_of_columns[1], across)
        for y in range(height):
            for x in range(width):
                found[number, y, x] = across[x, y]


blurs = compiled(_blurs)


def segment_means(attribution: Tensor, segments: Tensor, num_segments: int, absolute: bool) -> Tensor:
    """Return means over segments, with arguments and values of `pooling.segment_means`, for tensors on the CPU.

    Example:
        >>> attribution = torch.tensor([1.0, 3.0, -5.0]).view(1, 1, 1, 1, 3)
        >>> segment_means(attribution, torch.tensor([[[0, 0, 1]]]), 2, absolute=True).flatten()
        tensor([2., 5.])
    """
    values, labels = _array(attribution.flatten(3)), segments.flatten(1).numpy()
    found = np.empty((*values.shape[:3], num_segments), np.float32)
    _each(lambda image: means(values, image, labels[image], absolute, found), len(labels), values.size)
    return torch.from_numpy(found)


def gaussian_blur(attribution: Tensor, rows: Tensor, columns: Tensor, absolute: bool) -> Tensor:
    """Return blurred images, with arguments and values of `blur.blurred`, for tensors on the CPU.

    Example:
        >>> identity = torch.eye(3, dtype=torch.float64)[None]
        >>> gaussian_blur(-torch.ones(1, 1, 1, 3, 3), identity, identity, absolute=True).sum()
        tensor(9.)
    """
    models, number = attribution.shape[:2]
    values, down, across = _array(attribution), rows.numpy(), columns.numpy()
    found = np.empty(values.shape, np.float32)

    def fill(image: int) -> None:
        edges, edges_of_columns = _band(down[image]), _band(across[image])
        for model in range(models):
            images, result = values[model, image], found[model, image]
            blurs(images, down[image], across[image], edges, edges_of_columns, absolute, result)

    _each(fill, number, values.size)
    return torch.from_numpy(found)


def _band(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first column of each row that is not zero, and the one after the last, (2, rows)."""
    there = matrix != 0
    return np.stack([there.argmax(1), len(matrix) - there[:, ::-1].argmax(1)])


def _each(fill: Callable[[int], None], images: int, size: int) -> None:
    threads = min(torch.get_num_threads(), images, size // VALUES_PER_THREAD)
    if threads < 2:
        for image in range(images):
            fill(image)
    else:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            list(pool.map(fill, range(images)))


def _array(values: Tensor) -> Values:
    known = values if values.dtype in (torch.float32, torch.float64) else values.double()
    array: Values = known.detach().contiguous().numpy()
    return array
