"""Reads the classes to explain, in the forms in which people type them."""

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Target = Tensor | NDArray[Any] | Sequence[int] | int | None


def class_indices(target: Target, num_images: int) -> Tensor | None:
    """Return the class to explain of each image.

    Args:
        target: One integer for all images, or one for each in a tensor, an array or a list; None for a model that
            returns `(N,)`.
        num_images: The number of images N.

    Returns:
        `(N,)` int64 on the CPU, where reading it waits for no device, or None.

    Raises:
        TypeError: If `target` does not hold integers.
        ValueError: If there is not one for each image.

    Example:
        >>> class_indices(3, 2), class_indices([0, 1], 2)
        (tensor([3, 3]), tensor([0, 1]))
    """
    if target is None:
        return None
    indices = _integers(target)
    if indices is None:
        kind = target.dtype if isinstance(target, Tensor | np.ndarray) else repr(target)
        raise TypeError(f"Expected `target` to be an integer, one for each image, or None, got {kind}.")
    if indices.ndim == 0:
        return indices.expand(num_images).clone()
    if indices.shape != (num_images,):
        raise ValueError(
            f"Expected `target` of shape ({num_images},), got {tuple(indices.shape)}: give one class for each image, "
            "or one integer for all."
        )
    return indices


def _integers(target: object) -> Tensor | None:
    """Return whatever holds integers as int64 on the CPU, and None for anything else."""
    if isinstance(target, Tensor):
        whole = not (target.is_floating_point() or target.is_complex() or target.dtype == torch.bool)
        return target.detach().cpu().long() if whole else None
    if isinstance(target, np.ndarray):
        return torch.from_numpy(target.astype(np.int64)) if target.dtype.kind in "iu" else None
    several = isinstance(target, list | tuple)
    given: list[Any] = list(target) if isinstance(target, list | tuple) else [target]
    # True and False are no classes, though Python counts with them
    if any(isinstance(each, bool | np.bool_) or getattr(each, "dtype", None) == torch.bool for each in given):
        return None
    try:
        classes = torch.tensor([index(each) for each in given], dtype=torch.int64)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        # not an integer, or one that no int64 holds
        return None
    return classes if several else classes[0]
