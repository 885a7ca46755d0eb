"""Which numbers are black and white, where a format says it by the type of its numbers alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.stored_image import StoredImage, is_barely_used


def in_stated_range(values: NDArray[Any], bits: int | None = None, inverted: bool = False) -> StoredImage:
    """Return an image with the range of its type: all of an unsigned type, or floats that lie inside [0, 1].

    Signed numbers, and floats outside [0, 1], have none.

    Args:
        values: (H, W, C).
        bits: number of bits that the file states, where it is not that of the type.
        inverted: whether 0 is white.

    Raises:
        ValueError: a number has more bits than the file states, a float is not a number or infinite, or the scale is
            inverted and has no range.

    Example:
        >>> in_stated_range(np.zeros((1, 1, 1), np.uint16), bits=12).white
        4095.0
    """
    white: float | None = None
    if values.dtype == np.bool_:
        white = 1.0
    elif values.dtype.kind == "u":
        white = 2.0 ** (bits or 8 * values.dtype.itemsize) - 1
        if bits and values.size and values.max() > white:
            raise ValueError(f"it says that it holds numbers of {bits} bits, and holds {values.max()}.")
    elif values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueError("it holds numbers that are NaN or infinite.")
        white = 1.0 if values.size and values.min() >= 0 and values.max() <= 1 else None
    elif values.dtype.kind != "i":
        raise ValueError(f"it holds {values.dtype}, which are no real numbers.")
    if inverted and white is None:
        raise ValueError(f"its scale is inverted, and {values.dtype} has no range in which that could be undone.")
    black = None if white is None else 0.0
    ends = (white, black) if inverted else (black, white)
    return StoredImage(values, *ends, barely_used=values.dtype.kind == "u" and is_barely_used(values, 0, white or 0))
