"""Checks an attribution and the images that guide its filter, in all forms in which they may come."""

import math

import torch
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.superpixels.image_forms import Images, as_batch
from lightning_spx.superpixels.segmenter import check_images


def as_guided(attribution: Tensor, images: Images) -> tuple[Tensor, Tensor]:
    """Return an attribution and the images that guide its filter as batches, or refuse them.

    Args:
        attribution: `(N, C, H, W)` or `(N, H, W)` floating point; with one image `(H, W)`, `(C, H, W)` or a batch.
        images: `(N, G, H, W)` in [0, 1], of any number of channels; or one image, as a tensor `(G, H, W)` or `(H, W)`,
            an array or a picture.

    Returns:
        `(N, C, H, W)` of the attribution's type, and `(N, G, H, W)` float64 in [0, 1] without a gradient; with one
        image all maps become channels of it.

    Raises:
        TypeError: If `attribution` is not floating point, or `images` are none of these.
        ValueError: If shapes or devices do not fit, or a value of `images` is NaN or outside [0, 1].

    Example:
        >>> attribution, images = as_guided(torch.zeros(2, 3, 4, 5), torch.zeros(3, 4, 5))
        >>> attribution.shape, images.shape
        (torch.Size([1, 6, 4, 5]), torch.Size([1, 3, 4, 5]))
    """
    if not isinstance(attribution, Tensor) or not attribution.is_floating_point():
        is_tensor = isinstance(attribution, Tensor)
        kind = attribution.dtype if is_tensor else type(attribution).__name__
        advice = "attribution.float()" if is_tensor else "torch.as_tensor(attribution)"
        raise TypeError(f"Expected `attribution` to be a floating point tensor, got {kind}: give {advice}.")
    given = tuple(attribution.shape)
    guide, is_one = as_batch(images, None)
    if attribution.device != guide.device:
        raise ValueError(
            f"Expected `images` on the device of `attribution`, {attribution.device}, got {guide.device}: "
            "give images.to(attribution.device)."
        )
    check_images(guide, None)
    if is_one and attribution.ndim in (2, 3, 4):
        attribution = attribution.reshape(1, math.prod(attribution.shape[:-2]), *attribution.shape[-2:])
    elif attribution.ndim == 3:
        attribution = attribution[:, None]
    if attribution.ndim != 4 or (len(attribution), *attribution.shape[2:]) != (len(guide), *guide.shape[2:]):
        raise ValueError(
            f"Expected `attribution` to have shape (N, C, H, W) or (N, H, W) with the N, H and W of `images`, "
            f"got {given} and {tuple(guide.shape[is_one:])}."
        )
    # rounding errors of a resize may lie outside
    return attribution, guide.detach().double().clamp(0, 1)


def shifted(attribution: Tensor) -> tuple[Tensor, Tensor]:
    """Split a map into finite values and a shift, so that constant maps stay exactly as they are.

    The shift is what is nearest to zero between the smallest and the largest value of a channel: values near zero keep
    their digits beside large ones, and what has one sign keeps it.

    Args:
        attribution: `(N, C, H, W)` floating point.

    Returns:
        `(N, C, H, W)` float64, 0 where a value is not finite; and `(N, C, 1, 1)` float64, without a gradient.

    Example:
        >>> [part.flatten().tolist() for part in shifted(torch.tensor([[[[1.0, 3.0, torch.nan]]]]))]
        [[0.0, 2.0, 0.0], [1.0]]
    """
    values = attribution.double()
    if not needs_tensor_operations(attribution) and not values.requires_grad:
        low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
        if bool((low.isfinite() & high.isfinite()).all()):
            shift = torch.zeros_like(low).clamp(low, high)
            return values - shift, shift
    is_finite = values.isfinite()
    known = values.detach()
    low = known.where(is_finite, torch.inf).amin((2, 3), keepdim=True)
    high = known.where(is_finite, -torch.inf).amax((2, 3), keepdim=True)
    shift = torch.zeros_like(low).clamp(low, high).where(low.isfinite(), 0.0)
    return (values - shift).where(is_finite, 0.0), shift
