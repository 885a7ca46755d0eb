"""Keeps a folder of cached files below a size."""

import os
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lightning_spx.superpixels.cache_entry import SUFFIX

STALE_SECONDS = 3600  # a temporary file this old belongs to a writer that was killed
ROOM = 0.9  # share of the allowed size that is kept when old files are removed
# names of folders: one for each segmenter's settings, and inside it one for each data set and size
FOLDERS = re.compile("[0-9a-f]{16}"), re.compile(r"[0-9a-f]{16}_\d+x\d+")
FILE = re.compile(rf"\w+\{SUFFIX}|\.[0-9a-f]{{32}}\.tmp")


class CacheSpace:
    """Counts what this process writes, and measures the whole folder when it may be too large.

    Processes that share a folder do not count each other's files between two measurements, so it may exceed the limit
    for a while.

    Args:
        root: The folder.
        max_bytes: Total size that its files may have.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     space, folder = CacheSpace(Path(root), max_bytes=100), Path(root) / "0123456789abcdef"
        ...     folder.mkdir()
        ...     for number in range(3):
        ...         _ = (folder / f"{number}.segments").write_bytes(bytes(40))
        ...         space.added(40)
        ...     len(list(folder.iterdir()))
        2
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self._bytes: int | None = None

    def added(self, num_bytes: int) -> None:
        """Count a file that was written; remove the oldest files if the folder is full."""
        if self._bytes is not None:
            self._bytes += num_bytes
        if self._bytes is None or self._bytes > self.max_bytes:
            self._bytes = self._tidy()

    def _tidy(self) -> int:
        files = []
        for path in _own_files(self.root):
            try:
                state = path.stat()
            except FileNotFoundError:
                # another process removes files too
                continue
            if path.suffix == SUFFIX:
                files.append((state.st_mtime_ns, state.st_size, path))
            elif state.st_mtime < time.time() - STALE_SECONDS:
                path.unlink(missing_ok=True)
        total = sum(size for _, size, _ in files)
        if total <= self.max_bytes:
            return total
        for _, size, path in sorted(files):
            if total <= ROOM * self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total


@cache
def space_of(root: Path, max_bytes: int) -> CacheSpace:
    """Return the counter of a folder in this process; everyone who writes there shares it.

    Args:
        root: The folder, absolute.
        max_bytes: Size that it may have.
    """
    return CacheSpace(root, max_bytes)


def _own_files(root: Path) -> Iterator[Path]:
    # skips files of others in the folder, and folders that disappear in the meantime
    for folder, below, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        below[:] = [name for name in below if depth < len(FOLDERS) and FOLDERS[depth].fullmatch(name)]
        yield from (Path(folder, name) for name in names if depth and FILE.fullmatch(name))
