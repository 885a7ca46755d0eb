"""What a reader of one format returns: the numbers that the file stores, and the range that it states for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredImage:
    """One image as its file stores it, upright, in the file's own units.

    Args:
        values: (H, W, C) numbers of any real type; those of a scanner are in its units, such as Hounsfield units. NaN
            is what a file says is no part of the image, such as a scanner's padding; it is shown black.
        black: the number that the file says is black; None where it states no range.
        white: the number that the file says is white.
        shown: (H, W, C) float32 in [0, 1], what the file's own scale makes of the values where it is no straight line
            from black to white; None where it is.

    Black is greater than white where a file's scale is inverted (WhiteIsZero, MONOCHROME1).

    Example:
        >>> image = StoredImage(np.array([[[0], [4095]]], np.uint16), black=4095, white=0)
        >>> image.in_range(None).ravel().tolist()
        [1.0, 0.0]
    """

    values: NDArray[Any]
    black: float | None
    white: float | None
    shown: NDArray[np.float32] | None = None

    def in_range(self, window: tuple[float, float] | None) -> NDArray[np.float32]:
        """Return the image as float32 in [0, 1], (H, W, C), by its own range or by a window.

        Args:
            window: the numbers that become 0 and 1, low and high, others are clipped; an inverted scale stays inverted.

        Raises:
            ValueError: there is no window, and the file states no range.
        """
        if window is None and self.shown is not None:
            return self.shown
        if window is None and (self.black is None or self.white is None):
            lowest, highest = np.nanmin(self.values), np.nanmax(self.values)
            raise ValueError(f"it states no range for its numbers, {lowest:.6g} to {highest:.6g}: give `window`.")
        inverted = self.black is not None and self.white is not None and self.black > self.white
        low, high = window if window is not None else sorted((self.black or 0.0, self.white or 0.0))
        # float64, because float32 has no room for 32-bit numbers minus their offset
        share = np.clip((self.values.astype(np.float64) - low) / (high - low), 0, 1)
        return np.nan_to_num(1 - share if inverted else share).astype(np.float32)
