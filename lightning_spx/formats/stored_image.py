"""What a reader of one format returns: the numbers that the file stores, and the range that it states for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# numbers of 16 bits
MANY = 2**16 - 1


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
            ValueError: there is no window, and the file states no range; or it is that of 16 bits or more, of which the
                image uses at most a quarter.
        """
        if window is None and self.shown is not None:
            return self.shown
        if window is None:
            self._check_range()
        inverted = self.black is not None and self.white is not None and self.black > self.white
        low, high = window if window is not None else sorted((self.black or 0.0, self.white or 0.0))
        # float64, because float32 has no room for 32-bit numbers minus their offset
        share = np.clip((self.values.astype(np.float64) - low) / (high - low), 0, 1)
        return np.nan_to_num(1 - share if inverted else share).astype(np.float32)

    def _check_range(self) -> None:
        known = self.values[~np.isnan(self.values)] if self.values.dtype.kind == "f" else self.values
        lowest, highest = (known.min(), known.max()) if known.size else (0, 0)
        said = f"{lowest:.6g} to {highest:.6g}"
        if self.black is None or self.white is None:
            raise ValueError(f"it states no range for its numbers, {said}: give `window`.")
        if self.barely_used:
            raise ValueError(
                f"it holds numbers from {said}, at most a quarter of the range of their type, as unscaled ones of "
                "fewer bits do: give `window`."
            )


def is_barely_used(values: NDArray[Any], lowest: float, highest: float) -> bool:
    """Return whether integers use at most a quarter of the range of their type, 16 bits or more, and not zero alone.

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
    least, most = int(values.min()), int(values.max())
    # the black of unsigned numbers is zero, and that of others unknown
    begin = least if lowest < 0 else 0
    return (least, most) != (0, 0) and most - begin <= (highest - lowest + 1) / 4
