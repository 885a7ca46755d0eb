"""Reads the fields of annotations in JSON, each of its kind or refused by its name."""

import json
import math
from pathlib import Path
from typing import TypeVar

# COCO's largest file has 0.5 GB; parsed, a file takes four to eight times its size for a while
MAX_BYTES = 4 * 2**30

T = TypeVar("T")


def parsed_json(path: Path) -> object:
    """Return the content of a JSON file.

    Raises:
        ValueError: it is too large, nested too deep, or no JSON; NaN and Infinity are none.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has {path.stat().st_size} bytes, more than {MAX_BYTES}: split it.")
    try:
        content: object = json.loads(path.read_bytes(), parse_constant=_refuse)
        return content
    except RecursionError as error:
        raise ValueError("its lists are nested too deep.") from error


def _refuse(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no number.")


def field(item: object, name: str, kind: type[T]) -> T:
    """Return a field of an object of JSON.

    Raises:
        ValueError: it is missing or of another kind; true and false are no numbers.

    Example:
        >>> field({"label": 7}, "label", str)
        Traceback (most recent call last):
        ...
        ValueError: its `label` should be a str, got 7.
    """
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"an object lacks `{name}`.")
    value = item[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        said = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
        raise ValueError(f"its `{name}` should be a {kind.__name__}, got {said[:40]}.")
    return value


def whole(item: object, name: str) -> int:
    """Return a field that is a whole number, which some writers store as 640.0.

    Example:
        >>> whole({"width": 640.0}, "width")
        640
    """
    number = real(item, name)
    if number != int(number):
        raise ValueError(f"its `{name}` should be a whole number, got {number:g}.")
    return int(number)


def real(item: object, name: str) -> int | float:
    """Return a field that is a number."""
    value = item.get(name) if isinstance(item, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"its `{name}` should be a number, got {str(value)[:40]}.")
    return value
