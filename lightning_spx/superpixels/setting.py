"""Checks that the numeric settings of all segmenters share."""

import math
from numbers import Real


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Refuse a setting that is no number, below its minimum, infinite or NaN.

    Raises:
        TypeError: If the value is no number.
        ValueError: If the value is one of the others.

    Example:
        >>> check_at_least("sigma", -0.1, minimum=0)
        Traceback (most recent call last):
        ValueError: Expected `sigma` to be finite and at least 0, got -0.1.
    """
    _check_number(name, value)
    if not (_is_finite(value) and value >= minimum):
        raise ValueError(f"Expected `{name}` to be finite and at least {minimum}, got {value}.")


def check_positive(name: str, value: float) -> None:
    """Refuse a setting that is no number, zero, negative, infinite or NaN.

    Raises:
        TypeError: If the value is no number.
        ValueError: If the value is one of the others.

    Example:
        >>> check_positive("compactness", 0)
        Traceback (most recent call last):
        ValueError: Expected `compactness` to be finite and positive, got 0.
    """
    _check_number(name, value)
    if not (_is_finite(value) and value > 0):
        raise ValueError(f"Expected `{name}` to be finite and positive, got {value}.")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        # a whole number that no float holds
        return False


def _check_number(name: str, value: object) -> None:
    # True counts as one in Python, and is nobody's number of anything
    if isinstance(value, bool):
        raise TypeError(f"Expected `{name}` to be a number, got {value}.")
    if not isinstance(value, Real):
        got = repr(value) if isinstance(value, str) else type(value).__name__
        # a slip of those who know functions: Slic(images)
        advice = ": give images to the object, such as Slic()(images)" if hasattr(value, "shape") else ""
        raise TypeError(f"Expected `{name}` to be a number, got {got}{advice}.")
