"""Defines what pools attributions as an image says: over its segments, or by a filter that it guides."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor


class ImagePooling(ABC):
    """Replaces each value of an attribution by a weighted mean of values, with weights that an image decides.

    Row p of the weights holds what each pixel q gives to pixel p. The weights of a row sum to one, and an image alone
    decides them: not the attribution, and no other image of the batch. A `Segmenter` gives equal weights within a
    segment, an `ImageFilter` any weights.

    Attributes:
        channels: Number of channels that an image must have; None takes any number.

    Example:
        >>> from lightning_spx.superpixels import Grid, GuidedFilter, JointBilateral, Slic
        >>> all(isinstance(each, ImagePooling) for each in (Slic(), Grid(), JointBilateral(), GuidedFilter()))
        True
    """

    channels: ClassVar[int | None] = 3

    @abstractmethod
    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        """Return the weighted means.

        Args:
            attribution: `(N, C, H, W)` floating point, signed or not, with any number of channels.
            images: `(N, G, H, W)` in [0, 1]; `G` is `channels`.

        Returns:
            `(N, C, H, W)` float32.
        """

    @abstractmethod
    def pooled_variance(self, variance: Tensor, images: Tensor) -> Tensor:
        """Return the variance of pooled noise, which has the squares of the weights.

        Args:
            variance: `(N, C, H, W)` floating point, not negative: of independent values, pixel by pixel.
            images: `(N, G, H, W)` in [0, 1].

        Returns:
            `(N, C, H, W)` float32.
        """

    def effective_segments(self, images: Tensor) -> Tensor:
        """Count segments, also where there are none: the sum of all squared weights.

        Over `S` segments of equal weights it is `S`; a Gaussian with standard deviation `s` has
        `H * W / (4 * pi * s ** 2)`, far from the border.

        Args:
            images: `(N, G, H, W)` in [0, 1].

        Returns:
            `(N,)` float64, on the images' device.
        """
        ones = torch.ones_like(images[:, :1])
        return self.pooled_variance(ones, images).double().sum((1, 2, 3))
