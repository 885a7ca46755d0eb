"""Resizes and crops images."""

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
