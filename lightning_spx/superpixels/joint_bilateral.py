"""Joint bilateral filter: means over pixels that are near in place and in color."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.superpixels.bilateral_grid import fits, grid_sums
from lightning_spx.superpixels.image_filter import ImageFilter
from lightning_spx.superpixels.setting import check_positive

# so many pixels a side are weighed pixel by pixel; larger images of few channels use a grid
EXACT_SIDE = 64
# a grid has a cell for every few colors, whose number grows with the power of the channels
GRID_CHANNELS = 3
# weights at a time
PAIRS_AT_ONCE = 2**22


@dataclass(frozen=True)
class JointBilateral(ImageFilter):
    """Joint bilateral filter, with the image as its guide.

    Args:
        sigma_color: Standard deviation of the colors' distance, in images in [0, 1].
        sigma_spatial: Standard deviation of the places' distance in pixels; None takes a quarter of the shorter side
            of images up to 64 px, and an eighth of larger ones.
    """

    channels: ClassVar[int | None] = None

    sigma_color: float = 0.1
    sigma_spatial: float | None = None

    def __post_init__(self) -> None:
        check_positive("sigma_color", self.sigma_color)
        if self.sigma_spatial is not None:
            check_positive("sigma_spatial", self.sigma_spatial)

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return bilateral_pool(attribution, images, self.sigma_color, self.sigma_spatial)

    def pooled_variance(self, variance: Tensor, images: Tensor) -> Tensor:
        sigma = _spatial(self.sigma_spatial, images)
        # a squared Gaussian is one that is narrower by the root of two
        squares = _sums(variance, images, self.sigma_color / math.sqrt(2), sigma / math.sqrt(2))
        weights = _sums(torch.ones_like(images[:, :1]), images, self.sigma_color, sigma)
        return (squares / weights.square()).float()


def bilateral_pool(
    attribution: Tensor, images: Tensor, sigma_color: float = 0.1, sigma_spatial: float | None = None
) -> Tensor:
    """Replace each value by the mean of all values, weighted by nearness in place and color."""
    ones = torch.ones_like(attribution[:, :1])
    sums = _sums(torch.cat([attribution, ones], 1), images, sigma_color, _spatial(sigma_spatial, images))
    return (sums[:, :-1] / sums[:, -1:]).float()


def _spatial(sigma: float | None, images: Tensor) -> float:
    side = min(images.shape[-2:])
    return sigma or side / (4 if max(images.shape[-2:]) <= EXACT_SIDE else 8)


def _sums(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return the weighted sums (N, C, H, W) float64, with weights of one at the pixel itself."""
    small = max(images.shape[-2:]) <= EXACT_SIDE
    images = images.detach().double().clamp(0, 1)
    if small or images.shape[1] > GRID_CHANNELS or not fits(images, sigma_color, sigma_spatial):
        return torch.cat(
            [_exact(v[None], i[None], sigma_color, sigma_spatial) for v, i in zip(values, images, strict=True)]
        )
    return grid_sums(values.double(), images, sigma_color, sigma_spatial)


def _exact(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    height, width = images.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns])[None].to(images) / sigma_spatial
    features = torch.cat([places.expand(len(images), -1, -1, -1), images / sigma_color], 1).flatten(2).mT.double()
    flat = values.double().flatten(2).mT
    step = max(1, PAIRS_AT_ONCE // (height * width))
    parts = [
        torch.exp(-0.5 * torch.cdist(features[:, start : start + step], features).square()) @ flat
        for start in range(0, height * width, step)
    ]
    return torch.cat(parts, 1).mT.reshape(values.shape)
