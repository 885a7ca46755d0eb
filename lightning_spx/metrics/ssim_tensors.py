"""SSIM of pairs of maps with tensor operations, on any device and with gradients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SIGMA = 1.5
RADIUS = 5  # scikit-image cuts the window at 3.5 standard deviations: int(3.5 * 1.5 + 0.5)
WINDOW = 2 * RADIUS + 1
K1, K2 = 0.01, 0.03
_GAUSSIAN = [math.exp(-(x**2) / (2 * SIGMA**2)) for x in range(-RADIUS, RADIUS + 1)]
WEIGHTS = [weight / sum(_GAUSSIAN) for weight in _GAUSSIAN]


@dataclass(frozen=True)
class Window:
    """The window over which means and covariances are taken.

    Args:
        weights: those of a row, which are also those of a column; their sum is 1.
        covariance: factor of variances and covariances: 1 for those of a population, n / (n - 1) for those of a sample.
    """

    weights: Sequence[float]
    covariance: float = 1.0


GAUSSIAN = Window(WEIGHTS)


def pair_values(
    maps: Tensor,
    others: Tensor | None,
    pairs: Sequence[tuple[int, int]],
    data_range: Tensor,
    window: Window = GAUSSIAN,
) -> Tensor:
    """Return the SSIM of pairs, averaged over the windows inside the image; each map is filtered once.

    Args:
        maps: maps of several models, shape (M,N,H,W).
        others: maps of the second model of each pair, shape (K,N,H,W); None uses `maps` for both.
        pairs: indices of the first and the second model.
        data_range: data range of each image, shape (N,).
        window: the window, whose side maps have at least.

    Returns:
        Shape (pairs,N), float64.

    Example:
        >>> maps = torch.zeros(2, 1, 16, 16)
        >>> pair_values(maps, None, [(0, 1)], torch.ones(1))
        tensor([[1.]], dtype=torch.float64)
    """
    if not pairs or not maps.shape[1]:
        return maps.new_zeros(len(pairs), maps.shape[1], dtype=torch.float64)
    size = _images_per_chunk(maps)
    chunks = []
    for start in range(0, maps.shape[1], size):
        here = slice(start, start + size)
        first, ranges = maps[:, here].double(), data_range[here].double()
        second = first if others is None else others[:, here].double()
        if len(pairs) == 1:
            chunks.append(_one_pair(first, second, pairs[0], ranges, window))
        else:
            chunks.append(_all(first, second, pairs, ranges, window))
    return torch.cat(chunks, dim=1)


def _one_pair(first: Tensor, second: Tensor, pair: tuple[int, int], data_range: Tensor, window: Window) -> Tensor:
    # only the sum of the variances enters SSIM, so four windowed means suffice instead of five
    x, y = first[pair[0]], second[pair[1]]
    means = _window_mean(torch.stack([x, y, x * x + y * y, x * y]), window)
    return _combine(means[0], means[1], means[2], means[3], data_range, window)[None]


def _all(first: Tensor, second: Tensor, pairs: Sequence[tuple[int, int]], data_range: Tensor, window: Window) -> Tensor:
    first_mean, first_square = _window_mean(first, window), _window_mean(first * first, window)
    same = second is first
    second_mean = first_mean if same else _window_mean(second, window)
    second_square = first_square if same else _window_mean(second * second, window)
    values = [
        _combine(
            first_mean[i],
            second_mean[j],
            first_square[i] + second_square[j],
            _window_mean(first[i] * second[j], window),
            data_range,
            window,
        )
        for i, j in pairs
    ]
    return torch.stack(values)


def _combine(
    mean_x: Tensor, mean_y: Tensor, square_sum: Tensor, product: Tensor, data_range: Tensor, window: Window
) -> Tensor:
    c1, c2 = ((k * data_range).square()[:, None, None] for k in (K1, K2))
    mean_product, mean_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2 * mean_product + c1) / (mean_squares + c1)
    c2 = c2 / window.covariance  # which is the same as multiplying all covariances, and rounds only a constant
    structure = (2 * (product - mean_product) + c2) / (square_sum - mean_squares + c2)
    return (luminance * structure).mean(dim=(1, 2))


def _window_mean(maps: Tensor, window: Window) -> Tensor:
    # Shifted additions along each direction. On a CPU this is faster than a convolution or a product with a banded
    # matrix, and unlike those it never runs in TF32 or under autocast.
    for dim in (-2, -1):
        length = maps.shape[dim] - len(window.weights) + 1
        result = maps.narrow(dim, 0, length) * window.weights[0]
        for offset, weight in enumerate(window.weights[1:], start=1):
            result.add_(maps.narrow(dim, offset, length), alpha=weight)
        maps = result
    return maps


def _images_per_chunk(maps: Tensor) -> int:
    # On a CPU, twice as many can cost three times as much (measured), because the memory is then mapped again for each
    # chunk. A GPU is fastest with few, large kernels.
    values = 2**15 if maps.device.type == "cpu" else 2**24
    return max(1, values // max(1, maps[:, :1].numel()))
