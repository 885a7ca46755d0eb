"""What `run.json` says of a run: enough to repeat it, and to see what could make a repetition differ."""

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import torch

import lightning_spx
from lightning_spx.runs.folder import CONFIG_FILE, RESULTS_FILE, RunFolder, important_settings, read_config
from lightning_spx.runs.processes import is_writer

RECORD_FILE = "run.json"
SETTINGS_HASH = "settings_sha256"
RESULTS_HASH = "results_sha256"
SCORES = ("test_accuracy", "auc")
ADVICE = "Remove it and start the same command again: what is finished is kept."
# numba (the extra `fast`) and triton compute segments and SSIM where they are installed, captum its own methods
PACKAGES = (
    *("torch", "torchvision", "lightning", "torchmetrics", "scikit-image", "numpy", "scipy", "pandas", "pyarrow"),
    *("pillow", "numba", "triton", "captum", "timm"),
)
# what changes the rounding, or how work is shared out, without a word in the configuration
ENVIRONMENT = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "PYTHONHASHSEED"),
)


class RunRecord:
    """The record of a run, kept in its folder and continued when the run is taken up again.

    Args:
        run: the run's folder.
        content: what is known so far; plain values.
        shared: other starts work on the run at the same time; their seconds are not written down, their places are.
    """

    def __init__(self, run: RunFolder, content: dict[str, Any], shared: bool = False) -> None:
        self.run = run
        self.content = content
        self.shared = shared
        # where this start runs, whatever the record says of others
        self.place = provenance()
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
        earlier = read_record(path) if path.is_file() else {}
        for name, value in identity.items():
            if earlier.get(name, value) != value:
                raise ValueError(
                    f"Expected the {name} of the run to be {earlier[name]} as recorded in {path}, got {value}."
                )
        # the other processes may be here before the first one has written the file
        settings = settings_hash(run.path) if is_writer() else ""
        if is_writer():
            check_settings(run.path, earlier, settings)
        kept: dict[str, Any] = {name: earlier[name] for name in ("models", "seconds") if name in earlier}
        record = cls(run, {}, shared)
        now = record.place
        # a run may be taken up again elsewhere: its numbers then come from more than one place
        before = {name: earlier[name] for name in now if name in earlier}
        places = earlier.get("earlier_starts", [])
        record.content = {
            **{"models": {}, "seconds": {}, **kept, **identity, **now},
            **{"earlier_starts": places, SETTINGS_HASH: settings},
        }
        if before:
            record.add_place(before)
        if is_writer() and not (shared and path.is_file()):
            run.write_json(RECORD_FILE, record.content)
        return record

    def add_place(self, place: Mapping[str, object]) -> None:
        """Name where another start has made some of the numbers, unless that is here or known."""
        places = self.content["earlier_starts"]
        if place and place != self.place and place not in places:
            self.content["earlier_starts"] = [*places, dict(place)]

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

    def note_results(self) -> None:
        """Note the hash of `results.csv`, so that a page is made of no other."""
        self.content[RESULTS_HASH] = _sha256(self.run.path / RESULTS_FILE)

    def save(self) -> None:
        """Write the record, whole."""
        if is_writer() and not self.shared:
            self.run.write_json(RECORD_FILE, self.content)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run; one that holds no object raises a ValueError that names it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected a run's record in {path}, got a damaged file: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected a run's record in {path}, got {type(content).__name__}.")
    return content


