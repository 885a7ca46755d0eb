"""Turns images as the orientation tag of TIFF and EXIF says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TAG = 0x0112


def upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an image as viewers show it (TIFF 6.0, page 36).

    Args:
        stored: (H, W, ...) as its file stores it.
        orientation: 1 to 8; other numbers mean nothing and turn nothing.

    Example:
        >>> upright(np.array([[1, 2, 3]]), 8).tolist()
        [[3], [2], [1]]
    """
    match orientation:
        case 2:
            return stored[:, ::-1]
        case 3:
            return stored[::-1, ::-1]
        case 4:
            return stored[::-1]
        case 5:
            return stored.swapaxes(0, 1)
        case 6:
            return np.rot90(stored, -1)
        case 7:
            return stored[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(stored)
    return stored
