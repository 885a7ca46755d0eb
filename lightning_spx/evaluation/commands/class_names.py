"""Reads the names of classes, and finds the class that a user asks for."""

import csv
from collections.abc import Sequence
from pathlib import Path


def read_classes(path: Path) -> list[str]:
    """Read class names from a text file with one per line, or a CSV file with the columns `index` and `name`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a CSV file lacks these columns, or has gaps in its indices.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected `classes` to be a text file or a CSV file, found none at {path}.")
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() != ".csv":
        return [line.strip() for line in text.splitlines() if line.strip()]
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or not {"index", "name"} <= rows[0].keys():
        raise ValueError(
            f"Expected {path} to have the columns `index` and `name`, got {list(rows[0]) if rows else []}."
        )
    names = {int(row["index"]): row["name"] for row in rows}
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"Expected {path} to have indices 0 to {len(names) - 1} without gaps, got others.")
    return [names[index] for index in range(len(names))]


def class_index(target: str, classes: Sequence[str], num_classes: int) -> int:
    """Return the index of a class that is given by its index or its name.

    Raises:
        ValueError: there is no such class.

    Example:
        >>> class_index("owl", ["jay", "owl"], 2), class_index("1", [], 2)
        (1, 1)
    """
    if target in classes:
        return list(classes).index(target)
    if target.isdecimal() and int(target) < num_classes:
        return int(target)
    known = f"0 to {num_classes - 1}" + (f" or one of {', '.join(list(classes)[:5])} ..." if classes else "")
    raise ValueError(f"Expected `target` to be a class, {known}, got {target!r}.")
