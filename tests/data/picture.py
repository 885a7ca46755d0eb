"""Pixels of a picture, drawn from a seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def picture(seed: int, shape: Sequence[int] = (16, 16, 3)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
