"""A user's own filter, whose values are known by construction."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lightning_spx.superpixels import ImageFilter


@dataclass(frozen=True)
class Fading(ImageFilter):
    """Mixes each value with the mean of all values, the more of it the brighter the image."""

    channels: ClassVar[int | None] = None

    strength: float = 1.0

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        share = self.strength * images.mean((1, 2, 3), keepdim=True)
        return (1 - share) * attribution.float() + share * attribution.float().mean((2, 3), keepdim=True)


class NoPooling:
    """A class that pools and does not say so."""

    channels = None

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return attribution * images
