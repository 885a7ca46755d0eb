"""Finds the whole numbers of a label map that was stored with a scale, or says that there are none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# float32 numbers of the header are off by up to this share
PRECISION = 2.0**-23


def whole_numbers(stored: NDArray[Any], slope: float, inter: float) -> NDArray[np.int64]:
    """Return labels of which a file has integers or floats, a slope and an intercept.

    nibabel stores a float array under an integer header with the finest scale that fits, and reads it back within half
    a step of it: 3 comes back as 2.99998, and becomes 2 as an integer. Here it is rounded, if every value is as near to
    a whole number as that.

    Args:
        stored: numbers of the file, of any shape.
        slope: what they are multiplied by.
        inter: what is added then.

    Raises:
        ValueError: a value is not whole, or the storage has too few bits to tell it from the next.

    Example:
        >>> whole_numbers(np.array([0, 21845, 32767], np.int16), 3 / 32767, 0.0)
        array([0, 2, 3])
    """
    if stored.dtype.kind == "f":
        return _of_floats(stored.astype(np.float64) * slope + inter, 2 ** (np.finfo(stored.dtype).nmant + 1))
    if (slope, inter) == (1, 0):
        if stored.size and int(stored.max()) > np.iinfo(np.int64).max:
            raise ValueError(f"its largest label is {stored.max()}, above what 64 bits with a sign can hold.")
        return stored.astype(np.int64)
    values = stored.astype(np.float64) * slope + inter
    whole = np.rint(values)
    largest = float(np.abs(values).max(initial=0))
    # whole steps hit whole numbers, while the header's numbers have 24 bits
    step = 0.0 if slope.is_integer() and inter.is_integer() else abs(slope) / 2
    tolerance = step + (largest * PRECISION if step else 0)
    if tolerance >= 0.25 or largest > 2**53:
        raise ValueError(
            f"its labels of up to {largest:.6g} are stored in steps of {slope:.6g}: save them as integers."
        )
    distance = np.abs(values - whole)
    if (distance > tolerance).any():
        raise ValueError(f"it holds {values.flat[distance.argmax()]:.6g}, and labels are whole numbers.")
    return whole.astype(np.int64)


def _of_floats(values: NDArray[np.float64], exact: int) -> NDArray[np.int64]:
    # NaN is no whole number either
    strange = values != np.rint(values)
    if strange.any() or not np.isfinite(values).all():
        odd = values[strange | ~np.isfinite(values)]
        raise ValueError(f"it holds {odd[0]:.6g}, and labels are whole numbers.")
    if np.abs(values).max(initial=0) > exact:
        raise ValueError(f"its labels are float numbers above {exact}, where whole ones are left out: save integers.")
    return values.astype(np.int64)
