"""Compares two runs: their files of numbers bit for bit, and what their records say about how they were made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lightning_spx.models.checkpoint_file import read_state
from lightning_spx.reporting.rows import LATER
from lightning_spx.runs.reading import refusing_damage
from lightning_spx.runs.settings import flatten

Arrays = Mapping[str, NDArray[Any]]
KINDS = (".csv", ".parquet", ".npz", ".npy", ".ckpt")
# results, and times, which differ between any two runs
NOT_A_CAUSE = ("models", "seconds", "results_sha256", "answer_sha256", "started_in")


def file_differences(first: Path, second: Path) -> dict[str, str]:
    """Compare every file of numbers in two folders: tables, arrays, and the weights in checkpoints.

    Training logs are skipped: a training that was stopped and resumed logs other steps.

    Args:
        first: folder of a run.
        second: folder of another run.

    Returns:
        A sentence for each file, by its name in the folder, that says what differs; it is empty if all values are
        equal bit for bit and in the same order.

    Raises:
        ValueError: a file is damaged.
    """
    ours, theirs = number_files(first), number_files(second)
    found = {}
    for name in sorted(ours.keys() | theirs.keys()):
        if name in ours and name in theirs:
            found[name] = array_difference(read_arrays(ours[name]), read_arrays(theirs[name]))
        else:
            found[name] = f"only in {first if name in ours else second}"
    return found


def number_files(folder: Path) -> dict[str, Path]:
    """Find every file of numbers in a run folder, by its path relative to that folder."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.suffix in KINDS and path.is_file()}
    return {
        name.as_posix(): path
        for name, path in files.items()
        # a killed process leaves temporary files, whose names begin with a dot
        if name.parts[0] != "training" and not name.name.startswith(".")
    }


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a file of numbers as arrays, by the names of its columns, arrays or weights.

    Raises:
        ValueError: the file is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "table.csv"
        >>> pd.DataFrame({"metric": ["ssim"], "value": [0.1]}).to_csv(path, index=False)
        >>> {name: values.tolist() for name, values in read_arrays(path).items()}
        {'metric': ['ssim'], 'value': [0.1]}
    """
    if path.suffix == ".ckpt":
        state = read_state(path)
        # float64 holds every value of the shorter types, and NumPy knows no bfloat16
        return {name: value.double().numpy() for name, value in state.items() if isinstance(value, torch.Tensor)}
    with refusing_damage(path, "numbers"):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        if path.suffix == ".npy":
            return {path.stem: np.load(path, allow_pickle=False)}
        # pandas' default engine may round two neighboring numbers to the same value
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, engine="pyarrow")
    return {str(name): column.to_numpy() for name, column in table.items()}


def array_difference(first: Arrays, second: Arrays) -> str:
    """Say where the arrays of two files differ most; return an empty text if they are equal bit for bit.

    Args:
        first: arrays by name.
        second: arrays by name.

    Example:
        >>> array_difference({"value": np.array([1.0, 2.0])}, {"value": np.array([1.0, 2.5])})
        'up to 0.5, in value[1]: 2.0 and 2.5'
        >>> array_difference({"value": np.array([np.nan])}, {"value": np.array([np.nan])})
        ''
    """
    # results of an earlier version may lack a later column, which changes none of their numbers
    if missing := sorted((first.keys() ^ second.keys()).difference(LATER)):
        return f"only one has {', '.join(missing[:3])}"
    largest, where = -1.0, ""
    for name, ours in first.items():
        if name not in second:
            continue
        theirs = second[name]
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return f"{name} is {ours.dtype} of shape {ours.shape} and {theirs.dtype} of shape {theirs.shape}"
        gap = _gap(ours, theirs)
        if gap.size and gap.max() > largest:
            place = np.unravel_index(int(gap.argmax()), ours.shape)
            largest = float(gap.max())
            here = "".join(f"[{number}]" for number in place)
            where = f"in {name}{here}: {ours[place]} and {theirs[place]}"
    return f"up to {largest:.3g}, {where}" if where else ""


def _gap(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[np.float64]:
    """Return the distance of each pair of values; an empty array if all are equal bit for bit."""
    if ours.dtype == object:
        apart = ours.astype(str) != theirs.astype(str)
        return np.where(apart, np.inf, 0.0) if apart.any() else np.empty(0)
    if ours.tobytes() == theirs.tobytes():
        return np.empty(0)
    one, other = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gap = np.abs(one - other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.where(same, 0.0, np.nan_to_num(gap, nan=np.inf))


def record_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """List where the records of two runs differ in versions, machine, settings or data: the possible causes.

    Example:
        >>> record_differences({"versions": {"torch": "2.6"}, "seconds": {}}, {"versions": {"torch": "2.7"}})
        {'versions.torch': ('2.6', '2.7')}
    """
    ours, theirs = (
        flatten({name: value for name, value in record.items() if name not in NOT_A_CAUSE})
        for record in (first, second)
    )
    return {
        name: (_shown(ours, name), _shown(theirs, name))
        for name in sorted(ours.keys() | theirs.keys())
        if name not in ours or name not in theirs or ours[name] != theirs[name]
    }


def _shown(settings: Mapping[str, object], name: str) -> str:
    if name not in settings:
        return "not recorded"
    value = settings[name]
    return value if isinstance(value, str) else json.dumps(value)
