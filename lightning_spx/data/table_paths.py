"""Turns the names of files in a table into paths below one folder, and finds those that are missing."""

import os
import posixpath
import re
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
DRIVE = re.compile(r"[A-Za-z]:/")
# a chunk of questions to the file system; on a network drive each of them waits
CHUNK = 500
SAMPLE = 256


def inside_root(names: Sequence[str], root: Path, setting: str, place: Callable[[int], str]) -> list[str]:
    r"""Return names of files relative to a folder, with slashes.

    Backslashes separate folders as in Windows. A leading `~` is the home folder. An absolute path is accepted inside
    the folder. Links are not followed to find out where a file is.

    Args:
        names: (n,) names, relative to the folder or absolute; an empty one stays empty.
        root: the folder, absolute.
        setting: the setting that names the column, for messages.
        place: says where a row is, for messages.

    Raises:
        ValueError: a name is an address in a network, or leads out of the folder.

    Example:
        >>> inside_root(["a\\1.png", "./a//1.png", "/data/a/1.png", ""], Path("/data"), "path", str)
        ['a/1.png', 'a/1.png', 'a/1.png', '']
    """
    folder = root.as_posix().rstrip("/") + "/"
    return [_relative(name, folder, setting, row, place) if name else "" for row, name in enumerate(names)]


def _relative(name: str, folder: str, setting: str, row: int, place: Callable[[int], str]) -> str:
    if URL.match(name):
        raise ValueError(f"Expected `{setting}` to name files, got {name} in {place(row)}: download them first.")
    plain = name.replace("\\", "/")
    if plain.startswith("~"):
        plain = os.path.expanduser(plain)
    plain = posixpath.normpath(plain)
    if plain.startswith(folder):
        plain = plain[len(folder) :]
    if plain == ".." or plain.startswith(("../", "/")) or DRIVE.match(plain):
        above = posixpath.dirname(posixpath.normpath(posixpath.join(folder, plain)))
        raise ValueError(
            f"Expected `{setting}` to name files in {folder}, got {name} in {place(row)}: set `root` to a folder that "
            f"holds all of them{'' if DRIVE.match(plain) else f', such as {above}'}."
        )
    return plain


def file_sizes(root: Path, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the size in bytes of each file, -1 where there is none.

    Example:
        >>> file_sizes(Path("/"), ["no/such/file.png"]).tolist()
        [-1]
    """
    folder = str(root)

    def sizes(some: Sequence[str]) -> list[int]:
        return [_size(os.path.join(folder, name)) for name in some]

    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    if len(chunks) < 2:
        return np.array(sizes(names), np.int64)
    with ThreadPoolExecutor() as pool:
        return np.array([size for some in pool.map(sizes, chunks) for size in some], np.int64)


def _size(path: str) -> int:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a ValueError for a name with a zero byte
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def file_samples(root: Path, names: Sequence[str]) -> list[bytes]:
    """Return bytes from the middle and the end of each file, empty where it cannot be read.

    Example:
        >>> file_samples(Path("/"), ["no/such/file.png"])
        [b'']
    """
    folder = str(root)
    return [_sample(os.path.join(folder, name)) for name in names]


def _sample(path: str) -> bytes:
    try:
        # without Python's file objects, which take twice the time for a hundred thousand files
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        size = os.fstat(file).st_size
        return b"".join(
            os.read(file, SAMPLE) for place in (size // 2, size - SAMPLE) if os.lseek(file, max(0, place), 0) >= 0
        )
    except OSError:
        return b""
    finally:
        os.close(file)


def similar_file(path: Path) -> str:
    """Return advice about a missing file for which there is one with an ending, or written in other case.

    Example:
        >>> similar_file(Path("no/such/file.png"))
        ' There is no folder no/such: set `root`.'
    """
    if not path.parent.is_dir():
        return f" There is no folder {path.parent}: set `root`."
    there = sorted(os.listdir(path.parent))
    longer = next((name for name in there if name.startswith(f"{path.name}.")), "")
    if longer:
        return f" There is {longer}: set `suffix` to {longer[len(path.name) :]!r}."
    other = next((name for name in there if name.casefold() == path.name.casefold()), "")
    return f" There is {other}." if other else ""
