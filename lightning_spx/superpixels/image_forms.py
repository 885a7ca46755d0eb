"""Turns images, in the forms in which people hold them, into the batch that segmenters work on."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Images = Tensor | NDArray[Any] | Image.Image

# gray, RGB, and RGB with a fourth band: the numbers of channels by which the axis of channels is known
COUNTS = (1, 3, 4)
# a picture that is not wider than its number of channels is hardly one
NARROW = 4


class HasChannels(Protocol):
    """What knows how many channels its images must have; None takes any number."""

    @property
    def channels(self) -> int | None:
        """Return the number."""


S = TypeVar("S", bound=HasChannels)


def of_any_form(call: Callable[[S, Tensor], Tensor]) -> Callable[[S, Images], Tensor]:
    """Let a segmenter's `__call__`, which takes a batch `(N, C, H, W)`, take whatever `as_batch` reads.

    One image without a batch axis gets one label map without it, `(H, W)`.

    Example:
        >>> class Brighter:
        ...     channels = None
        ...     @of_any_form
        ...     def __call__(self, images):
        ...         return (images.mean(1) > 0.5).long()
        >>> Brighter()(np.array([[0, 255]], np.uint8)), Brighter()(torch.ones(2, 3, 1, 1)).shape
        (tensor([[0, 1]]), torch.Size([2, 1, 1]))
    """

    @wraps(call)
    def of_images(self: S, images: Images) -> Tensor:
        batch, is_one = as_batch(images, self.channels)
        segments = call(self, batch)
        return segments[0] if is_one else segments

    return of_images


def as_batch(images: Images, channels: int | None) -> tuple[Tensor, bool]:
    """Return images as a batch, and whether it was one image without a batch axis.

    A tensor has its channels first, as everywhere in PyTorch. An array may have them first or last, and a picture of
    Pillow has them last. Without an axis of channels, `(H, W)`, the image is gray. 8-bit values are divided by 255.

    Args:
        images: A tensor `(H, W)`, `(C, H, W)` or `(N, C, H, W)`, an array of one of these shapes or with the channels
            last, or a picture of mode RGB or L.
        channels: The number of channels that is needed; if it is three, a gray channel is repeated.

    Returns:
        `(N, C, H, W)`, floating point if the images were floating point or uint8; range and number of channels are not
        checked.

    Raises:
        TypeError: If `images` is none of these, or an array of something else than numbers.
        ValueError: If an array does not show which of its axes holds the channels, a tensor's are last, or a picture
            has another mode.

    Example:
        >>> as_batch(np.zeros((5, 6, 3), np.uint8), channels=None)[0].shape
        torch.Size([1, 3, 5, 6])
    """
    if isinstance(images, Tensor):
        batch = images if type(images) is Tensor else images.as_subclass(Tensor)
        if batch.ndim in (3, 4) and batch.shape[-1] in (3, 4) and min(batch.shape[-3:-1]) > NARROW:
            raise ValueError(
                f"Expected `images` with the channels first, got a tensor of shape {tuple(batch.shape)}: "
                "give images.movedim(-1, -3)."
            )
    elif isinstance(images, np.ndarray):
        batch = _tensor_of(_channels_first(images))
    elif isinstance(images, Image.Image):
        if images.mode not in ("RGB", "L"):
            raise ValueError(f"Expected a picture of mode RGB or L, got {images.mode}: give images.convert('RGB').")
        pixels = np.asarray(images)
        batch = _tensor_of(np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels)
    else:
        raise TypeError(f"Expected `images` to be a tensor, an array or a picture, got {_advice(images)}.")
    is_one = batch.ndim in (2, 3)
    if batch.ndim == 2:
        batch = batch[None]
    if is_one:
        batch = batch[None]
    if batch.dtype == torch.uint8:
        batch = batch.float() / 255
    if channels == 3 and batch.ndim == 4 and batch.shape[1] == 1:
        batch = batch.expand(-1, 3, -1, -1)
    return batch, is_one


def _channels_first(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim not in (3, 4):
        return array
    first, last = array.shape[-3] in COUNTS, array.shape[-1] in COUNTS
    if first == last:
        raise ValueError(
            f"Expected an array with the channels first or last, 1, 3 or 4 of them, got shape {array.shape}, which "
            "does not show where they are: give a tensor with the channels first, such as "
            "torch.from_numpy(images).movedim(-1, -3) if they are last."
        )
    return np.moveaxis(array, -1, -3) if last else array


def _tensor_of(array: NDArray[Any]) -> Tensor:
    if array.dtype.kind not in "biufc":
        raise TypeError(f"Expected an array of numbers, got {array.dtype}.")
    # a copy, because torch takes no negative strides and no foreign byte order, and warns of memory that is read-only
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def _advice(images: object) -> str:
    if isinstance(images, str | bytes) or hasattr(images, "__fspath__"):
        return f"a path: give PIL.Image.open({images!r})"
    if isinstance(images, list | tuple):
        return f"a {type(images).__name__}: give one after the other, or torch.stack(images)"
    return type(images).__name__
