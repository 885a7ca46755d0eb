"""Keeps a folder of cached files below a size."""

import time
from pathlib import Path

STALE_SECONDS = 3600  # a temporary file this old belongs to a writer that was killed
ROOM = 0.9  # what is left of the allowed size after old files were removed


class CacheSpace:
    """Counts what this process writes, and looks at the whole folder when it may be too large.

    Processes that share a folder do not count each other's files between two looks, so it may be larger for a while.

    Args:
        root: The folder.
        max_bytes: Size that it may have.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = CacheSpace(Path(folder), max_bytes=100)
        ...     for number in range(3):
        ...         _ = (Path(folder) / str(number)).write_bytes(bytes(40))
        ...         space.added(40)
        ...     len(list(Path(folder).iterdir()))
        2
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self._bytes: int | None = None

    def added(self, num_bytes: int) -> None:
        """Count a file that was written; remove the oldest files if there is no room left."""
        if self._bytes is not None:
            self._bytes += num_bytes
        if self._bytes is None or self._bytes > self.max_bytes:
            self._bytes = self._tidy()

    def _tidy(self) -> int:
        files = []
        for path in self.root.rglob("*"):
            try:
                state = path.stat()
            except FileNotFoundError:
                # another process tidies too
                continue
            if not path.is_file():
                continue
            if path.suffix == ".tmp" and state.st_mtime < time.time() - STALE_SECONDS:
                path.unlink(missing_ok=True)
            elif path.suffix != ".tmp":
                files.append((state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self.max_bytes:
            return total
        for _, size, path in sorted(files):
            if total <= ROOM * self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total
