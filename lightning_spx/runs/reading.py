"""Reads the files of a run, or refuses a damaged one with a `ValueError` that names it."""

import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from numpy.typing import NDArray

PNG_STARTS, PNG_ENDS = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# what NumPy, pyarrow and zipfile raise on damaged files, found by feeding them such files
UNREADABLE = (
    *(EOFError, OSError, RuntimeError, ValueError, ArithmeticError, MemoryError, LookupError, TypeError),
    *(AttributeError, AssertionError, struct.error, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error),
    pa.ArrowException,
)


def one_line(error: Exception) -> str:
    """Return what an error says in one short line.

    Example:
        >>> one_line(ValueError(f"two{chr(10)}lines")), one_line(EOFError())
        ('two lines', 'EOFError')
    """
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def refusing_damage(path: Path, what: str) -> Iterator[None]:
    """Turn what a library raises on a damaged file into a ValueError that names the file.

    An error of the disk itself, such as a missing file, stays as it is.

    Args:
        path: the file that is read inside.
        what: should be in it, for the error.
    """
    try:
        yield
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"Expected {what} in {path}, got a damaged file: {one_line(error)}.") from error


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of a run, a parquet file or one of comma-separated values.

    Args:
        path: the file.
        columns: the table must have these.

    Raises:
        ValueError: the file is damaged or lacks a column; the error names both.
    """
    with refusing_damage(path, "a table of a run"):
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={"what": str})
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
        ValueError: the file is damaged; the error names it.
    """
    with refusing_damage(path, "an array of a run"):
        found: NDArray[np.generic] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise ValueError(f"Expected an array of a run in {path}, got a damaged file: several arrays.")
    return found


def read_picture(path: Path) -> bytes:
    """Read a PNG file of a run.

    Raises:
        ValueError: the file is not a whole PNG file; the error names it.
    """
    content = path.read_bytes()
    if not content.startswith(PNG_STARTS) or PNG_ENDS not in content[-64:]:
        raise ValueError(f"Expected a PNG picture in {path}, got a damaged file: draw it again by the same command.")
    return content


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run; a file that holds no object raises a ValueError that names it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected a run's record in {path}, got a damaged file: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected a run's record in {path}, got {type(content).__name__}.")
    return content


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's configuration; a file that holds none raises a ValueError that names it."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    # the parser raises the last two for a date that does not exist and for lists nested too deeply
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"Expected a run's configuration in {path}, got a file that is not YAML.") from error
    if not isinstance(config, dict):
        raise ValueError(f"Expected a run's configuration in {path}, got {type(config).__name__}.")
    return config
