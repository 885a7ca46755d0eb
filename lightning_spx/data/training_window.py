"""Stub of the window of all training images, until that of the branch of pixels replaces it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_spx.formats.photo import read_photo
from lightning_spx.formats.window import Percentiles, Window


def training_window(paths: Sequence[Path], percentiles: Percentiles, channels: int = 3) -> Window:
    """Return the numbers below which two percentages of the values of training images lie."""
    return percentiles.of(np.concatenate([read_photo(path, channels).ravel() for path in paths]))
