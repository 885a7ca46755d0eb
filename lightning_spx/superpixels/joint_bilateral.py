"""Joint bilateral filter: means over pixels that are near in place and in color."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.superpixels.bilateral_grid import fits, grid_sums
from lightning_spx.superpixels.bilateral_pairs import pair_sums
from lightning_spx.superpixels.guided_inputs import as_guided, shifted
from lightning_spx.superpixels.image_filter import ImageFilter
from lightning_spx.superpixels.setting import check_at_least

# so many pixels a side are weighed pair by pair; larger images of few channels use a grid
EXACT_SIDE = 64
# a grid has a node for every few colors, whose number grows with the power of the channels
GRID_CHANNELS = 3
# differences of colors and places, in units of a smaller one, would lose all their digits
LEAST_SIGMA = 1e-5


@dataclass(frozen=True)
class JointBilateral(ImageFilter):
    """Joint bilateral filter, with the image as its guide: a pixel takes the mean of pixels near in place and color.

    Pixel q has the weight `exp(-|x_p - x_q|^2 / (2 s^2) - |I_p - I_q|^2 / (2 r^2))` in the mean of pixel p, divided by
    the sum of all weights of p; colors `I` are in [0, 1], and all channels count. It is exact, over all pairs, for
    images up to 64 px a side and for images of more than three channels (whose time grows with the square of the number
    of pixels). Larger images use a grid, whose weights are not negative and sum to one too: pooled white noise differs
    from all pairs by 1.6 to 2.0 % (relative root mean square, on photos), pooled smooth maps by under 1 %.

    Source: Petschnig et al., "Digital Photography with Flash and No-Flash Image Pairs", SIGGRAPH 2004; on a grid as in
    Paris and Durand, "A Fast Approximation of the Bilateral Filter Using a Signal Processing Approach", ECCV 2006, and
    Chen, Paris and Durand, "Real-Time Edge-Aware Image Processing with the Bilateral Grid", SIGGRAPH 2007, with
    quadratic instead of linear splines.

    Args:
        sigma_color: Standard deviation `r` of the colors' distance, in images in [0, 1]. Common values: 0.05 to 0.3.
        sigma_spatial: Standard deviation `s` of the places' distance in pixels; None takes a quarter of the shorter
            side of images up to 64 px a side, and an eighth of larger ones.

    Raises:
        TypeError: If a setting is not a number.
        ValueError: If a setting is below 1e-5 or not finite.

    Example:
        >>> image = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 1, 4)
        >>> JointBilateral(sigma_spatial=10.0).pool(torch.tensor([[[[1.0, 3.0, 5.0, 9.0]]]]), image)
        tensor([[[[1.9975, 2.0025, 6.9950, 7.0050]]]])
    """

    channels: ClassVar[int | None] = None

    sigma_color: float = 0.1
    sigma_spatial: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        _check(self.sigma_color, self.sigma_spatial)

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        """Return `bilateral_pool` with these settings.

        Args:
            attribution: `(N, C, H, W)` floating point.
            images: `(N, G, H, W)` in [0, 1], of any number of channels.
        """
        return bilateral_pool(attribution, images, self.sigma_color, self.sigma_spatial)

    def pooled_variance(self, variance: Tensor, images: Tensor) -> Tensor:
        """Return the variance of pooled noise, as exactly as `pool`: squared Gaussians are Gaussians.

        Args:
            variance: `(N, C, H, W)` floating point, not negative.
            images: `(N, G, H, W)` in [0, 1].
        """
        values, guide = as_guided(variance, images)
        sigma = _spatial(self.sigma_spatial, guide)
        # a squared Gaussian is one that is narrower by the root of two
        squares = _sums(values, guide, self.sigma_color / math.sqrt(2), sigma / math.sqrt(2))
        weights = _sums(torch.ones_like(guide[:, :1]), guide, self.sigma_color, sigma)
        return (squares / weights.square()).float().view(variance.shape)


def bilateral_pool(
    attribution: Tensor, images: Tensor, sigma_color: float = 0.1, sigma_spatial: float | None = None
) -> Tensor:
    """Replace each value by the mean of all values of its channel, weighted by nearness in place and color.

    See `JointBilateral` for the weights and for the error on images larger than 64 px a side. Sums use float64, and
    weights of images up to 64 px a side at least float32; an image gives the same result alone and in a batch (on CUDA
    the last bits may differ). All weights are positive, so a NaN or an infinite value reaches its whole channel, and
    neither another channel nor another image. A constant channel stays as it is. Gradients reach `attribution`, not
    `images`.

    Args:
        attribution: `(N, C, H, W)` or `(N, H, W)` floating point, signed or not.
        images: `(N, G, H, W)` in [0, 1], of any number of channels; or one image, as a tensor `(G, H, W)` or `(H, W)`,
            an array or a picture, which guides everything in `attribution`, then `(H, W)`, `(C, H, W)` or a batch.
        sigma_color: Standard deviation of the colors' distance.
        sigma_spatial: Standard deviation of the places' distance in pixels; None takes that of `JointBilateral`.

    Returns:
        float32 of the shape of `attribution`.

    Raises:
        TypeError: If `attribution` is not floating point, `images` are none of these or a setting is not a number.
        ValueError: If shapes or devices do not fit, a value of `images` is NaN or outside [0, 1], or a setting is
            below 1e-5.

    Example:
        >>> bilateral_pool(torch.tensor([[1.0, 3.0, 5.0]]), torch.tensor([[0.0, 0.0, 1.0]]), sigma_spatial=100.0)
        tensor([[2.0000, 2.0000, 5.0000]])
    """
    _check(sigma_color, sigma_spatial)
    shape = attribution.shape if isinstance(attribution, Tensor) else ()
    attribution, guide = as_guided(attribution, images)
    if not len(guide):
        return attribution.float().view(shape)
    values, shift = shifted(attribution)
    ones = torch.ones_like(guide[:, :1])
    given = torch.cat([ones, values], 1)
    sums = _sums(given, guide, sigma_color, _spatial(sigma_spatial, guide))
    result = sums[:, 1:] / sums[:, :1] + shift
    is_finite = attribution.isfinite()
    if needs_tensor_operations(attribution) or not bool(is_finite.all()):
        # positive weights make the mean infinite if one value is, and NaN if two infinite ones disagree
        result = result + attribution.double().where(~is_finite, 0.0).sum((2, 3), keepdim=True)
    return result.float().view(shape)


def _check(sigma_color: float, sigma_spatial: float | None) -> None:
    check_at_least("sigma_color", sigma_color, LEAST_SIGMA)
    if sigma_spatial is not None:
        check_at_least("sigma_spatial", sigma_spatial, LEAST_SIGMA)


def _spatial(sigma: float | None, images: Tensor) -> float:
    if sigma is not None:
        return float(sigma)
    return min(images.shape[-2:]) / (4 if max(images.shape[-2:]) <= EXACT_SIDE else 8)


def _sums(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return the weighted sums (N, C, H, W) float64, with weights of about one at the pixel itself."""
    # whole numbers may be larger than tensors take
    sigma_color = float(sigma_color)
    small = max(images.shape[-2:]) <= EXACT_SIDE
    if small or images.shape[1] > GRID_CHANNELS or not fits(images, sigma_color, sigma_spatial):
        return pair_sums(values, images, sigma_color, sigma_spatial)
    return grid_sums(values, images, sigma_color, sigma_spatial)
