"""Holds the photos of a set in memory, as bytes as long as these suffice, while they fit."""

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.photo import PHOTO_CHANNELS

IN_MEMORY_BYTES = 2**30


class HeldPixels:
    """The photos of a set, held as 8 bits until one has more, then as float32; given up when they exceed 1 GiB.

    Args:
        num_images: number n of the photos.
        image_size: side S of the photos in pixels.
        channels: number C of channels. Other images than photos stay on disk, because arrays may be large.

    Attributes:
        pixels: `(n, S, S, C)` uint8, or float32 in [0, 1]; None if they are not held.

    Example:
        >>> held = HeldPixels(2, 1, channels=1)
        >>> held.put(0, np.array([[[255]]], np.uint8))
        >>> held.put(1, np.array([[[0.5]]], np.float32))
        >>> held.pixels.ravel().tolist()
        [1.0, 0.5]
    """

    def __init__(self, num_images: int, image_size: int, channels: int) -> None:
        self._shape = (num_images, image_size, image_size, channels)
        self.pixels: NDArray[np.uint8 | np.float32] | None = None
        if channels in PHOTO_CHANNELS and self._fits(1):
            self.pixels = np.empty(self._shape, np.uint8)

    def hold_floats(self) -> None:
        """Hold float32 from now on, or nothing if they do not fit."""
        if self.pixels is None or self.pixels.dtype == np.float32:
            return
        self.pixels = self.pixels.astype(np.float32) / np.float32(255) if self._fits(4) else None

    def put(self, position: int, pixels: NDArray[np.uint8 | np.float32]) -> None:
        """Hold a photo `(S, S, C)`, uint8 or float32 in [0, 1], at its position, if photos are held."""
        if pixels.dtype == np.float32:
            self.hold_floats()
        if self.pixels is None:
            return
        is_deeper = self.pixels.dtype == np.float32 and pixels.dtype == np.uint8
        self.pixels[position] = pixels.astype(np.float32) / np.float32(255) if is_deeper else pixels

    def _fits(self, size: int) -> bool:
        return int(np.prod(self._shape, dtype=np.int64)) * size <= IN_MEMORY_BYTES
