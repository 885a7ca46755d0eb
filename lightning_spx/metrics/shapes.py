"""The check that every comparison of two maps begins with."""

from torch import Tensor


def check_same_shape(first: Tensor, second: Tensor, dims: str) -> None:
    """Raise unless two batches of maps have the same shape with the named dimensions.

    Args:
        first: any tensor, `saliency` in the messages.
        second: any tensor, `reference` in the messages.
        dims: the expected dimensions by name, such as `"(N,H,W)"`.

    Raises:
        ValueError: if the number of dimensions is another one, the shapes differ, or a map has no pixel.

    Example:
        >>> import torch
        >>> check_same_shape(torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), "(N,H,W)")
    """
    if first.ndim != len(dims.split(",")):
        raise ValueError(f"Expected `saliency` of shape {dims}, got {tuple(first.shape)}.")
    if first.shape != second.shape:
        raise ValueError(
            f"Expected `reference` to have the shape of `saliency`, {tuple(first.shape)}, got {tuple(second.shape)}."
        )
    if 0 in first.shape[1:]:
        raise ValueError(f"Expected `saliency` to have at least one pixel, got shape {tuple(first.shape)}.")
