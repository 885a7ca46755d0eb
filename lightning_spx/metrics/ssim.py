"""Structural similarity (SSIM) of saliency maps, one value per image."""

import math
from itertools import combinations
from typing import Literal, get_args

import torch
from torch import Tensor

from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.shapes import check_same_shape

Preset = Literal["unit", "signed", "signed_symmetric"]

SIGMA = 1.5
RADIUS = 5  # scikit-image cuts the window at 3.5 standard deviations: int(3.5 * 1.5 + 0.5)
WINDOW = 2 * RADIUS + 1
K1, K2 = 0.01, 0.03
_GAUSSIAN = [math.exp(-(x**2) / (2 * SIGMA**2)) for x in range(-RADIUS, RADIUS + 1)]
WEIGHTS = [weight / sum(_GAUSSIAN) for weight in _GAUSSIAN]


def saliency_ssim(saliency: Tensor, reference: Tensor, preset: Preset = "unit") -> Tensor:
    """Structural similarity of each saliency map with its reference; 1 for equal maps.

    The window is a Gaussian of 1.5 px (11x11), covariances are those of the population and a border of 5 px is left
    out, as in `skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)`;
    each image is compared alone, whatever else is in the batch (Wang et al. 2004, equation 13). A constant or all-zero
    map is an ordinary map; a NaN makes the value of its own image NaN and of no other. Computed in float64: in single
    precision two flat maps are already off by 2e-5.

    Args:
        saliency: maps; for `"unit"` of shape (N,H,W) in [0, 1], else signed attributions (N,C,H,W) of any scale.
        reference: the maps to compare with, of the same shape.
        preset: `"unit"`: data range 1. `"signed"`: both are divided by their L2 norm (an all-zero one stays as it is),
            channels are compared one by one and averaged, and the data range is maximum minus minimum of the reference.
            `"signed_symmetric"`: the larger of both ranges instead, so that the arguments may be exchanged. Where this
            range is zero the value is 1 if the two are equal and 0 if not.

    Returns:
        Values in [-1, 1], shape (N,), float32.

    Raises:
        ValueError: if the shapes do not fit, a side is shorter than 11 px, a `"unit"` map leaves [0, 1] or `preset` is
            unknown.

    Example:
        >>> import torch
        >>> saliency = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> saliency_ssim(saliency, saliency)
        tensor([1., 1.])
    """
    _check_preset(preset)
    check_same_shape(saliency, reference, "(N,H,W)" if preset == "unit" else "(N,C,H,W)")
    _check_window(saliency)
    if preset == "unit":
        _check_unit_range(saliency, "saliency")
        _check_unit_range(reference, "reference")
    size = _images_per_chunk(saliency, saliency[:1].numel())
    values = []
    for first, second in zip(torch.split(saliency, size), torch.split(reference, size), strict=True):
        if preset == "unit":
            values.append(_ssim(first.double(), second.double(), torch.ones_like(first[:, 0, 0], dtype=torch.float64)))
        else:
            values.append(_signed_ssim(first.double(), second.double(), symmetric=preset == "signed_symmetric"))
    return torch.cat(values).float()


def pairwise_ssim(maps: Tensor, others: Tensor | None = None) -> Tensor:
    """SSIM (data range 1) between the maps of every two models, each map filtered once.

    Args:
        maps: saliency of M models for N images, shape (M,N,H,W).
        others: what the second model of each pair shows, of the same shape; None: `maps` too.

    Returns:
        Values of the pairs in the order of `itertools.combinations(range(M), 2)`, shape (pairs,N), float32.

    Raises:
        ValueError: if a side is shorter than 11 px or the shapes differ.

    Example:
        >>> import torch
        >>> pairwise_ssim(torch.ones(3, 2, 16, 16)).shape
        torch.Size([3, 2])
    """
    _check_window(maps)
    if others is not None:
        check_same_shape(maps, others, "(M,N,H,W)")
    size = _images_per_chunk(maps, maps[:, :1].numel())
    parts = torch.split(maps, size, dim=1)
    other_parts = parts if others is None else torch.split(others, size, dim=1)
    chunks = [_pair_chunk(*pair, same=others is None) for pair in zip(parts, other_parts, strict=True)]
    return torch.cat(chunks, dim=1).float()


