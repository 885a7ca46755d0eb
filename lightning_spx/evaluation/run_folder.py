"""The folder of a run: created or taken up again, never mixed, and every file in it whole or absent."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lightning_spx.evaluation.processes import is_writer

CONFIG_FILE = "config.yaml"
# settings that change no number, and may differ when a run is taken up again
UNIMPORTANT = ("out", "config", "trainer.logger", "trainer.enable_progress_bar", "trainer.enable_model_summary")


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it, so that a reader sees the old file or the new one.

    Args:
        path: the file to make; its folder is made where it is missing.
        write: writes the contents to the path that it is given.

    Raises:
        OSError: whatever the writing raised (a full disk, say), with the temporary file gone and `path` as it was.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_atomic(target, lambda path: path.write_text("whole"))
        >>> target.read_text()
        'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays last: writers such as matplotlib choose the format by it
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class RunFolder:
    """A run's folder with its complete configuration; made by `open_run_folder`.

    Args:
        path: the folder.
        config: the complete configuration of the run.
    """

    path: Path
    config: Mapping[str, Any]

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


def open_run_folder(path: Path, config: Mapping[str, Any]) -> RunFolder:
    """Make a run's folder, or take up an earlier run with the same settings.

    Args:
        path: the folder; it must be absent, empty, or hold an earlier run of the same settings.
        config: the complete, plain (YAML) configuration.

    Raises:
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
    settings = flatten(config)
    config_file = path / CONFIG_FILE
    if config_file.exists():
        earlier = flatten(read_config(config_file))
        for name in sorted(settings.keys() | earlier.keys()):
            before, now = earlier.get(name), settings.get(name)
            if before != now and not _is_unimportant(name):
                raise ValueError(
                    f"Expected `{name}` to be {before} as in the earlier run {path}, got {now}. "
                    "Take another `out` for a new run."
                )
    elif path.exists() and not all(_is_temporary(child) for child in path.iterdir()):
        raise ValueError(f"Expected `out` to be a new folder, an empty one or a run's, got {path}, which holds others.")
    run = RunFolder(path, config)
    if not config_file.exists() and is_writer():
        run.write_text(CONFIG_FILE, yaml.safe_dump(dict(config), sort_keys=False))
    return run


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's configuration; a file that is none raises a ValueError that names it."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"Expected a run's configuration in {path}, got a file that is not YAML.") from error
    if not isinstance(config, dict):
        raise ValueError(f"Expected a run's configuration in {path}, got {type(config).__name__}.")
    return config


def _is_temporary(path: Path) -> bool:
    """Whether a start that was killed left the file, before it had a name of its own."""
    return path.is_file() and path.name.startswith(".") and ".part" in path.suffixes


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
