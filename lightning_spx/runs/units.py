"""Which part of a study's work one of several independent starts does: the jobs of an array, or a cluster's tasks."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def share_of(items: Sequence[T], unit: str | None, *others: str) -> list[T]:
    """Return the items of share i of n, as in "2/16".

    Args:
        items: the work.
        unit: the share; None is all of them.
        others: further words that the setting may have, for the error.

    Raises:
        ValueError: it is no such share.

    Example:
        >>> share_of(["a", "b", "c"], "1/2"), share_of(["a", "b", "c"], "2/2"), share_of(["a"], None)
        (['a', 'c'], ['b'], ['a'])
    """
    if unit is None:
        return list(items)
    number, slash, total = unit.partition("/")
    if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        words = "".join(f", or {other!r}" for other in others)
        raise ValueError(f"Expected `unit` to be a share such as '2/16'{words}, got {unit!r}.")
    return list(items)[int(number) - 1 :: int(total)]
