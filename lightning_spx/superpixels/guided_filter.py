"""Guided filter: the best linear function of the image's colors in every window, averaged over windows."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.superpixels.image_filter import ImageFilter
from lightning_spx.superpixels.setting import check_at_least, check_positive


@dataclass(frozen=True)
class GuidedFilter(ImageFilter):
    """Guided filter, with the image as its guide.

    Args:
        radius: Of the windows in pixels: they have `2 * radius + 1` a side. None takes an eighth of the shorter side.
        eps: How much variance of a color within a window counts as none.
    """

    channels: ClassVar[int | None] = None

    radius: int | None = None
    eps: float = 0.01

    def __post_init__(self) -> None:
        if self.radius is not None:
            check_at_least("radius", self.radius, minimum=1)
        check_positive("eps", self.eps)

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return guided_pool(attribution, images, self.radius, self.eps)


def guided_pool(attribution: Tensor, images: Tensor, radius: int | None = None, eps: float = 0.01) -> Tensor:
    """Replace each value by what the colors around it explain of the values around it."""
    radius = radius or max(1, min(images.shape[-2:]) // 8)
    guide, values = images.double(), attribution.double()
    count, colors, height, width = guide.shape
    mean, target = _box(guide, radius), _box(values, radius)
    products = (guide[:, :, None] * guide[:, None]).flatten(1, 2)
    variance = _box(products, radius).view(count, colors, colors, height, width) - mean[:, :, None] * mean[:, None]
    matrix = variance.permute(0, 3, 4, 1, 2) + eps * torch.eye(colors, dtype=guide.dtype, device=guide.device)
    mixed = (guide[:, :, None] * values[:, None]).flatten(1, 2)
    covariance = _box(mixed, radius).view(count, colors, -1, height, width) - mean[:, :, None] * target[:, None]
    slope = torch.linalg.solve(matrix, covariance.permute(0, 3, 4, 1, 2)).permute(0, 3, 4, 1, 2)
    offset = target - (slope * mean[:, :, None]).sum(1)
    slopes = _box(slope.flatten(1, 2), radius).view_as(slope)
    return ((slopes * guide[:, :, None]).sum(1) + _box(offset, radius)).float()


def _box(values: Tensor, radius: int) -> Tensor:
    """Return means over windows, which end at the border."""
    for axis in (-2, -1):
        size = values.shape[axis]
        sums = torch.cat([torch.zeros_like(values.narrow(axis, 0, 1)), values.cumsum(axis)], axis)
        line = torch.arange(size, device=values.device)
        high, low = (line + radius + 1).clamp(max=size), (line - radius).clamp(min=0)
        shape = (size, 1) if axis == -2 else (size,)
        values = (sums.index_select(axis, high) - sums.index_select(axis, low)) / (high - low).view(shape)
    return values
