"""Turns a signed attribution into one map per image that can be shown and compared."""

from functools import reduce
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations

Channels = Literal["sum", "mean", "max"]


Magnitude = Literal["after", "before"]


def magnitude(attribution: Tensor, channels: Channels = "sum") -> Tensor:
    """Return absolute values, reduced over channels and not normalized.

    Args:
        attribution: Signed values, `(N, C, H, W)`.
        channels: How to reduce the absolute values of the channels to one.

    Returns:
        Non-negative magnitudes, `(N, H, W)`, float32 or better.

    Raises:
        TypeError: If `attribution` is no tensor of real numbers.
        ValueError: If the shape is not `(N, C, H, W)`, `channels` is another name, or a value is not finite.

    Example:
        >>> magnitude(torch.tensor([[[[1.0]], [[-2.0]]]]))
        tensor([[[3.]]])
    """
    _check_real(attribution, "attribution")
    if attribution.ndim != 4 or not attribution.shape[1]:
        advice = ": give attribution[None] for one image, or attribution[:, None] for maps without channels"
        raise ValueError(
            f"Expected `attribution` of shape (N, C, H, W), got {tuple(attribution.shape)}"
            f"{advice if attribution.ndim == 3 else ''}."
        )
    if channels not in get_args(Channels):
        raise ValueError(f"Expected `channels` to be 'sum', 'mean' or 'max', got {channels!r}.")
    values = attribution.to(torch.promote_types(attribution.dtype, torch.float32))
    # channel after channel: in the same order at every pixel, so that equal pixels, as those of a segment, stay equal
    join = torch.maximum if channels == "max" else torch.add
    result = reduce(join, (channel.abs() for channel in values.unbind(1)))
    # any NaN or infinity shows in the sum; because a sum may also overflow, each value is then checked
    if not bool(result.sum().isfinite()):
        finite = values.isfinite().flatten(1).all(dim=1)
        if not bool(finite.all()):
            images = torch.nonzero(~finite).flatten().tolist()
            raise ValueError(
                f"Expected a finite `attribution`, got NaN or infinity for the images at positions {images}."
            )
    return result / values.shape[1] if channels == "mean" else result


def saliency_map(attribution: Tensor, channels: Channels = "sum", clip: float = 0.99) -> Tensor:
    """Return magnitudes scaled to [0, 1] for each image by itself: `(x - min) / (q - min)`, capped at 1.

    q is the `clip`-quantile of the image's pixels, interpolated linearly like `torch.quantile`. If it equals the
    minimum, the maximum takes its place; a constant image becomes all zero (`is_constant` counts these).

    Args:
        attribution: Signed values, `(N, C, H, W)`.
        channels: How to reduce the absolute values of the channels to one.
        clip: The quantile that is shown as 1, in (0, 1].

    Returns:
        One map for each image, `(N, H, W)` in [0, 1], float32 or better.

    Raises:
        ValueError: As in `magnitude`, and if `clip` is not in (0, 1].

    Example:
        >>> saliency_map(torch.tensor([[[[0.0, -1.0, 2.0]]]]), clip=1.0)
        tensor([[[0.0000, 0.5000, 1.0000]]])
    """
    if not 0 < clip <= 1:
        raise ValueError(f"Expected `clip` to be in (0, 1], got {clip}.")
    values = magnitude(attribution, channels)
    return scaled_magnitude(values.flatten(1), clip).view_as(values)


def scaled_magnitude(values: Tensor, clip: float = 0.99, sizes: Tensor | None = None) -> Tensor:
    """Return magnitudes scaled to [0, 1] as `saliency_map` does, for one value of each pixel or of each segment.

    Args:
        values: Finite magnitudes, `(N, D)`.
        clip: The quantile of the pixels that is shown as 1, in (0, 1].
        sizes: How many pixels each value stands for, `(N, D)`; values of none become 0. None: one each.

    Returns:
        `(N, D)` in [0, 1].

    Example:
        >>> scaled_magnitude(torch.tensor([[0.0, 1.0, 2.0]]), clip=1.0, sizes=torch.tensor([[1, 5, 1]]))
        tensor([[0.0000, 0.5000, 1.0000]])
    """
    if not values.numel():
        return values
    there = values if sizes is None else torch.where(sizes > 0, values, torch.inf)
    low = there.amin(dim=1, keepdim=True)
    # magnitudes are at least 0, so those of no pixels hide no maximum
    high = values.amax(dim=1, keepdim=True)
    top = (_quantile(values, clip) if sizes is None else _quantile_of_sizes(values, sizes, clip))[:, None]
    top = torch.where(top > low, top, high)
    scaled = ((values - low) / (top - low)).clamp(max=1.0)
    return scaled.masked_fill(high <= low if sizes is None else (high <= low) | (sizes == 0), 0.0)


def is_constant(saliency: Tensor) -> Tensor:
    """Return which maps have the same value everywhere and so show nothing.

    Args:
        saliency: Maps, `(N, H, W)`, of any scale.

    Returns:
        True for a constant map, `(N,)` bool.

    Raises:
        ValueError: If the shape is not `(N, H, W)`.

    Example:
        >>> is_constant(torch.tensor([[[1.0, 1.0]], [[0.0, 1.0]]]))
        tensor([ True, False])
    """
    _check_real(saliency, "saliency")
    if saliency.ndim != 3 or 0 in saliency.shape[1:]:
        raise ValueError(f"Expected `saliency` of shape (N, H, W), got {tuple(saliency.shape)}.")
    return saliency.amin(dim=(1, 2)) == saliency.amax(dim=(1, 2))


def _check_real(values: Tensor, name: str) -> None:
    if not isinstance(values, Tensor) or values.is_complex():
        kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"Expected `{name}` to be a tensor of real numbers, got {kind}.")


def _quantile(values: Tensor, q: float) -> Tensor:
    # torch.quantile refuses more than 16 million values and sorts all of them; the few largest suffice
    position = q * (values.shape[1] - 1)
    below = int(position)
    if not needs_tensor_operations(values):
        # NumPy puts one place in order several times faster than torch finds the largest (measured)
        known = values.detach().numpy()
        around, row = np.empty((2, len(known)), known.dtype), np.empty_like(known[0])
        for place, each in enumerate(known):
            row[:] = each
            row.partition(below)
            # the next larger value, if there is one
            around[:, place] = row[below], row[min(below + 1, len(row) - 1) :].min()
        lower, upper = torch.from_numpy(around)
        return torch.lerp(lower, upper, position - below)
    largest = values.topk(values.shape[1] - below, dim=1).values
    return torch.lerp(largest[:, -1], largest[:, max(-2, -largest.shape[1])], position - below)


def _quantile_of_sizes(values: Tensor, sizes: Tensor, q: float) -> Tensor:
    ordered, order = values.sort(dim=1)
    upto = sizes.gather(1, order).cumsum(dim=1)
    position = q * (upto[:, -1:] - 1)
    below = position.floor()
    # the first value at which more pixels are counted than lie below the place
    places = torch.cat([below, torch.minimum(below + 1, upto[:, -1:] - 1)], dim=1)
    lower, upper = ordered.gather(1, torch.searchsorted(upto, places, right=True)).unbind(1)
    return torch.lerp(lower, upper, (position - below)[:, 0].to(values.dtype))
