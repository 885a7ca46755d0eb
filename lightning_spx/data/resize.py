"""Resizes and crops images, and maps of ids in the same way, and brings images into [0, 1]."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional


def resize_and_crop(image: Tensor, image_size: int) -> Tensor:
    """Return the central square of an image after resizing its shorter side to `image_size` (bilinear, antialiased).

    Args:
        image: `(C, H, W)`, integer or float.
        image_size: side of the result in pixels.

    Example:
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
        >>> in_unit_range(torch.tensor([0, 255], dtype=torch.uint8)), in_unit_range(torch.tensor([0.25]))
        (tensor([0., 1.]), tensor([0.2500]))
    """
    # resizing floats overshoots by rounding errors
    return image.float().clamp(0, 1) if image.is_floating_point() else image.float() / 255


def resize_labels(labels: Tensor, image_size: int) -> Tensor:
    """Return a map of ids resized and cropped as `resize_and_crop` does it for its image, without new ids.

    Each new pixel has the id at its center. All numbers stay integers, because a detour over float32, as torchvision
    takes it for masks, changes ids above 2^24.

    Args:
        labels: `(H, W)`, integers or bool.
        image_size: side of the result in pixels.

    Returns:
        `(image_size, image_size)`, of the same type.

    Raises:
        TypeError: the labels are no integers.
        ValueError: they have another shape, or no pixels.

    Example:
        >>> resize_labels(torch.tensor([[2**40 + 1, 0, 5, 5], [0, 0, 5, 5]]), 1)
        tensor([[0]])
    """
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"Expected `labels` to be integers, got {labels.dtype}.")
    if labels.ndim != 2 or 0 in labels.shape or image_size < 1:
        raise ValueError(
            f"Expected `labels` of shape (H, W) with pixels, got {tuple(labels.shape)} for {image_size} px."
        )
    height, width = labels.shape
    if (height, width) == (image_size, image_size):
        return labels
    shorter = min(height, width)
    places = []
    for side in (height, width):
        # the lengths and the offset of torchvision's `resize` and `center_crop`
        resized = image_size if side == shorter else int(image_size * side / shorter)
        offset = round((resized - image_size) / 2)
        places.append((2 * torch.arange(offset, offset + image_size) + 1) * side // (2 * resized))
    return labels[places[0].to(labels.device)][:, places[1].to(labels.device)]
