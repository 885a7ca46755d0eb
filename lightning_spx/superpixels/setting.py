"""Checks that the numeric settings of all segmenters share."""

import math


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Refuse a setting that is below its minimum, infinite or NaN.

    Raises:
        ValueError: If the value is one of these.

    Example:
        >>> check_at_least("sigma", -0.1, minimum=0)
        Traceback (most recent call last):
        ValueError: Expected `sigma` to be finite and at least 0, got -0.1.
    """
    if not (math.isfinite(value) and value >= minimum):
        raise ValueError(f"Expected `{name}` to be finite and at least {minimum}, got {value}.")


def check_positive(name: str, value: float) -> None:
    """Refuse a setting that is zero, negative, infinite or NaN.

    Raises:
        ValueError: If the value is one of these.

    Example:
        >>> check_positive("compactness", 0)
        Traceback (most recent call last):
        ValueError: Expected `compactness` to be finite and positive, got 0.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"Expected `{name}` to be finite and positive, got {value}.")
