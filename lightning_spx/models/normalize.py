"""Normalization as a layer, so that images, gradients and segments all refer to images in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalize(nn.Module):
    """Subtracts a fixed mean and divides by a fixed standard deviation, per channel.

    Args:
        mean: one number per channel, or one for all, in the range of the images.
        std: one positive number per channel, or one for all.

    Raises:
        ValueError: if the lengths differ or a standard deviation is not positive.

    Example:
        >>> layer = Normalize(mean=(0.5,), std=(0.25,))
        >>> layer(torch.ones(1, 1, 1, 1)).item(), layer.invert(torch.full((1, 1, 1, 1), 2.0)).item()
        (2.0, 1.0)
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        super().__init__()
        if len(mean) != len(std):
            raise ValueError(f"Expected `mean` and `std` to be of equal length, got {len(mean)} and {len(std)}.")
        if not len(mean) or not all(value > 0 for value in std):  # also false for a NaN
            raise ValueError(f"Expected `std` to be positive, got {tuple(std)}.")
        # an inference tensor, of a layer made within validate or test, cannot be part of a gradient
        with torch.inference_mode(False):
            self.register_buffer("mean", torch.tensor([float(value) for value in mean]).reshape(-1, 1, 1))
            self.register_buffer("std", torch.tensor([float(value) for value in std]).reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return normalized images of the same shape, `(N, C, H, W)`.

        Raises:
            ValueError: if the images have another number of channels than `mean`.
        """
        self._check(images)
        return (images - self.mean.to(images.device)) / self.std.to(images.device)

    def invert(self, inputs: Tensor) -> Tensor:
        """Return the images whose normalization is `inputs`, `(N, C, H, W)`.

        Raises:
            ValueError: if the inputs have another number of channels than `mean`.
        """
        self._check(inputs)
        return inputs * self.std.to(inputs.device) + self.mean.to(inputs.device)

    def _check(self, images: Tensor) -> None:
        count = len(self.mean)
        # other numbers would silently give as many channels as `mean` has
        if count != 1 and images.ndim >= 3 and images.shape[-3] != count:
            raise ValueError(
                f"Expected `mean` and `std` to have {images.shape[-3]} numbers, one for each channel of the images, or "
                f"one number, got {count}."
            )


class ZScore(nn.Module):
    """Subtracts each image's own mean and divides by its own standard deviation, as pipelines for medical images do.

    The standard deviation is that of the population, as NumPy's; a constant image becomes zero. Gradients pass through
    mean and standard deviation.

    Args:
        per_channel: whether each channel has its own mean and standard deviation; otherwise the image has one of each.

    Example:
        >>> ZScore()(torch.tensor([[[[1.0, 3.0]]]])).tolist()
        [[[[-1.0, 1.0]]]]
    """

    def __init__(self, per_channel: bool = False) -> None:
        super().__init__()
        self.per_channel = per_channel

    def forward(self, images: Tensor) -> Tensor:
        """Return images of the same shape, `(N, C, H, W)`."""
        axes = (-2, -1) if self.per_channel else (-3, -2, -1)
        centered = images - images.mean(axes, keepdim=True)
        variance = centered.square().mean(axes, keepdim=True)
        # a constant image has no standard deviation, and the gradient of a root at 0 is infinite
        varies = images.amax(axes, keepdim=True) > images.amin(axes, keepdim=True)
        return torch.where(varies, centered, 0 * centered) / torch.where(varies, variance, 1.0).sqrt()

    def invert(self, inputs: Tensor) -> Tensor:
        """Return the images in [0, 1] with this z-score that reach both 0 and 1, `(N, C, H, W)`.

        A z-score is the same for all images that differ in brightness and contrast alone, so nothing else is lost.
        """
        axes = (-2, -1) if self.per_channel else (-3, -2, -1)
        low, high = inputs.amin(axes, keepdim=True), inputs.amax(axes, keepdim=True)
        return (inputs - low) / torch.where(high > low, high - low, 1.0)

    def extra_repr(self) -> str:
        """Return the setting."""
        return f"per_channel={self.per_channel}"
