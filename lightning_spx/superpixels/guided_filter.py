"""Guided filter: the best linear function of the image's colors in every window, averaged over windows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs
from lightning_spx.superpixels.guided_inputs import as_guided, shifted
from lightning_spx.superpixels.image_filter import ImageFilter
from lightning_spx.superpixels.setting import check_at_least

# so many pixels have all their weights computed for the variance of pooled noise; more are estimated
EXACT_PIXELS = 32**2
# pixels whose weights are computed at a time
AT_ONCE = 128
# the variance of one color is zero but for rounding, which less would not outweigh
LEAST_EPS = 1e-12


@dataclass(frozen=True)
class GuidedFilter(ImageFilter):
    """Guided filter, with the image as its guide: in every window the attribution becomes linear in the colors.

    A window's linear function is fitted by ridge regression, and a pixel takes the mean of what the windows around it
    say. Windows are cut off at the border, and all channels of the image count. The weights of a row sum to one, but
    may be negative.

    Source: He et al., "Guided Image Filtering", TPAMI 2013, Eq. 14 to 16 (with a color guide, Eq. 19 to 21).

    Args:
        radius: Of the windows in pixels: they have `2 * radius + 1` a side. None takes an eighth of the shorter side,
            rounded down, at least 1.
        eps: Variance of a color within a window, in images in [0, 1], that counts as none. Common values: 0.0001 to
            0.1.

    Raises:
        TypeError: If a setting is not a number.
        ValueError: If `radius` is not a whole number from 1 on, or `eps` below 1e-12 or not finite.

    Example:
        >>> image = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 1, 4)
        >>> GuidedFilter(radius=4).pool(torch.tensor([[[[1.0, 3.0, 5.0, 9.0]]]]), image)
        tensor([[[[2.0329, 2.0329, 6.9671, 6.9671]]]])
    """

    channels: ClassVar[int | None] = None

    radius: int | None = None
    eps: float = 0.01

    def __post_init__(self) -> None:
        """Check the settings."""
        _check(self.radius, self.eps)

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        """Return `guided_pool` with these settings.

        Args:
            attribution: `(N, C, H, W)` floating point.
            images: `(N, G, H, W)` in [0, 1], of any number of channels.
        """
        return guided_pool(attribution, images, self.radius, self.eps)

    def pooled_variance(self, variance: Tensor, images: Tensor) -> Tensor:
        """Return the variance of pooled noise, exactly up to 1024 pixels; of larger images an estimate.

        The estimate is that of `ImageFilter`.

        Args:
            variance: `(N, C, H, W)` floating point, not negative.
            images: `(N, G, H, W)` in [0, 1].
        """
        height, width = variance.shape[-2:]
        pixels = height * width
        if pixels > EXACT_PIXELS:
            return super().pooled_variance(variance, images)
        flat = variance.double().flatten(2)
        result = torch.zeros_like(flat)
        for start in range(0, pixels, AT_ONCE):
            some = torch.arange(start, min(start + AT_ONCE, pixels), device=variance.device)
            single = torch.zeros(len(some), pixels, device=variance.device)
            single[torch.arange(len(some)), some] = 1
            maps = single.view(1, -1, height, width).expand(len(images), -1, -1, -1)
            result += flat[:, :, some] @ self.pool(maps, images).flatten(2).double().square()
        return result.view(variance.shape).float()


def guided_pool(attribution: Tensor, images: Tensor, radius: int | None = None, eps: float = 0.01) -> Tensor:
    """Replace each value by what the colors around it explain of the values around it.

    See `GuidedFilter`. Sums use float64, and an image gives the same result alone and in a batch. A NaN or an infinite
    value makes the pixels of its channel within `2 * radius` rows and columns NaN, and touches neither another channel
    nor another image. A constant channel stays as it is. Gradients reach `attribution`, not `images`.

    Args:
        attribution: `(N, C, H, W)` or `(N, H, W)` floating point, signed or not.
        images: `(N, G, H, W)` in [0, 1], of any number of channels; or one image, as a tensor `(G, H, W)` or `(H, W)`,
            an array or a picture, which guides everything in `attribution`, then `(H, W)`, `(C, H, W)` or a batch.
        radius: Of the windows in pixels; None takes that of `GuidedFilter`.
        eps: Variance of a color that counts as none.

    Returns:
        float32 of the shape of `attribution`.

    Raises:
        TypeError: If `attribution` is not floating point, `images` are none of these or a setting is not a number.
        ValueError: If shapes or devices do not fit, a value of `images` is NaN or outside [0, 1], or a setting is out
            of range.

    Example:
        >>> guided_pool(torch.tensor([[1.0, 3.0, 5.0]]), torch.tensor([[0.0, 0.0, 1.0]]), radius=3)
        tensor([[2.0431, 2.0431, 4.9139]])
    """
    _check(radius, eps)
    shape = attribution.shape if isinstance(attribution, Tensor) else ()
    attribution, guide = as_guided(attribution, images)
    if not len(guide):
        return attribution.float().view(shape)
    if radius is None:
        radius = max(1, min(guide.shape[-2:]) // 8)
    radius = min(int(radius), max(guide.shape[-2:]))
    values, shift = shifted(attribution)
    as_tensors = needs_tensor_operations(attribution)
    compiled = None if as_tensors else _compiled()
    result = (compiled or _filtered)(values, guide, radius, eps) + shift
    endless = ~attribution.isfinite()
    if as_tensors or bool(endless.any()):
        result = result.where(_grown(endless, 2 * radius) == 0, torch.nan)
    return result.float().view(shape)


def _check(radius: int | None, eps: float) -> None:
    if radius is not None:
        check_at_least("radius", radius, minimum=1)
        if radius != int(radius):
            raise ValueError(f"Expected `radius` to be a whole number, got {radius}.")
    check_at_least("eps", eps, LEAST_EPS)


@cache
def _compiled() -> Callable[[Tensor, Tensor, int, float], Tensor] | None:
    """Return the compiled version if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.superpixels.guided_compiled import filtered

        return filtered
    return None


def _filtered(values: Tensor, guide: Tensor, radius: int, eps: float) -> Tensor:
    """Filter with tensor operations, of all images at once."""
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
    return (slopes * guide[:, :, None]).sum(1) + _box(offset, radius)


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


def _grown(chosen: Tensor, reach: int) -> Tensor:
    """Return 1 within so many rows and columns of a chosen pixel, and 0 elsewhere."""
    down, across = (min(reach, size) for size in chosen.shape[-2:])
    grown = max_pool2d(chosen.float(), (2 * down + 1, 1), 1, (down, 0)) if down else chosen.float()
    return max_pool2d(grown, (1, 2 * across + 1), 1, (0, across)) if across else grown
