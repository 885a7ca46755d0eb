"""The files of a run folder, read: what they hold, or one line that names a damaged one."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lightning_spx.evaluation.statistics.results import KEYS, LATER, VALUES
from lightning_spx.models.safe_file import DAMAGED

# values that are words
WORDS = ("interval", "best_control")
PNG_STARTS, PNG_ENDS = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
UNREADABLE = (*DAMAGED, zipfile.BadZipFile, zlib.error)


def one_line(error: Exception) -> str:
    """Return what an error says, in a line.

    Example:
        >>> one_line(ValueError(f"two{chr(10)}lines")), one_line(EOFError())
        ('two lines', 'EOFError')
    """
    return " ".join(str(error).split())[:200] or type(error).__name__


def read_results(path: Path) -> pd.DataFrame:
    """Read `results.csv`: words as they are, numbers as numbers.

    Returns:
        One row at least, with the columns `KEYS` and `VALUES`; those of `LATER` are NaN where the file lacks them.

    Raises:
        ValueError: the file is damaged, or edited into something else; names it and the column.
    """
    numbers = [name for name in VALUES if name not in WORDS]
    try:
        # a name may be a word that pandas takes for a missing value
        table = pd.read_csv(
            path, dtype=dict.fromkeys(KEYS, str), keep_default_na=False, na_values={key: ["", "nan"] for key in VALUES}
        )
    except (ValueError, OverflowError) as error:
        raise ValueError(f"Expected {path} to hold a study's results, got damaged ones: {one_line(error)}.") from error
    missing = [name for name in (*KEYS, *VALUES) if name not in table and name not in LATER]
    # rows of more fields than there are names: pandas would take the first for names of rows
    if missing or not isinstance(table.index, pd.RangeIndex):
        what = f"no column {', '.join(missing)}" if missing else "rows with more fields than there are columns"
        raise ValueError(f"Expected {path} to hold a study's results, got damaged ones: {what}.")
    if table.empty or table["num_images"].isna().any():
        raise ValueError(f"Expected {path} to hold a study's results, got no rows, or one that is cut off.")
    table = table.reindex(columns=[*table.columns, *(name for name in LATER if name not in table)])
    for name in numbers:
        given = table[name].dropna().astype(str)
        wrong = given[pd.to_numeric(given, errors="coerce").isna()]
        if len(wrong):
            raise ValueError(f"Expected {path} to have numbers in the column {name}, got {wrong.iloc[0]!r}.")
    return table


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a parquet file, or one of comma-separated values, of a run.

    Args:
        path: the file.
        columns: that it must have.

    Raises:
        ValueError: the file is damaged, or has no such columns; names it.
    """
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={"what": str})
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"Expected a table of a run in {path}, got a damaged file: {one_line(error)}.") from error
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"Expected {path} to have the columns {', '.join(columns)}, got none named {missing[0]}.")
    return table


def read_array(path: Path, *, mapped: bool = False) -> NDArray[np.generic]:
    """Read a `.npy` file of a run.

    Args:
        path: the file.
        mapped: leave the numbers on disk until they are used.

    Raises:
        ValueError: the file is damaged; names it.
    """
    try:
        found: NDArray[np.generic] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"Expected an array of a run in {path}, got a damaged file: {one_line(error)}.") from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"Expected an array of a run in {path}, got a damaged file: several arrays.")
    return found


def read_picture(path: Path) -> bytes:
    """Read a PNG file of a run.

    Raises:
        ValueError: the file is no whole PNG file; names it.
    """
    content = path.read_bytes()
    if not content.startswith(PNG_STARTS) or PNG_ENDS not in content[-64:]:
        raise ValueError(f"Expected a PNG picture in {path}, got a damaged file: draw it again by the same command.")
    return content
