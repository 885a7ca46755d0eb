"""Tries a filter on an image, because numbers of one that breaks its promises would be plausible and false."""

import torch
from torch import Tensor

from lightning_spx.superpixels.image_pooling import ImagePooling

# relative to the largest value, what rounding may make of a promise
TOLERANCE = 1e-3


def check_filter(smoothing: ImagePooling, images: Tensor) -> None:
    """Refuse a filter that is not linear, whose weights do not sum to one, or that looks at other images.

    Args:
        smoothing: The filter.
        images: `(N, G, H, W)` in [0, 1], as the filter takes them; two tell more than one.

    Raises:
        TypeError: If it returns no floating point tensor.
        ValueError: If it returns another shape, values that are not finite, or breaks one of these promises.

    Example:
        >>> from lightning_spx.superpixels import GuidedFilter, ImageFilter
        >>> class Doubled(ImageFilter):
        ...     def pool(self, attribution, images):
        ...         return 2 * attribution
        >>> check_filter(GuidedFilter(), torch.rand(1, 3, 8, 8))
        >>> check_filter(Doubled(), torch.rand(1, 3, 8, 8))
        Traceback (most recent call last):
        ...
        ValueError: Expected the weights of Doubled to sum to one, so that a constant map stays as it is, got 2 from 1.
    """
    name, (height, width) = type(smoothing).__name__, images.shape[-2:]
    one, two = torch.randn(2, height, width, generator=torch.Generator().manual_seed(0)).to(images)
    maps = torch.stack([torch.ones_like(one), one, two, one - 2 * two]).expand(len(images), -1, -1, -1)
    pooled = smoothing.pool(maps, images)
    if not isinstance(pooled, Tensor) or not pooled.is_floating_point():
        kind = pooled.dtype if isinstance(pooled, Tensor) else type(pooled).__name__
        raise TypeError(f"Expected {name} to return a floating point tensor, got {kind}.")
    if pooled.shape != maps.shape:
        raise ValueError(
            f"Expected {name} to return maps of the shape that it gets, {tuple(maps.shape)}, got {tuple(pooled.shape)}."
        )
    if not bool(pooled.isfinite().all()):
        raise ValueError(f"Expected {name} to return finite values for finite maps, got NaN or infinity.")
    allowed = TOLERANCE * float(pooled.abs().max())
    constant, first, second, mixed = pooled.unbind(1)
    worst = constant.flatten()[(constant - 1).abs().argmax()].item()
    if abs(worst - 1) > allowed:
        raise ValueError(
            f"Expected the weights of {name} to sum to one, so that a constant map stays as it is, "
            f"got {worst:.4g} from 1."
        )
    if float((mixed - (first - 2 * second)).abs().max()) > allowed:
        raise ValueError(
            f"Expected {name} to be linear in the attribution, with weights that the image alone decides, got other "
            "values for a sum of two maps than the sum of their values."
        )
    if len(images) > 1 and float((smoothing.pool(maps[:1], images[:1]) - pooled[:1]).abs().max()) > allowed:
        raise ValueError(f"Expected {name} to filter an image alone as in a batch, got other values.")
