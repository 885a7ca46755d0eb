"""Leaves out rows of a table that say nothing new: rows without a label, and repeated ones."""

import warnings
from collections.abc import Collection

import numpy as np
import pandas as pd

from lightning_spx.data.splits import Indices
from lightning_spx.data.table_file import Table
from lightning_spx.data.table_settings import TableSettings


def labelled_rows(table: Table, settings: TableSettings) -> Table:
    """Return the rows that have a label; an empty cell of one finding among several has a meaning.

    Raises:
        ValueError: there are rows without, and they are not to be skipped.
    """
    if isinstance(settings.label, list):
        return table
    empty = (table.cells[settings.label] == "").to_numpy(bool)
    if not empty.any():
        return table
    first = table.place(int(empty.argmax()))
    if settings.unlabelled == "refuse" or empty.all():
        advice = "" if empty.all() else " Set `unlabelled` to skip to leave them out."
        raise ValueError(
            f"Expected a label in every row, got {empty.sum()} of {len(empty)} without, the first in {first}.{advice}"
        )
    warnings.warn(f"Left out {empty.sum()} of {len(empty)} rows without a label, the first in {first}.", stacklevel=2)
    return table.take(np.flatnonzero(~empty))


def rows_of_images(table: Table, keys: "pd.Series[str]", own: Collection[str]) -> Indices:
    """Return the first row of each image, with a warning that counts the others.

    Args:
        table: the rows.
        keys: (n,) what identifies the image of each row.
        own: columns that the keys were made from, whose texts may differ for the same image.

    Raises:
        ValueError: rows of one image say different things.

    Example:
        >>> from pathlib import Path
        >>> table = Table(Path("t.csv"), {"label": pd.Series(["owl", "jay"])}, np.array([2, 3]))
        >>> rows_of_images(table, pd.Series(["1.png", "2.png"]), own=()).tolist()
        [0, 1]
    """
    codes, found = pd.factorize(keys)
    if len(found) == len(keys):
        return np.arange(len(keys))
    first = np.zeros(len(found), np.int64)
    # the last assignment of the reversed rows is the first row of an image
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    repeated = np.flatnonzero(first[codes] != np.arange(len(codes)))
    originals = first[codes[repeated]]
    for name, column in table.cells.items():
        cells = pd.factorize(column)[0]
        differs = np.flatnonzero(cells[repeated] != cells[originals])
        if name in own or not differs.size:
            continue
        row, original = int(repeated[differs[0]]), int(originals[differs[0]])
        raise ValueError(
            f"Expected one meaning of every image, got {found[codes[row]]} with {column[original]!r} in the column "
            f"{name!r} in {table.place(original)} and {column[row]!r} in {table.place(row)}; several findings of an "
            "image need a column each, or names joined by a `separator`."
        )
    warnings.warn(
        f"Left out {len(repeated)} of {len(keys)} rows that repeat others, the first in "
        f"{table.place(int(repeated[0]))}.",
        stacklevel=2,
    )
    return np.sort(first)
