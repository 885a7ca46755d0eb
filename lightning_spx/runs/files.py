"""Writes the files of a run whole or not at all: a reader sees the old file or the new one."""

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

# the disk is full, the user's quota is used up, or the file system allows no larger file
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def named_when_full(path: Path) -> Iterator[None]:
    """Add the name of a file or folder to the error of a full disk, if the library that writes there left it out."""
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
        OSError: the file could not be written, on a full disk for instance; the error names `path`, which is
            unchanged, and the temporary file is removed.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_atomic(target, lambda path: path.write_text("whole"))
        >>> target.read_text()
        'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last, because writers such as matplotlib choose the format by it. The middle is random, because
    # processes on two machines or in two containers may have the same number.
    temporary = path.with_name(f".{path.stem}.{token_hex(4)}.part{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # the writer's error names the temporary file, or no file at all
        reason = str(error) if error.errno is None else os.strerror(error.errno)
        raise OSError(error.errno, reason, str(path)) from error
    except RuntimeError as error:
        # `torch.save` reports a full disk as this RuntimeError
        if "inline_container" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the rows of a table as comma-separated values, whole or not at all."""
    write_atomic(path, lambda temporary: table.to_csv(temporary, index=False))


def write_arrays(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Write arrays to a compressed `.npz` file, whole or not at all.

    Args:
        path: the file.
        arrays: by their names in the file; a slash in a name is fine.
    """
    named: dict[str, Any] = dict(arrays)
    write_atomic(path, lambda temporary: np.savez_compressed(temporary, **named))


def file_name(name: str) -> str:
    """Turn a name into a file name that every system allows; a changed name gets a hash, so that names stay different.

    Example:
        >>> file_name("Slic(n_segments=50)"), file_name("a/b")
        ('Slic(n_segments=50)', 'a_b-c14cddc0')
    """
    plain = re.sub(r"[^A-Za-z0-9_.=,()-]", "_", name)[:120]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
