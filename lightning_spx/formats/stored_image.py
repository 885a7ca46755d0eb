"""What a reader of one format returns: the numbers that the file stores, and the range that it states for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# numbers of 16 bits
MANY = 2**16 - 1
# so many pixels of an image of fewer bits may be higher: hot pixels, and markers burned in
ODD_SHARE = 0.01


class UnstatedRangeError(ValueError):
    """A good file does not say what is black and white: the user has to, so it is never left out as a damaged one."""


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
        barely_used: whether black and white are the ends of a type's range of which the image uses little, see
            `is_barely_used`.

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
    barely_used: bool = False

    def in_range(self, window: tuple[float, float] | None) -> NDArray[np.float32]:
        """Return the image as float32 in [0, 1], (H, W, C), by its own range or by a window.

        Args:
            window: the numbers that become 0 and 1, low and high, others are clipped; an inverted scale stays inverted.

        Raises:
            UnstatedRangeError: there is no window, and the file states no range; or it is that of 16 bits or more, of
                which nearly all lie in a quarter.
            ValueError: a number is infinite.
        """
        if window is None and self.shown is not None:
            return self.shown
        if window is None:
            self._check_range()
        inverted = self.black is not None and self.white is not None and self.black > self.white
        low, high = window if window is not None else sorted((self.black or 0.0, self.white or 0.0))
        # float64, because float32 has no room for 32-bit numbers minus their offset; in place, because photos are large
        share = self.values.astype(np.float64)
        if self.values.dtype.kind == "f" and np.isinf(share).any():
            raise ValueError("it holds infinite numbers.")
        share -= low
        share /= high - low
        np.clip(share, 0, 1, out=share)
        if inverted:
            np.subtract(1, share, out=share)
        return np.nan_to_num(share, copy=False).astype(np.float32)

    def _check_range(self) -> None:
        known = self.values[~np.isnan(self.values)] if self.values.dtype.kind == "f" else self.values
        lowest, highest = (known.min(), known.max()) if known.size else (0, 0)
        said = f"{lowest:.6g} to {highest:.6g}"
        if self.black is None or self.white is None:
            raise UnstatedRangeError(f"it states no range for its numbers, {said}: give `window`.")
        if self.barely_used:
            raise UnstatedRangeError(
                f"it holds numbers from {said}, nearly all in a quarter of the range of their type, as unscaled ones "
                "of fewer bits do: give `window`."
            )


def is_barely_used(values: NDArray[Any], lowest: float, highest: float) -> bool:
    """Return whether 99 of 100 integers lie in a quarter of the range of their type, 16 bits or more, and are not zero.

    Unscaled numbers of fewer bits look like that and would be far too dark. They cannot be told from a photo taken at
    night.

    Args:
        values: of any shape.
        lowest: the lowest number of the type.
        highest: the highest number of the type.

    Example:
        >>> is_barely_used(np.array([0, 4095]), 0, 65535), is_barely_used(np.array([0, 40950]), 0, 65535)
        (True, False)
    """
    if highest - lowest < MANY or not values.size:
        return False
    quarter = (highest - lowest + 1) / 4
    least, most = int(values.min()), int(values.max())
    # the black of unsigned numbers is zero, and that of others unknown
    if lowest < 0:
        least, most = (int(np.percentile(values, each)) for each in (100 * ODD_SHARE, 100 * (1 - ODD_SHARE)))
        return (least, most) != (0, 0) and most - least <= quarter
    return most > 0 and bool(np.count_nonzero(values > quarter) <= ODD_SHARE * values.size)
