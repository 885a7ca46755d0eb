"""The folder of a run: created or taken up again, never mixed, and every file in it whole or absent."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import yaml

from lightning_spx.runs.lock import LOCK_FILE, RunLock, lock_run
from lightning_spx.runs.processes import is_writer

CONFIG_FILE = "config.yaml"
RESULTS_FILE = "results.csv"
# settings that change no number, and may differ when a run is taken up again
UNIMPORTANT = ("out", "config", "trainer.logger", "trainer.enable_progress_bar", "trainer.enable_model_summary")
# no room left, for this user, or in a single file
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# for the line that says how to go on
last_opened: ContextVar[Path | None] = ContextVar("last_opened", default=None)


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


@dataclass(frozen=True)
class RunFolder:
    """A run's folder with its complete configuration; made by `open_run_folder`.

    Args:
        path: the folder.
        config: the complete configuration of the run.
        lock: keeps other processes out for as long as this object lasts.
    """

    path: Path
    config: Mapping[str, Any]
    lock: RunLock | None = None

    def unit(self, name: str, *, wait: bool = False) -> AbstractContextManager[None]:
        """Keep other processes that share the run off one unit of it, or wait for them; see `RunLock.unit`."""
        return nullcontext() if self.lock is None else self.lock.unit(name, wait=wait)

    def take_alone(self) -> None:
        """Keep all other processes out of a run that was shared until now.

        Raises:
            BlockingIOError: another process works in the folder; names it.
        """
        if self.lock is not None:
            self.lock.take(shared=False)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run, whole or not at all."""
        write_atomic(self.path / name, lambda path: path.write_text(text, encoding="utf-8"))

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file of the run, whole or not at all."""
        self.write_text(name, json.dumps(value, indent=2, sort_keys=True) + "\n")


def default_folder(command: str, dataset: str, config: Mapping[str, Any]) -> Path:
    """Name a run's folder by its data and settings: the same command comes back to it, a changed one gets another.

    Example:
        >>> default_folder("stability", "CIFAR10", {"seed": 0, "out": "x"}).as_posix()
        'runs/stability-CIFAR10-57692611'
    """
    digest = hashlib.sha256(json.dumps(important_settings(config), sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / f"{command}-{file_name(dataset)}-{digest}"


def important_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that change numbers, by their dotted names.

    Example:
        >>> important_settings({"seed": 0, "data": {"root": "x"}, "out": "y"})
        {'seed': '0', 'data.root': 'x'}
    """
    return {name: str(value) for name, value in flatten(config).items() if not _is_unimportant(name)}


def file_name(name: str) -> str:
    """Make a name fit for a file on any system; an unusual name keeps its difference from others by a hash.

    Example:
        >>> file_name("Slic(n_segments=50)"), file_name("a/b")
        ('Slic(n_segments=50)', 'a_b-c14cddc0')
    """
    plain = re.sub(r"[^A-Za-z0-9_.=,()-]", "_", name)[:120]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def open_run_folder(path: Path, config: Mapping[str, Any], *, shared: bool = False) -> RunFolder:
    """Make a run's folder, or take up an earlier run with the same settings.

    Args:
        path: the folder; it must be absent, empty, or hold an earlier run of the same settings.
        config: the complete, plain (YAML) configuration.
        shared: with other processes that share it too, each with its own units (`RunFolder.unit`).

    Raises:
        BlockingIOError: another process works in the folder.
        ValueError: the folder holds something else, or an earlier run with a different setting (which is named).
        NotADirectoryError: `path` is a file.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp()) / "run"
        >>> run = open_run_folder(root, {"seed": 0})
        >>> open_run_folder(root, {"seed": 1})
        Traceback (most recent call last):
        ...
        ValueError: Expected `seed` to be 0 as in the earlier run ..., got 1. Take another `out` for a new run.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"Expected `out` to be a folder, got the file {path}.")
    # in this order: another process may be making the run right now
    others = path.exists() and not all(_is_temporary(child) for child in path.iterdir())
    config_file = path / CONFIG_FILE
    if others and not config_file.exists():
        raise ValueError(f"Expected `out` to be a new folder, an empty one or a run's, got {path}, which holds others.")
    # the other processes of a distributed run are guests of the first, which has the lock before it writes anything
    run = RunFolder(path, config, lock_run(path, shared=shared) if is_writer() else None)
    last_opened.set(path)
    with run.unit(CONFIG_FILE, wait=True):
        if config_file.exists():
            _check_same(path, read_config(config_file), config)
        elif is_writer():
            run.write_text(CONFIG_FILE, yaml.safe_dump(dict(config), sort_keys=False))
    if run.lock is not None and run.lock.exclusive:
        for child in path.rglob(".*.part*"):
            if _is_temporary(child):
                child.unlink(missing_ok=True)
    return run


def _check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise a ValueError that names the first setting that is not as in the earlier run."""
    earlier, settings = flatten(before), flatten(now)
    for name in sorted(settings.keys() | earlier.keys()):
        if earlier.get(name) != settings.get(name) and not _is_unimportant(name):
            raise ValueError(
                f"Expected `{name}` to be {earlier.get(name)} as in the earlier run "
                f"{path / CONFIG_FILE}, got {settings.get(name)}. "
                "Take another `out` for a new run."
            )


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's configuration; a file that is none raises a ValueError that names it."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    # a date that there is not, and lists in lists without an end, are the parser's too
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"Expected a run's configuration in {path}, got a file that is not YAML.") from error
    if not isinstance(config, dict):
        raise ValueError(f"Expected a run's configuration in {path}, got {type(config).__name__}.")
    return config


def _is_temporary(path: Path) -> bool:
    """Whether it is the lock, or a start that was killed left the file before it had a name of its own."""
    return path.name == LOCK_FILE or (path.is_file() and path.name.startswith(".") and ".part" in path.suffixes)


def _is_unimportant(name: str) -> bool:
    return any(name == setting or name.startswith(f"{setting}.") for setting in UNIMPORTANT)


def flatten(config: object, prefix: str = "") -> dict[str, object]:
    """Turn a nested configuration into dotted names with plain values, lists by position.

    Example:
        >>> flatten({"data": {"root": "x"}, "methods": ["Gradient"]})
        {'data.root': 'x', 'methods.0': 'Gradient'}
    """
    if isinstance(config, Mapping):
        children = {str(key): value for key, value in config.items()}
    elif isinstance(config, list | tuple):
        children = {str(position): value for position, value in enumerate(config)}
    else:
        return {prefix: config}
    flat: dict[str, object] = {} if children or not prefix else {prefix: config}
    for key, value in children.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat
