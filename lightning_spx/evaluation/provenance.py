"""What `run.json` says of a run: enough to repeat it, and to see what could make a repetition differ."""

import json
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import torch

import lightning_spx
from lightning_spx.evaluation.processes import is_writer
from lightning_spx.evaluation.run_folder import RunFolder

RECORD_FILE = "run.json"
PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "scikit-image", "numpy", "scipy", "pandas")


class RunRecord:
    """The record of a run, kept in its folder and continued when the run is taken up again.

    Args:
        run: the run's folder.
        content: what is known so far; plain values.
        shared: other starts work on the run at the same time: what they do is not written down.
    """

    def __init__(self, run: RunFolder, content: dict[str, Any], shared: bool = False) -> None:
        self.run = run
        self.content = content
        self.shared = shared
        self._last = time.perf_counter()

    @classmethod
    def open(cls, run: RunFolder, identity: Mapping[str, object], shared: bool = False) -> Self:
        """Start the record, or go on with that of an earlier start.

        Args:
            run: the run's folder.
            identity: what must be the same at every start, of the data above all; plain values.
            shared: other starts work on the run at the same time.

        Raises:
            ValueError: the earlier start saw other data.
        """
        path = run.path / RECORD_FILE
        earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for name, value in identity.items():
            if earlier.get(name, value) != value:
                raise ValueError(
                    f"Expected the {name} of the run to be {earlier[name]} as recorded in {path}, got {value}."
                )
        kept = {name: earlier[name] for name in ("models", "seconds") if name in earlier}
        record = cls(run, {"models": {}, "seconds": {}, **kept, **identity, **provenance()}, shared)
        if is_writer() and not (shared and path.is_file()):
            run.write_json(RECORD_FILE, record.content)
        return record

    def lap(self, stage: str) -> None:
        """Add the seconds since the last lap to a stage, summed over the starts of the run, and save."""
        self.count(stage)
        self.save()

    def count(self, stage: str) -> None:
        """Do as `lap`, without saving."""
        now = time.perf_counter()
        seconds = self.content["seconds"]
        seconds[stage] = round(seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now

    def save(self) -> None:
        """Write the record, whole."""
        if is_writer() and not self.shared:
            self.run.write_json(RECORD_FILE, self.content)


def provenance() -> dict[str, object]:
    """Return versions, the source's commit, and the machine.

    Example:
        >>> sorted(provenance())
        ['commit', 'device', 'host', 'platform', 'python', 'threads', 'versions']
    """
    return {
        "versions": {"lightning_spx": lightning_spx.__version__, **{name: _version(name) for name in PACKAGES}},
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the package's checkout, or None for an installed package or without git."""
    command = ["git", "-C", str(Path(lightning_spx.__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