class SaliencySSIM(ImageMean):
    """Mean over images of `saliency_ssim`: how alike the maps of two models, or of two times, are.

    Images with a NaN are left out and counted in `num_dropped`.

    Args:
        preset: how the maps are scaled, see `saliency_ssim`.

    Raises:
        ValueError: if `preset` is unknown.

    Example:
        >>> import torch
        >>> metric = SaliencySSIM()
        >>> metric.update(torch.ones(2, 16, 16), torch.zeros(2, 16, 16))
        >>> metric.compute()
        tensor(9.9990e-05)
    """

    higher_is_better = True
    plot_lower_bound = -1.0
    plot_upper_bound = 1.0

    def __init__(self, preset: Preset = "unit") -> None:
        super().__init__()
        _check_preset(preset)
        self.preset: Preset = preset

    def update(self, saliency: Tensor, reference: Tensor) -> None:
        """Compare a batch of maps, shapes as for `saliency_ssim`."""
        self.accumulate(saliency_ssim(saliency, reference, preset=self.preset))


def _signed_ssim(first: Tensor, second: Tensor, *, symmetric: bool) -> Tensor:
    first, second = _unit_norm(first), _unit_norm(second)
    data_range = _extent(second)
    if symmetric:
        data_range = torch.maximum(data_range, _extent(first))
    channels = first.shape[1]
    values = _ssim(first.flatten(0, 1), second.flatten(0, 1), data_range.repeat_interleave(channels))
    difference = (first - second).flatten(1).abs().amax(dim=1)
    # Constants of another scale agree up to rounding once they are divided by their norms.
    constant = torch.where(difference.isnan(), difference, (difference < 1e-12).double())
    return torch.where(data_range == 0, constant, values.view(-1, channels).mean(dim=1))


def _pair_chunk(maps: Tensor, others: Tensor, *, same: bool) -> Tensor:
    first = maps.double()
    first_mean, first_square = _window_mean(first), _window_mean(first * first)
    second = first if same else others.double()
    second_mean = first_mean if same else _window_mean(second)
    second_square = first_square if same else _window_mean(second * second)
    data_range = torch.ones_like(first[0, :, 0, 0])
    values = [
        _combine(
            first_mean[i],
            second_mean[j],
            first_square[i] + second_square[j],
            _window_mean(first[i] * second[j]),
            data_range,
        )
        for i, j in combinations(range(len(first)), 2)
    ]
    return torch.stack(values)


def _ssim(first: Tensor, second: Tensor, data_range: Tensor) -> Tensor:
    # Variances enter SSIM only as their sum, so four windowed means do instead of five.
    means = _window_mean(torch.stack([first, second, first * first + second * second, first * second]))
    return _combine(means[0], means[1], means[2], means[3], data_range)


def _combine(mean_x: Tensor, mean_y: Tensor, square_sum: Tensor, product: Tensor, data_range: Tensor) -> Tensor:
    c1, c2 = ((k * data_range).square()[:, None, None] for k in (K1, K2))
    mean_product, mean_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2 * mean_product + c1) / (mean_squares + c1)
    structure = (2 * (product - mean_product) + c2) / (square_sum - mean_squares + c2)
    return (luminance * structure).mean(dim=(1, 2))


def _window_mean(maps: Tensor) -> Tensor:
    # Eleven shifted additions per direction. On a CPU this is faster than a convolution and than a product with a
    # banded matrix, and unlike those it is never run in TF32 or under autocast.
    for dim in (-2, -1):
        length = maps.shape[dim] - WINDOW + 1
        result = maps.narrow(dim, 0, length) * WEIGHTS[0]
        for offset, weight in enumerate(WEIGHTS[1:], start=1):
            result.add_(maps.narrow(dim, offset, length), alpha=weight)
        maps = result
    return maps


def _images_per_chunk(maps: Tensor, values_per_image: int) -> int:
    # Measured: on a CPU twice as many can cost three times as much, because the memory is then mapped anew for each
    # chunk. A GPU wants few, large kernels.
    values = 2**15 if maps.device.type == "cpu" else 2**24
    return max(1, values // max(1, values_per_image))


def _unit_norm(maps: Tensor) -> Tensor:
    norm = maps.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
    return maps / norm.masked_fill(norm == 0, 1.0)


def _extent(maps: Tensor) -> Tensor:
    low, high = maps.flatten(1).aminmax(dim=1)
    return high - low


def _check_preset(preset: str) -> None:
    if preset not in get_args(Preset):
        raise ValueError(f"Expected `preset` to be one of {get_args(Preset)}, got {preset!r}.")


def _check_window(maps: Tensor) -> None:
    if min(maps.shape[-2:]) < WINDOW:
        raise ValueError(f"Expected maps of at least {WINDOW}x{WINDOW} px for SSIM, got {tuple(maps.shape[-2:])}.")


def _check_unit_range(maps: Tensor, name: str) -> None:
    # An interpolated map may leave the range by a rounding error.
    if ((maps < -1e-3) | (maps > 1 + 1e-3)).any():
        raise ValueError(
            f"Expected `{name}` to lie in [0, 1], got values from {maps.min().item():.4g} to {maps.max().item():.4g}; "
            "scale it with `saliency_map`, or use the preset 'signed'."
        )
