"""Notices two names that look different and mean the same, and cells that other programs write for nothing."""

import re
import unicodedata
from collections.abc import Iterable

WHOLE = re.compile(r"[-+]?[0-9]+(\.0*)?")
# what spreadsheets and statistics programs write into an empty cell
NOTHING = frozenset({"nan", "na", "n/a", "none", "null", "<na>", "?"})


def spelling(text: str) -> str:
    """Return the same text for all ways to write a name: upper and lower case, composed letters, 1, 1.0 and 001.

    Example:
        >>> spelling("P1") == spelling("p1"), spelling("001") == spelling("1.0"), spelling("a1") == spelling("a01")
        (True, True, False)
    """
    if WHOLE.fullmatch(text):
        return str(int(text.partition(".")[0]))
    return unicodedata.normalize("NFC", text).casefold()


def check_spellings(names: Iterable[str], kind: str) -> None:
    """Refuse names that are written differently and mean the same.

    Args:
        names: different names.
        kind: what they name, for the error.

    Raises:
        ValueError: two of them have one spelling.

    Example:
        >>> check_spellings(["p1", "P1"], "group")
        Traceback (most recent call last):
        ...
        ValueError: Expected every group to be written in one way, got 'p1' and 'P1'.
    """
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(spelling(name), name)
        if other != name:
            raise ValueError(f"Expected every {kind} to be written in one way, got {other!a} and {name!a}.")
