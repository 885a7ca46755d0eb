"""Which numbers of a file become black and white."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# low and high, or where they come from
Window = tuple[float, float]


@dataclass(frozen=True)
class Percentiles:
    """A window that is measured: the numbers below which two percentages of the values lie.

    Args:
        low: percentage that becomes black, 0 to 100.
        high: percentage that becomes white, above `low`.
        over: measured over each `file` alone, or once over all `training` images.

    Raises:
        ValueError: if a percentage is out of its range.

    Example:
        >>> Percentiles(0, 50).of(np.arange(5))
        (0.0, 2.0)
    """

    low: float = 1.0
    high: float = 99.0
    over: Literal["file", "training"] = "file"

    def __post_init__(self) -> None:
        """Check the percentages."""
        if not 0 <= self.low < self.high <= 100:
            raise ValueError(f"Expected 0 <= `low` < `high` <= 100 percent, got {self.low} and {self.high}.")
        if self.over not in ("file", "training"):
            raise ValueError(f"Expected `over` to be 'file' or 'training', got {self.over!r}.")

    def of(self, values: NDArray[Any]) -> Window:
        """Return the window of some numbers, of any shape; NaN is left out.

        Raises:
            ValueError: the two numbers are the same, as for a constant image.
        """
        low, high = (float(number) for number in np.nanpercentile(values, (self.low, self.high)))
        if not low < high:
            raise ValueError(f"its percentiles {self.low:g} and {self.high:g} are the same, {low:.6g}.")
        return low, high


def checked_window(window: Window | Percentiles | None) -> Window | Percentiles | None:
    """Return a window with both numbers as floats; percentiles and None stay what they are.

    Raises:
        ValueError: low is not below high, or one is not finite.
        TypeError: it is something else.

    Example:
        >>> checked_window((0, 4095))
        (0.0, 4095.0)
    """
    if window is None or isinstance(window, Percentiles):
        return window
    if not isinstance(window, (tuple, list)) or len(window) != 2:
        raise TypeError(f"Expected `window` to be two numbers or percentiles, got {window!r}.")
    low, high = float(window[0]), float(window[1])
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"Expected `window` to be two finite numbers, low below high, got {low:g} and {high:g}.")
    return low, high
