"""Defines what a segmenter is, and checks its input and output."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

# Resizing filters overshoot by rounding errors; a normalized image exceeds [0, 1] by far more
RANGE_TOLERANCE = 1e-3


class Segmenter(ABC):
    """Maps images to super-pixels, deterministically and independently for each image.

    Settings are arguments of the constructor. A subclass makes two promises: an image gets the same segments in every
    call, and the same alone as in any batch.

    Example:
        >>> class Halves(Segmenter):
        ...     def __call__(self, images: Tensor) -> Tensor:
        ...         n, _, height, width = images.shape
        ...         return (torch.arange(width) >= width // 2).long().expand(n, height, width)
        >>> Halves()(torch.zeros(1, 3, 1, 4))
        tensor([[[0, 0, 1, 1]]])
    """

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """Return the segments of each image.

        Args:
            images: `(N, 3, H, W)`, RGB in [0, 1].

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.
        """


def check_images(images: Tensor) -> None:
    """Refuse anything but a batch of RGB images in [0, 1]; an empty batch passes.

    Args:
        images: `(N, 3, H, W)` floating point.

    Raises:
        TypeError: If `images` is not floating point.
        ValueError: If the shape differs, or a value is NaN or more than 0.001 outside [0, 1].

    Example:
        >>> check_images(torch.rand(2, 3, 8, 8))
        >>> check_images(torch.randn(2, 1, 8, 8))
        Traceback (most recent call last):
        ValueError: Expected `images` to have shape (N, 3, H, W), got (2, 1, 8, 8). Repeat a gray channel three times.
    """
    if not images.is_floating_point():
        raise TypeError(f"Expected `images` to be floating point in [0, 1], got {images.dtype}.")
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        advice = " Repeat a gray channel three times." if images.ndim == 4 and images.shape[1] == 1 else ""
        raise ValueError(f"Expected `images` to have shape (N, 3, H, W), got {tuple(images.shape)}.{advice}")
    if len(images) == 0:
        return
    low, high = (value.item() for value in images.detach().aminmax())
    # Written this way round because a NaN, which fails every comparison, must be refused too
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        raise ValueError(
            f"Expected `images` to be RGB in [0, 1], got values from {low:.4g} to {high:.4g}. "
            "Normalization by mean and standard deviation belongs inside the model, as its first layer."
        )


def check_segments(segments: Tensor) -> None:
    """Refuse anything but a batch of label maps with ids `0..S-1` without gaps in each image.

    Args:
        segments: `(N, H, W)` int64; `S` may differ between images.

    Raises:
        ValueError: If shape, type or ids differ from that.

    Example:
        >>> check_segments(torch.tensor([[[0, 1], [1, 2]]]))
        >>> check_segments(torch.tensor([[[0, 2], [2, 2]]]))
        Traceback (most recent call last):
        ValueError: Expected `segments` to hold ids 0..S-1 without gaps, got 2 ids up to 2 in image 0.
    """
    if not isinstance(segments, Tensor) or segments.dtype != torch.int64:
        kind = segments.dtype if isinstance(segments, Tensor) else type(segments).__name__
        raise ValueError(f"Expected `segments` to be int64, got {kind}.")
    if segments.ndim != 3 or 0 in segments.shape[1:]:
        raise ValueError(f"Expected `segments` to have shape (N, H, W), got {tuple(segments.shape)}.")
    if len(segments) == 0:
        return
    flat = segments.flatten(1)
    low, high = (int(value) for value in flat.aminmax())
    # More ids than pixels cannot be without gaps; this also bounds the table below
    if low < 0 or high >= flat.shape[1]:
        raise ValueError(
            "Expected `segments` to hold ids 0..S-1 without gaps, "
            f"got ids from {low} to {high} on {flat.shape[1]} pixels."
        )
    present = torch.zeros(len(flat), high + 1, dtype=torch.bool, device=flat.device).scatter_(1, flat, True).sum(1)
    wrong = (present != counts(segments)).nonzero()
    if len(wrong):
        image = int(wrong[0])
        raise ValueError(
            "Expected `segments` to hold ids 0..S-1 without gaps, "
            f"got {int(present[image])} ids up to {int(flat[image].amax())} in image {image}."
        )


def num_segments(segments: Tensor) -> Tensor:
    """Return the number of segments of each image.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image.

    Returns:
        `(N,)` int64.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> num_segments(torch.tensor([[[0, 1], [1, 2]], [[0, 0], [0, 0]]]))
        tensor([3, 1])
    """
    check_segments(segments)
    return counts(segments)


def counts(segments: Tensor) -> Tensor:
    """Return `num_segments` of segments that are already checked.

    Example:
        >>> counts(torch.tensor([[[0, 1], [1, 2]]]))
        tensor([3])
    """
    return segments.flatten(1).amax(1) + 1
