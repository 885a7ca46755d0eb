"""Locks a run's folder for one process, or lets several processes share it and claim one part of the work each.

The locks are POSIX record locks on the file `.lock`. They belong to the process and end with it, even after a crash; a
forked process, such as one that loads images, does not inherit them; and they work over NFS. The content of the file
locks nothing: it only notes who came last. Windows has no such locks, so nothing is locked there.

POSIX drops a process's locks on a file as soon as the process closes the file anywhere. So this module opens `.lock`
once for each folder and shares the open file.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

if sys.platform != "win32":
    import fcntl

LOCK_FILE: Final = ".lock"
# Locked byte ranges; the file need not be that long. Byte 0 stands for the run, and each claim hashes to a later byte.
RUN_BYTE: Final = 0
CLAIM_BYTES: Final = 2**62


class RunLock:
    """A lock on a run's folder that lasts as long as this object or the process; `lock_run` makes it.

    Args:
        folder: an existing folder of a run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shared = self.exclusive = False
        self._claimed: set[str] = set()
        # without a buffer, so that reads see what the last holder wrote
        self._file = (folder / LOCK_FILE).open("a+b", buffering=0)

    def __del__(self) -> None:
        """Release the lock."""
        if hasattr(self, "_file"):
            self._file.close()

    def take(self, *, shared: bool) -> None:
        """Lock the run; an exclusive lock stays exclusive.

        Raises:
            BlockingIOError: another process works in the folder.
        """
        if self.exclusive or (shared and self._shared):
            return
        self._lock(RUN_BYTE, shared=shared, wait=False, what=f"`out` {self.folder}")
        self._shared, self.exclusive = shared, not shared
        if self.exclusive:
            self._file.truncate(0)
        self._note(_noted(None))

    @contextmanager
    def claim(self, name: str, *, wait: bool = False) -> Iterator[None]:
        """Lock one part of a shared run, such as a model or a shard; a process with the run to itself has all parts.

        Args:
            name: of the part.
            wait: wait until another process has finished the part, instead of raising an error.

        Raises:
            BlockingIOError: another process works on the part; the error names both.
        """
        if self.exclusive or name in self._claimed:
            yield
            return
        byte = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % CLAIM_BYTES
        self._lock(byte, shared=False, wait=wait, what=f"{name} of {self.folder}", claim=name)
        self._claimed.add(name)
        self._note(_noted(name))
        try:
            yield
        finally:
            self._claimed.remove(name)
            if sys.platform != "win32":
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)

    def _lock(self, byte: int, *, shared: bool, wait: bool, what: str, claim: str | None = None) -> None:
        if sys.platform != "win32":
            kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
            try:
                fcntl.lockf(self._file, kind, 1, byte)
            except (BlockingIOError, PermissionError) as error:  # POSIX allows both
                raise BlockingIOError(
                    f"Expected {what} to be used by one process at a time, got {self._holder(claim)}. "
                    "Wait for it, end it, or take another `out`."
                ) from error
            except OSError as error:  # the file system supports no locks
                raise OSError(error.errno, f"{error.strerror}: it cannot be locked", self._file.name) from error

    def _note(self, what: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._file.write(f"{what}\tprocess {os.getpid()} on host {platform.node()}\t{now}\n".encode())

    def _holder(self, claim: str | None) -> str:
        """Return who took a part of the run last, or the run itself."""
        self._file.seek(0)
        notes = [line.split("\t") for line in self._file.read().decode(errors="replace").splitlines()]
        found = [note for note in notes if len(note) == 3 and note[0] == _noted(claim)]
        return f"{found[-1][1]}, which has worked in it since {found[-1][2]}" if found else "another process"


def _noted(claim: str | None) -> str:
    """Return how the file calls a part of the run, or the run itself; earlier versions read the same words."""
    return "run" if claim is None else f"unit {claim}"


# keyed by process number too, because a forked child inherits the object but not the lock
_HELD: WeakValueDictionary[tuple[int, Path], RunLock] = WeakValueDictionary()


def lock_run(folder: Path, *, shared: bool = False) -> RunLock:
    """Lock a run's folder against other processes, for as long as the caller keeps the result.

    A second call in the same process returns the same lock.

    Args:
        folder: of the run; it is made if it is missing.
        shared: admit other processes that share the run too, such as the jobs of an array; each claims its own parts.

    Raises:
        BlockingIOError: another process works in the folder; the error names it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> lock = lock_run(folder)
        >>> lock_run(folder) is lock
        True
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = (os.getpid(), folder.resolve())
    lock = _HELD.get(key)
    if lock is None:
        lock = RunLock(folder)
    lock.take(shared=shared)
    _HELD[key] = lock
    return lock
