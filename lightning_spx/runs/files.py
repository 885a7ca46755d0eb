"""The files of a run folder: written whole or not at all; read, or one line that names a damaged one."""

import errno
import hashlib
import json
import os
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PNG_STARTS, PNG_ENDS = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# what NumPy and zipfile raise on damaged files; found by feeding them such files
UNREADABLE = (
    *(EOFError, OSError, RuntimeError, ValueError, ArithmeticError, MemoryError, LookupError, TypeError),
    *(AttributeError, AssertionError, struct.error, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error),
)
# no room left, for this user, or in a single file
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def one_line(error: Exception) -> str:
    """Return what an error says, in a line.

    Example:
        >>> one_line(ValueError(f"two{chr(10)}lines")), one_line(EOFError())
        ('two lines', 'EOFError')
    """
    return " ".join(str(error).split())[:200] or type(error).__name__


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a file of comma-separated values of a run.

    Args:
        path: the file.
        columns: that it must have.

    Raises:
        ValueError: the file is damaged, or has no such columns; names it.
    """
    try:
        table = pd.read_csv(path, dtype={"what": str})
    except (ValueError, OSError) as error:
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


@contextmanager
def named_when_full(path: Path) -> Iterator[None]:
    """Name a file or folder in the error of a full disk, where whoever writes there has not."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it, so that a reader sees the old file or the new one.

    Args:
        path: the file to make; its folder is made where it is missing.
        write: writes the contents to the path that it is given.

    Raises:
        OSError: the file could not be written (a full disk, say): names it, and the temporary file is gone and `path`
            as it was.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_atomic(target, lambda path: path.write_text("whole"))
        >>> target.read_text()
        'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays last: writers such as matplotlib choose the format by it
    # processes on two machines, or in two containers, may have the same number
    temporary = path.with_name(f".{path.stem}.{token_hex(4)}.part{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # writers name the temporary file, or none
        reason = str(error) if error.errno is None else os.strerror(error.errno)
        raise OSError(error.errno, reason, str(path)) from error
    except RuntimeError as error:
        # what `torch.save` says where the disk is full, whatever the disk has said
        if "inline_container" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def file_name(name: str) -> str:
    """Make a name fit for a file on any system; an unusual name keeps its difference from others by a hash.

    Example:
        >>> file_name("Slic(n_segments=50)"), file_name("a/b")
        ('Slic(n_segments=50)', 'a_b-c14cddc0')
    """
    plain = re.sub(r"[^A-Za-z0-9_.=,()-]", "_", name)[:120]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run; one that holds no object raises a ValueError that names it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected a run's record in {path}, got a damaged file: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected a run's record in {path}, got {type(content).__name__}.")
    return content
