"""The folder of a run: a command creates it or takes it up again, but never mixes two runs in it."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lightning_spx.runs.files import file_name, write_text
from lightning_spx.runs.lock import LOCK_FILE, RunLock, lock_run
from lightning_spx.runs.processes import is_writer
from lightning_spx.runs.reading import read_config
from lightning_spx.runs.settings import flatten, important_settings, is_as_before, is_unimportant

CONFIG_FILE = "config.yaml"
RESULTS_FILE = "results.csv"
# the answer of a study; studies of earlier versions keep remarks in a file of their own instead
ANSWER_FILE, NOTES_FILE = "verdicts.json", "notes.json"
# an interrupted command names this folder when it says how to go on
last_opened: ContextVar[Path | None] = ContextVar("last_opened", default=None)


@dataclass(frozen=True)
class RunFolder:
    """A run's folder with its complete configuration; `open_run_folder` makes it.

    Args:
        path: the folder.
        config: the complete configuration of the run.
        lock: keeps other processes out as long as this object exists; None on processes that do not write.
    """

    path: Path
    config: Mapping[str, Any]
    lock: RunLock | None = None

    def claim(self, name: str, *, wait: bool = False) -> AbstractContextManager[None]:
        """Keep other processes off one part of a shared run, or wait for the one that has it; see `RunLock.claim`."""
        return nullcontext() if self.lock is None else self.lock.claim(name, wait=wait)

    def take_alone(self) -> None:
        """Keep all other processes out of a run that was shared until now.

        Raises:
            BlockingIOError: another process works in the folder; the error names it.
        """
        if self.lock is not None:
            self.lock.take(shared=False)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run, whole or not at all."""
        write_text(self.path / name, text)

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file of the run, whole or not at all."""
        self.write_text(name, json.dumps(value, indent=2, sort_keys=True) + "\n")


def default_folder(command: str, dataset: str, config: Mapping[str, Any]) -> Path:
    """Name a run's folder by its data and settings, so that only the same command comes back to it.

    Example:
        >>> default_folder("stability", "CIFAR10", {"seed": 0, "out": "x"}).as_posix()
        'runs/stability-CIFAR10-57692611'
    """
    digest = hashlib.sha256(json.dumps(important_settings(config), sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / f"{command}-{file_name(dataset)}-{digest}"


def open_run_folder(path: Path, config: Mapping[str, Any], *, shared: bool = False) -> RunFolder:
    """Make a run's folder, or take up an earlier run with the same settings.

    Args:
        path: the folder; it must be absent, empty, or hold an earlier run with the same settings.
        config: the complete configuration as plain (YAML) values.
        shared: whether other processes may work on the run too; each claims its own parts (`RunFolder.claim`).

    Raises:
        BlockingIOError: another process works in the folder.
        ValueError: the folder holds something else, or an earlier run with a different setting, which the error names.
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
    # list the folder first and look for the configuration then: another process may be making the run right now
    others = path.exists() and not all(_is_temporary(child) for child in path.iterdir())
    config_file = path / CONFIG_FILE
    if others and not config_file.exists():
        raise ValueError(f"Expected `out` to be a new folder, an empty one or a run's, got {path}, which holds others.")
    # of a distributed run only the first process takes the lock, before it writes anything; the others rely on it
    run = RunFolder(path, config, lock_run(path, shared=shared) if is_writer() else None)
    last_opened.set(path)
    with run.claim(CONFIG_FILE, wait=True):
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
    """Raise a ValueError that names the first setting that differs from the earlier run's."""
    earlier, settings = flatten(before), flatten(now)
    for name in sorted(settings.keys() | earlier.keys()):
        if name not in earlier and is_as_before(name, settings.get(name)):
            continue
        if earlier.get(name) != settings.get(name) and not is_unimportant(name):
            raise ValueError(
                f"Expected `{name}` to be {earlier.get(name)} as in the earlier run "
                f"{path / CONFIG_FILE}, got {settings.get(name)}. "
                "Take another `out` for a new run."
            )


def _is_temporary(path: Path) -> bool:
    """Whether a file is the lock, or was left by a killed process before it got its final name."""
    return path.name == LOCK_FILE or (path.is_file() and path.name.startswith(".") and ".part" in path.suffixes)
