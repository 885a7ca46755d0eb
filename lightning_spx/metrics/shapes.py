"""Checks of shapes and segments that metrics share."""

import torch
from torch import Tensor


def check_real(maps: Tensor, name: str) -> None:
    """Raise a TypeError unless maps are a tensor of real numbers.

    Example:
        >>> import torch
        >>> check_real(torch.zeros(2, 4, 4), "saliency")
    """
    if not isinstance(maps, Tensor) or maps.is_complex():
        kind = maps.dtype if isinstance(maps, Tensor) else type(maps).__name__
        advice = "" if isinstance(maps, Tensor) else f": give torch.as_tensor({name})"
        raise TypeError(f"Expected `{name}` to be a tensor of real numbers, got {kind}{advice}.")


def scaled(values: Tensor) -> Tensor:
    """Scale float64 rows to about 1 by a power of two, which rounds nothing, so that squares do not overflow.

    Args:
        values: shape (N,D), of any real type; types other than float64 are only converted, because their squares
            cannot overflow float64.

    Returns:
        Shape (N,D), float64: float64 rows with their largest value in [0.5, 1), and rows with a NaN or an infinity
        unchanged.

    Example:
        >>> import torch
        >>> scaled(torch.tensor([[2.0**700, -(2.0**699)], [3.0, 0.0]], dtype=torch.float64))
        tensor([[ 0.5000, -0.2500],
                [ 0.7500,  0.0000]], dtype=torch.float64)
    """
    if values.dtype != torch.float64 or not values.numel():
        return values.double()
    largest = values.abs().amax(dim=1, keepdim=True)
    exponent = torch.frexp(largest).exponent.where(largest.isfinite(), 0)
    # in two steps, because the power may exceed the range
    half = exponent // 2
    return values * _power_of_two(-half) * _power_of_two(half - exponent)


def _power_of_two(exponent: Tensor) -> Tensor:
    # set in the bits, because `ldexp` of older releases computes the power in float32
    return ((exponent.long() + 1023) << 52).view(torch.float64)


def without_channel(maps: Tensor) -> Tensor:
    """Return maps with a single channel (N,1,H,W), as image metrics of torchmetrics take them, without it.

    Example:
        >>> import torch
        >>> without_channel(torch.zeros(2, 1, 4, 4)).shape, without_channel(torch.zeros(2, 4, 4)).shape
        (torch.Size([2, 4, 4]), torch.Size([2, 4, 4]))
    """
    return maps[:, 0] if isinstance(maps, Tensor) and maps.ndim == 4 and maps.shape[1] == 1 else maps


def check_same_shape(first: Tensor, second: Tensor, dims: str) -> None:
    """Raise unless two batches of maps have the same shape with the named dimensions.

    Args:
        first: any tensor, `saliency` in the messages.
        second: any tensor, `reference` in the messages.
        dims: the expected dimensions by name, such as `"(N,H,W)"`.

    Raises:
        TypeError: if one of them is not a tensor of real numbers.
        ValueError: if the number of dimensions differs from `dims`, shapes or devices differ, or a map has no pixel.

    Example:
        >>> import torch
        >>> check_same_shape(torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), "(N,H,W)")
    """
    check_real(first, "saliency")
    check_real(second, "reference")
    axes = len(dims.split(","))
    if first.ndim != axes:
        advice = {
            (2, 3): ": give one image as a batch, saliency[None]",
            (4, 3): ": reduce channels with `saliency_map`",
            (3, 4): ": give maps without channels as saliency[:, None]",
        }.get((first.ndim, axes), "")
        raise ValueError(f"Expected `saliency` of shape {dims}, got {tuple(first.shape)}{advice}.")
    if first.shape != second.shape:
        raise ValueError(
            f"Expected `reference` to have the shape of `saliency`, {tuple(first.shape)}, got {tuple(second.shape)}."
        )
    if first.device != second.device:
        raise ValueError(
            f"Expected `reference` on the device of `saliency`, {first.device}, got {second.device}: "
            "give reference.to(saliency.device)."
        )
    if 0 in first.shape[1:]:
        raise ValueError(f"Expected `saliency` to have at least one pixel, got shape {tuple(first.shape)}.")


def check_segments(segments: Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless segments have ids `0..S-1` without gaps in each image, as a segmenter gives them.

    Args:
        segments: any tensor.
        shape: the expected (N,H,W).

    Raises:
        ValueError: if shape, type or ids differ from that.

    Example:
        >>> import torch
        >>> check_segments(torch.tensor([[[0, 1], [1, 2]]]), (1, 2, 2))
    """
    if not isinstance(segments, Tensor) or segments.shape != shape or segments.dtype != torch.int64:
        got = f"{tuple(segments.shape)}, {segments.dtype}" if isinstance(segments, Tensor) else type(segments).__name__
        raise ValueError(f"Expected `segments` of shape {shape} and type int64, got {got}.")
    if not segments.numel():
        return
    ids = segments.flatten(1)
    low, high = (int(value) for value in ids.aminmax())
    # more ids than pixels cannot be without gaps; this also bounds the table below
    if low < 0 or high >= ids.shape[1]:
        raise ValueError(
            "Expected `segments` to hold ids 0..S-1 without gaps, "
            f"got ids from {low} to {high} on {ids.shape[1]} pixels."
        )
    present = torch.zeros(len(ids), high + 1, dtype=torch.bool, device=ids.device).scatter_(1, ids, True).sum(1)
    wrong = torch.nonzero(present != ids.amax(1) + 1).flatten().tolist()
    if wrong:
        raise ValueError(f"Expected `segments` to hold ids 0..S-1 without gaps, got gaps in images {wrong}.")