def read_record(path: Path, of_study: bool = False) -> dict[str, Any]:
    """Read `run.json`.

    Args:
        path: the file.
        of_study: whether it has to name a study's seed, which a benchmark has not.

    Raises:
        ValueError: it is damaged, or something in it is of another kind; names the file.
    """
    record = read_json(path)
    seed = record.get("seed", None if of_study else 0)
    if not isinstance(record.get("models"), dict) or not isinstance(seed, int):
        raise ValueError(f"Expected a run's record in {path}, with `models` and `seed`, got another. {ADVICE}")
    parts: dict[str, tuple[list[Any], type | tuple[type, ...]]] = {
        "models": (list(record["models"].values()), dict),
        "seconds": (_values(record, "seconds", dict), (int, float)),
        "versions": (_values(record, "versions", dict), (str, type(None))),
        "splits": (_values(record, "splits", list), str),
        "names": (_values(record, "names", list), str),
        "earlier_starts": (_values(record, "earlier_starts", list), dict),
    }
    for name, (values, kind) in parts.items():
        if not all(isinstance(value, kind) for value in values):
            raise ValueError(f"Expected a run's record in {path}, got other `{name}` than a run writes. {ADVICE}")
    for model in record["models"].values():
        if not all(isinstance(model[name], int | float) for name in SCORES if name in model):
            raise ValueError(f"Expected a run's record in {path}, got scores of a model that are no numbers. {ADVICE}")
    return record


def _values(record: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """What a part of the record holds; the part itself, which is no value of it, if it is of another kind."""
    part = record.get(name, kind())
    if isinstance(part, dict) and kind is dict:
        return list(part.values())
    return list(part) if isinstance(part, list) and kind is list else [object()]


def settings_hash(run: Path) -> str:
    """Return the SHA-256 of the settings in a run's `config.yaml` that change numbers, wherever the run is."""
    settings = important_settings(read_config(run / CONFIG_FILE))
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def check_settings(run: Path, record: Mapping[str, Any], found: str) -> None:
    """Raise a ValueError that names `config.yaml` if it no longer holds the settings that its run was started with.

    Args:
        run: folder of the run.
        record: what `run.json` says.
        found: the hash of what `config.yaml` says now.
    """
    if record.get(SETTINGS_HASH, found) != found:
        raise ValueError(
            f"Expected {run / CONFIG_FILE} with the settings that the run was started with, got others: it is damaged, "
            "or was edited."
        )


def check_results(run: Path, record: Mapping[str, Any]) -> None:
    """Raise a ValueError that names `results.csv` if it is not as the run has written it."""
    if record.get(RESULTS_HASH) not in (None, _sha256(run / RESULTS_FILE)):
        raise ValueError(
            f"Expected {run / RESULTS_FILE} as the run has written it, got another: it is damaged, or was edited. "
            "Start the study again, which writes it from what is finished."
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def provenance() -> dict[str, object]:
    """Return versions, the source's commit, the machine, and the settings of the process that change the rounding.

    To be called after the Trainer is made, which chooses deterministic algorithms.

    Example:
        >>> here = provenance()
        >>> sorted(here)[:8]
        ['commit', 'cpu', 'deterministic', 'device', 'environment', 'gpu', 'host', 'platform']
        >>> sorted(here)[8:]
        ['precision', 'python', 'threads', 'versions']
    """
    return {
        "versions": {"lightning_spx": lightning_spx.__version__, **{name: _version(name) for name in PACKAGES}},
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cpu": {"model": _cpu_model(), "instructions": torch.backends.cpu.get_cpu_capability()},
        "gpu": _gpu() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "deterministic": {
            "algorithms": torch.are_deterministic_algorithms_enabled(),
            "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        },
        "precision": {
            "float32_matmul": torch.get_float32_matmul_precision(),
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        },
        "environment": {name: os.environ.get(name) for name in ENVIRONMENT},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the package's checkout, or None for an installed package or without git."""
    folder = str(Path(lightning_spx.__file__).parent)
    return _said(["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=40"])


def _cpu_model() -> str:
    """Name of the processor: Linux knows it better than Python does."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8", errors="replace").splitlines() if known.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpu() -> dict[str, object]:
    major, minor = torch.cuda.get_device_capability()
    cudnn: Callable[[], int | None] = torch.backends.cudnn.version
    return {
        "count": torch.cuda.device_count(),
        "capability": f"{major}.{minor}",
        "cuda": torch.version.cuda,
        "cudnn": cudnn(),
        "driver": _said(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]),
    }


def _said(command: list[str]) -> str | None:
    """What a program prints, or None if it is not there or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
