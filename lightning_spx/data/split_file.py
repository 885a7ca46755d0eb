"""Splits are saved to a file and verified when read."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from lightning_spx.data.group_kinds import checked_groups, groups_hash, groups_in_several
from lightning_spx.data.label_kinds import checked_labels
from lightning_spx.data.split_plan import Split, labels_hash
from lightning_spx.data.splits import Indices, Plan


def save_splits(splits: Sequence[Split], path: Path) -> None:
    """Write splits to a JSON file with a hash of each, under a temporary name first.

    Args:
        splits: one per repeat of a study.
        path: the file, replaced if it exists.

    Example:
        >>> import tempfile
        >>> from lightning_spx.data import make_split
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_splits([make_split([0, 1, 0, 1])], Path(folder, "splits.json"))
        ...     sorted(json.loads(Path(folder, "splits.json").read_text())[0])
        ['labels_hash', 'num_images', 'num_parts', 'parts', 'plan', 'seed', 'sha256']
    """
    content = [{**split.content(), "sha256": split.sha256} for split in splits]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{token_hex(4)}.part{path.suffix}")
    try:
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(json.dumps(content))
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_splits(path: Path, labels: ArrayLike, groups: ArrayLike | None = None) -> list[Split]:
    """Return the splits of a file after checking that it was not edited and belongs to these labels.

    Args:
        path: a file written by `save_splits`.
        labels: class of each image of the pool, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        groups: name or number of each image's group, `(n,)`; None if no images belong together.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is damaged or edited, was made for other labels or groups, holds parts that no plan
            gives, or divides a group between parts.

    Example:
        >>> import tempfile
        >>> from lightning_spx.data import make_split
        >>> split = make_split([0, 1, 0, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_splits([split], Path(folder, "splits.json"))
        ...     load_splits(Path(folder, "splits.json"), [0, 1, 0, 1]) == [split]
        True
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected splits at {path}: write them with `save_splits` first.")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        splits = [_read_split(entry) for entry in entries]
        hashes = [entry["sha256"] for entry in entries]
        if not splits:
            raise ValueError("it holds none")
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"Expected {path} to be a file of splits as `save_splits` writes it: {error!r}.") from error
    own_hash = labels_hash(labels)
    for number, (split, written) in enumerate(zip(splits, hashes, strict=True)):
        if split.sha256 != written:
            raise ValueError(f"Expected {path} to be unchanged, but split {number} differs from its SHA-256: edited?")
        if split.labels_hash != own_hash:
            raise ValueError(
                f"Expected {path} to be made for these labels, but split {number} was made for others: "
                f"{split.num_images} labels of hash {split.labels_hash[:12]}, "
                f"got {len(checked_labels(labels))} of hash {own_hash[:12]}."
            )
        if split.num_images != len(checked_labels(labels)) or not _is_possible(split):
            raise ValueError(f"Expected {path} to hold parts of its plan, but split {number} has other indices.")
        if groups is not None:
            check_undivided(split, groups, f"split {number} of {path}")
    return splits


def check_undivided(split: Split, groups: ArrayLike, name: str) -> None:
    """Refuse a split that divides a group, or was made for other groups.

    Args:
        split: parts of a pool.
        groups: name or number of each image's group, `(n,)`.
        name: what the split is called in an error.

    Raises:
        ValueError: if a group is in two parts of `disjoint` or `folds`, or the split was made for other groups.

    Example:
        >>> from lightning_spx.data import make_split
        >>> check_undivided(make_split([0, 0, 1, 1], groups=["a", "b", "a", "b"]), ["a", "b", "a", "b"], "split")
    """
    together = checked_groups(groups, split.num_images)
    divided = groups_in_several(together, list(split.parts))
    # under the other plans all models train on the same images
    if split.plan in ("disjoint", "folds") and divided.size:
        first = np.asarray(groups)[together == divided[0]][0]
        raise ValueError(
            f"Expected {name} to keep each group in one part, got {divided.size} groups in several, the first {first}: "
            "make the split again with these groups."
        )
    own = groups_hash(groups)
    if split.groups_hash not in (None, own):
        raise ValueError(
            f"Expected {name} to be made for these groups, got others: hash {str(split.groups_hash)[:12]}, and here "
            f"{own[:12]}."
        )


def _read_split(entry: dict[str, Any]) -> Split:
    return Split(
        plan=entry["plan"],
        num_parts=entry["num_parts"],
        seed=entry["seed"],
        labels_hash=entry["labels_hash"],
        parts=tuple(_read_indices(part) for part in entry["parts"]),
        num_images=entry["num_images"],
        groups_hash=entry.get("groups_hash"),
    )


def _read_indices(part: object) -> Indices:
    # NumPy would round decimals and parse words
    if not isinstance(part, list) or not all(type(index) is int for index in part):
        raise TypeError("a part is not a list of integers")
    return np.asarray(part, dtype=np.int64)


def _is_possible(split: Split) -> bool:
    """Return whether the parts fit the plan: sorted pool indices, and no common ones unless all parts are the same."""
    parts = split.parts
    if split.plan not in get_args(Plan) or split.num_parts != len(parts) or not parts:
        return False
    ordered = all(part.size and bool((np.diff(part) > 0).all()) for part in parts)
    if not ordered or any(part[0] < 0 or part[-1] >= split.num_images for part in parts):
        return False
    whole = np.concatenate(parts)
    if split.plan == "all":
        return all(part.size == split.num_images for part in parts)
    if split.plan == "seeds":
        return all(np.array_equal(part, parts[0]) for part in parts)
    return np.unique(whole).size == whole.size and (split.plan == "disjoint" or whole.size == split.num_images)
