"""Defines what a segmenter is, and checks its input and output."""

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.superpixels.image_pooling import ImagePooling

# Resizing filters overshoot by rounding errors; a normalized image exceeds [0, 1] by far more
RANGE_TOLERANCE = 1e-3
# normalization by mean and standard deviation hardly leads beyond, and 8-bit levels nearly always do
LARGEST_NORMALIZED = 8
# what to type for the label maps of other tools
ADVICE = "as_segments(segments) renumbers the integers of another tool"


class Segmenter(ImagePooling):
    """Maps images to super-pixels, deterministically and independently for each image.

    Settings are arguments of the constructor. A subclass makes two promises: an image gets the same segments in every
    call, and the same alone as in any batch.

    All segmenters of this package also take one image without a batch axis and then return `(H, W)`: a tensor
    `(C, H, W)` or gray `(H, W)`; a NumPy array, with its 1, 3 or 4 channels first or last; or a picture of Pillow. A
    batch may be an array too. 8-bit values are divided by 255, and gray images will do for all.

    Attributes:
        channels: Number of channels that an image must have; None takes any number.

    Example:
        >>> class Halves(Segmenter):
        ...     channels = None
        ...
        ...     def __call__(self, images: Tensor) -> Tensor:
        ...         n, _, height, width = images.shape
        ...         return (torch.arange(width) >= width // 2).long().expand(n, height, width)
        >>> Halves()(torch.zeros(1, 3, 1, 4))
        tensor([[[0, 0, 1, 1]]])
    """

    channels: ClassVar[int | None] = 3

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """Return the segments of each image.

        Args:
            images: `(N, C, H, W)` in [0, 1]; `C` is `channels`, by default three for RGB.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.
        """

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        """Return means over the segments, as `segment_pool` does.

        Args:
            attribution: `(N, C, H, W)` floating point.
            images: `(N, G, H, W)` in [0, 1].
        """
        from lightning_spx.superpixels.pooling import segment_pool  # pooling checks segments by this module

        return segment_pool(attribution, self(images))

    def pooled_variance(self, variance: Tensor, images: Tensor) -> Tensor:
        """Return the variance of means over the segments: the mean variance over the number of pixels.

        Args:
            variance: `(N, C, H, W)` floating point, not negative.
            images: `(N, G, H, W)` in [0, 1].
        """
        from lightning_spx.superpixels.pooling import segment_variance

        return segment_variance(variance, self(images))


def check_images(images: Tensor, channels: int | None = 3) -> None:
    """Refuse anything but a batch of images in [0, 1], by default RGB; an empty batch passes.

    Args:
        images: `(N, C, H, W)` floating point.
        channels: The number `C` that the images must have; None takes any number from 1 on.

    Raises:
        TypeError: If `images` is not floating point.
        ValueError: If the shape differs, or a value is NaN or more than 0.001 outside [0, 1].

    Example:
        >>> check_images(torch.rand(2, 3, 8, 8))
        >>> check_images(torch.randn(2, 1, 8, 8))
        Traceback (most recent call last):
        ValueError: Expected `images` to have shape (N, 3, H, W), got (2, 1, 8, 8). Repeat a gray channel three times.
        >>> check_images(torch.rand(2, 10, 8, 8), channels=None)
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"Expected `images` to be a tensor, got {type(images).__name__}.")
    if not images.is_floating_point():
        raise TypeError(
            f"Expected `images` to be floating point in [0, 1], got {images.dtype}: "
            "divide by the largest value that they may have, such as images / 255 for 8 bits."
        )
    if images.ndim != 4 or 0 in images.shape[1:] or channels not in (None, images.shape[1]):
        wanted = "C" if channels is None else channels
        advice = _how_to_get_rgb(images.shape[1]) if images.ndim == 4 and channels == 3 else ""
        if images.ndim == 3 and images.numel():
            advice = " Give one image as a batch: images[None]."
        raise ValueError(f"Expected `images` to have shape (N, {wanted}, H, W), got {tuple(images.shape)}.{advice}")
    if len(images) == 0:
        return
    low, high = (value.item() for value in images.detach().aminmax())
    # Written this way round because a NaN, which fails every comparison, must be refused too
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        raise ValueError(
            f"Expected `images` to be {'RGB ' if images.shape[1] == 3 else ''}in [0, 1], "
            f"got values from {low:.4g} to {high:.4g}. {_how_to_get_range(low, high)}"
        )


def _how_to_get_range(low: float, high: float) -> str:
    if LARGEST_NORMALIZED < high < math.inf:
        return "Divide by the largest value that they may have, such as images / 255 for 8 bits."
    return "Normalization by mean and standard deviation belongs inside the model, as its first layer."


def _how_to_get_rgb(channels: int) -> str:
    if channels == 1:
        return " Repeat a gray channel three times."
    return "" if channels in (0, 3) else " Give three of the channels, such as images[:, [2, 1, 0]]."


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
        ValueError: Expected `segments` to hold ids 0..S-1 without gaps, got 2 ids up to 2 in image 0: ...
    """
    if not isinstance(segments, Tensor) or segments.dtype != torch.int64:
        kind = segments.dtype if isinstance(segments, Tensor) else type(segments).__name__
        raise ValueError(f"Expected `segments` to be int64, got {kind}: {ADVICE}.")
    if segments.ndim != 3 or 0 in segments.shape[1:]:
        advice = ": give those of one image as segments[None]" if segments.ndim == 2 else ""
        raise ValueError(f"Expected `segments` to have shape (N, H, W), got {tuple(segments.shape)}{advice}.")
    if len(segments) == 0:
        return
    flat = segments.flatten(1)
    low, high = (int(value) for value in flat.aminmax())
    # More ids than pixels cannot be without gaps; this also bounds the table below
    if low < 0 or high >= flat.shape[1]:
        raise ValueError(
            "Expected `segments` to hold ids 0..S-1 without gaps, "
            f"got ids from {low} to {high} on {flat.shape[1]} pixels: {ADVICE}."
        )
    present = torch.zeros(len(flat), high + 1, dtype=torch.bool, device=flat.device).scatter_(1, flat, True).sum(1)
    wrong = (present != counts(segments)).nonzero()
    if len(wrong):
        image = int(wrong[0])
        raise ValueError(
            "Expected `segments` to hold ids 0..S-1 without gaps, "
            f"got {int(present[image])} ids up to {int(flat[image].amax())} in image {image}: {ADVICE}."
        )


def is_one_map(segments: Tensor) -> bool:
    """Return whether segments are those of one image without a batch axis, `(H, W)`.

    Example:
        >>> is_one_map(torch.zeros(4, 5, dtype=torch.int64))
        True
    """
    return isinstance(segments, Tensor) and segments.ndim == 2


def num_segments(segments: Tensor) -> Tensor:
    """Return the number of segments of each image.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.

    Returns:
        `(N,)` int64; `()` for one image.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> num_segments(torch.tensor([[[0, 1], [1, 2]], [[0, 0], [0, 0]]]))
        tensor([3, 1])
    """
    if is_one_map(segments):
        return num_segments(segments[None])[0]
    check_segments(segments)
    return counts(segments)


def counts(segments: Tensor) -> Tensor:
    """Return `num_segments` of segments that are already checked.

    Example:
        >>> counts(torch.tensor([[[0, 1], [1, 2]]]))
        tensor([3])
    """
    return segments.flatten(1).amax(1) + 1
