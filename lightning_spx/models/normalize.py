"""Normalization as a layer, so that images, gradients and segments all refer to images in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalize(nn.Module):
    """Subtracts a fixed mean and divides by a fixed standard deviation, per channel.

    Args:
        mean: one number per channel, in the range of the images.
        std: one positive number per channel.

    Raises:
        ValueError: if the lengths differ or a standard deviation is not positive.

    Example:
        >>> Normalize(mean=(0.5,), std=(0.25,))(torch.ones(1, 1, 1, 1)).item()
        2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        super().__init__()
        if len(mean) != len(std):
            raise ValueError(f"Expected `mean` and `std` to be of equal length, got {len(mean)} and {len(std)}.")
        if min(std) <= 0:
            raise ValueError(f"Expected `std` to be positive, got {tuple(std)}.")
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return normalized images of the same shape, `(N, C, H, W)`."""
        return (images - self.mean) / self.std
