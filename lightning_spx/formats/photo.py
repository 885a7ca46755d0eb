"""Stub of the reader of pixels: today's readers of folders under the name that they will have."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.window import Percentiles, Window


def read_photo(
    path: Path, channels: int = 3, window: Window | Percentiles | None = None, frame: int | None = None
) -> NDArray[np.uint8 | np.float32]:
    """Return the image of a file, `(H, W, C)`."""
    from importlib import import_module

    pixels = import_module("lightning_spx.data.folder_images").read_pixels(path, channels).permute(1, 2, 0).numpy()
    if isinstance(window, Percentiles):
        raise TypeError("percentiles")
    if frame:
        raise ValueError(f"Expected {path} to have frame {frame}, got 1 frame.")
    if window is None:
        whole: NDArray[np.uint8] = np.ascontiguousarray(pixels)
        return whole
    low, high = window
    share: NDArray[np.float32] = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1).astype(np.float32)
    return share
