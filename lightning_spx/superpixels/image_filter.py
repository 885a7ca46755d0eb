"""Defines filters that an image guides: poolings that are no partitions."""

import torch
from torch import Tensor

from lightning_spx.superpixels.image_pooling import ImagePooling

# independent signs whose pooled squares are averaged where no sum of squared weights is known
NUM_PROBES = 64


class ImageFilter(ImagePooling):
    """A linear filter of attributions that an image guides."""

    def pooled_variance(self, variance: Tensor, images: Tensor) -> Tensor:
        """Estimate the variance of pooled noise from 64 draws of random signs, the same in every call.

        Args:
            variance: `(N, C, H, W)` floating point, not negative.
            images: `(N, G, H, W)` in [0, 1].

        Returns:
            `(N, C, H, W)` float32.
        """
        count, channels, height, width = variance.shape
        draw = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, (NUM_PROBES, 1, height, width), generator=draw).to(variance) * 2 - 1
        noise = (variance.sqrt()[:, None] * signs).flatten(1, 2)
        pooled = self.pool(noise, images).view(count, NUM_PROBES, channels, height, width)
        return pooled.square().mean(1)
