"""One process at a time in a run's folder, or several that share it unit by unit; a crash leaves no lock behind.

The locks are POSIX record locks on the file `.lock`: they belong to the process and end with it, however it ends; a
process that it forks, such as one that loads images, does not inherit them; and they work over NFS. The file itself is
no lock, only a note of who came last. Windows has no such locks: there nothing is locked.

Whatever else opens and closes `.lock` in the process that holds the lock, drops it: that is what POSIX says. So there
is one open file for each folder, shared by all who lock it here.
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
# in the file's length, which no lock changes: byte 0 is the run, one of the others each unit
RUN_BYTE: Final = 0
UNIT_BYTES: Final = 2**62


class RunLock:
    """A lock on a run's folder that lasts as long as this object or the process; made by `lock_run`.

    Args:
        folder: of the run; there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shared = self.exclusive = False
        self._units: set[str] = set()
        # unbuffered: what is read is what the last holder has written
        self._file = (folder / LOCK_FILE).open("a+b", buffering=0)

    def __del__(self) -> None:
        """Give the lock back."""
        if hasattr(self, "_file"):
            self._file.close()

    def take(self, *, shared: bool) -> None:
        """Lock the run; one that is exclusive stays so.

        Raises:
            BlockingIOError: another process works in the folder.
        """
        if self.exclusive or (shared and self._shared):
            return
        self._lock(RUN_BYTE, shared=shared, wait=False, what=f"`out` {self.folder}")
        self._shared, self.exclusive = shared, not shared
        if self.exclusive:
            self._file.truncate(0)
        self._note("run")

    @contextmanager
    def claim(self, name: str, *, wait: bool = False) -> Iterator[None]:
        """Lock one unit of a run that is shared; where the run is this process's own, it has all units.

        Args:
            name: of the unit.
            wait: until another process is done with it, in place of an error.

        Raises:
            BlockingIOError: another process works on the unit; names both.
        """
        if self.exclusive or name in self._units:
            yield
            return
        byte = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % UNIT_BYTES
        self._lock(byte, shared=False, wait=wait, what=f"unit {name} of {self.folder}", unit=name)
        self._units.add(name)
        self._note(f"unit {name}")
        try:
            yield
        finally:
            self._units.remove(name)
            if sys.platform != "win32":
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)

    def _lock(self, byte: int, *, shared: bool, wait: bool, what: str, unit: str | None = None) -> None:
        if sys.platform != "win32":
            kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
            try:
                fcntl.lockf(self._file, kind, 1, byte)
            except (BlockingIOError, PermissionError) as error:  # POSIX lets a system say either
                raise BlockingIOError(
                    f"Expected {what} to be used by one process at a time, got {self._holder(unit)}. "
                    "Wait for it, end it, or take another `out`."
                ) from error
            except OSError as error:  # of a file system that has none
                raise OSError(error.errno, f"{error.strerror}: it cannot be locked", self._file.name) from error

    def _note(self, what: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._file.write(f"{what}\tprocess {os.getpid()} on host {platform.node()}\t{now}\n".encode())

    def _holder(self, unit: str | None) -> str:
        """The last who took a unit, or the run: of several that share it, the latest."""
        wanted = "run" if unit is None else f"unit {unit}"
        self._file.seek(0)
        notes = [line.split("\t") for line in self._file.read().decode(errors="replace").splitlines()]
        found = [note for note in notes if len(note) == 3 and note[0] == wanted]
        return f"{found[-1][1]}, which has worked in it since {found[-1][2]}" if found else "another process"


# by process too: one that was forked has the object, and not the lock
_HELD: WeakValueDictionary[tuple[int, Path], RunLock] = WeakValueDictionary()


def lock_run(folder: Path, *, shared: bool = False) -> RunLock:
    """Lock a run's folder against other processes, for as long as the result is kept.

    The same process may do so again, and has the same lock.

    Args:
        folder: of the run; made where it is missing.
        shared: beside others that share it too, such as the jobs of an array, each with its own units.

    Raises:
        BlockingIOError: another process works in the folder; names it.

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
