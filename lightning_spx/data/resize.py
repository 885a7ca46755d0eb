"""Resizes and crops images, and brings them into [0, 1]."""

from torch import Tensor
from torchvision.transforms.v2 import functional


def resize_and_crop(image: Tensor, image_size: int) -> Tensor:
    """Return the central square of an image after resizing its shorter side to `image_size` (bilinear, antialiased).

    Args:
        image: `(C, H, W)`, integer or float.
        image_size: side of the result in pixels.

    Example:
        >>> import torch
        >>> resize_and_crop(torch.rand(3, 40, 60), 20).shape
        torch.Size([3, 20, 20])
    """
    if image.shape[-2:] == (image_size, image_size):
        return image
    resized = functional.resize(image, [image_size], antialias=True)
    cropped: Tensor = functional.center_crop(resized, [image_size, image_size])
    return cropped


def in_unit_range(image: Tensor) -> Tensor:
    """Return an image, uint8 or floats in [0, 1] that were resized, as float32 in [0, 1].

    Example:
        >>> import torch
        >>> in_unit_range(torch.tensor([0, 255], dtype=torch.uint8)), in_unit_range(torch.tensor([0.25]))
        (tensor([0., 1.]), tensor([0.2500]))
    """
    # resizing floats overshoots by rounding errors
    return image.float().clamp(0, 1) if image.is_floating_point() else image.float() / 255
