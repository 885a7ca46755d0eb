"""A split says which images each of several models trains on; it is saved to a file and verified when read."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from lightning_spx.data.label_kinds import Labels, checked_labels
from lightning_spx.data.splits import Indices, Plan, disjoint_parts, folds, stratified_draw


@dataclass(frozen=True, eq=False)
class Split:
    """The training images of several models, as indices into one pool; made by `make_split`.

    Args:
        plan: every model trains on the whole pool (`all`), on the same images under another seed (`seeds`), on its own
            part (`disjoint`), or on all but its fold (`folds`).
        num_parts: number of models and of parts.
        seed: the seed of the draw.
        labels_hash: SHA-256 of the labels of the pool.
        parts: sorted indices per model: the images it trains on, or under `folds` those it does not train on.
        num_images: number of images in the pool.

    Example:
        >>> split = make_split([0, 0, 1, 1], plan="disjoint", num_parts=2)
        >>> [split.train_indices(part).size for part in range(2)]
        [2, 2]
    """

    plan: Plan
    num_parts: int
    seed: int
    labels_hash: str
    parts: tuple[Indices, ...]
    num_images: int

    def train_indices(self, part: int) -> Indices:
        """Return the sorted indices on which the model of a part may train.

        Raises:
            ValueError: if the part does not exist.
        """
        self._check(part)
        if self.plan == "folds":
            return np.setdiff1d(np.arange(self.num_images), self.parts[part], assume_unique=True)
        return self.parts[part]

    def held_out_indices(self, part: int) -> Indices:
        """Return the sorted indices of the fold that the model of a part never sees; empty under other plans.

        Raises:
            ValueError: if the part does not exist.
        """
        self._check(part)
        return self.parts[part] if self.plan == "folds" else np.empty(0, np.int64)

    @property
    def sha256(self) -> str:
        """Return the hash of plan, seed, labels and indices."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same split of the same labels."""
        return isinstance(other, Split) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        """Return a hash that agrees with equality."""
        return hash(self.sha256)

    def _content(self) -> dict[str, object]:
        return {
            "plan": self.plan,
            "num_parts": self.num_parts,
            "seed": self.seed,
            "labels_hash": self.labels_hash,
            "num_images": self.num_images,
            "parts": [part.tolist() for part in self.parts],
        }

    def _check(self, part: int) -> None:
        if not 0 <= part < self.num_parts:
            raise ValueError(f"Expected `part` to be 0 to {self.num_parts - 1}, got {part}.")


def make_split(
    labels: ArrayLike, plan: Plan = "disjoint", num_parts: int = 2, seed: int = 0, images_per_part: int | None = None
) -> Split:
    """Split a pool of images according to a plan.

    Args:
        labels: class of each image of the pool, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        plan: see `Split`.
        num_parts: number of models and of parts.
        seed: decides which image goes where.
        images_per_part: number of images in each part (`disjoint`), or of those that all models train on (`seeds`);
            None uses all images.

    Raises:
        TypeError: if the labels are neither integers nor findings.
        ValueError: if the plan is unknown or the pool is too small for it.

    Example:
        >>> split = make_split([0, 1] * 10, plan="folds", num_parts=4)
        >>> split.train_indices(0).size, split.held_out_indices(0).size
        (15, 5)
    """
    values = checked_labels(labels)
    if images_per_part is not None and plan not in ("seeds", "disjoint"):
        raise ValueError(
            f"Expected `images_per_part` only with the plans 'seeds' and 'disjoint', got it with {plan!r}."
        )
    if plan == "disjoint":
        parts = disjoint_parts(values, num_parts, seed, images_per_part)
    elif plan == "folds":
        parts = folds(values, num_parts, seed)
    elif plan in ("all", "seeds"):
        if num_parts < 1:
            raise ValueError(f"Expected `num_parts` to be at least 1, got {num_parts}.")
        parts = [_same_images(values, seed, images_per_part)] * num_parts
    else:
        raise ValueError(f"Expected `plan` to be 'all', 'seeds', 'disjoint' or 'folds', got {plan!r}.")
    return Split(plan, num_parts, seed, labels_hash(values), tuple(parts), len(values))


def _same_images(labels: Labels, seed: int, num_images: int | None) -> Indices:
    """Return the images that all models train on: the whole pool, or a draw with its class frequencies."""
    if num_images is None:
        return np.arange(len(labels))
    if not 1 <= num_images <= len(labels):
        raise ValueError(
            f"Expected `images_per_part` to be 1 to {len(labels)}, the images there are, got {num_images}."
        )
    return stratified_draw(labels, num_images, seed)


def labels_hash(labels: ArrayLike) -> str:
    """Return the SHA-256 of labels, the same on every machine.

    Example:
        >>> labels_hash([0, 1])[:8]
        '9d34149f'
    """
    values = checked_labels(labels)
    if values.ndim == 2:
        # a number for NaN, which may have any bits
        content = np.nan_to_num(values, nan=-1.0).astype("<i8").tobytes() + f"{values.shape[1]} findings".encode()
    else:
        content = values.astype("<i8").tobytes()
    return hashlib.sha256(content).hexdigest()


def save_splits(splits: Sequence[Split], path: Path) -> None:
    """Write splits to a JSON file with a hash of each, under a temporary name first.

    Args:
        splits: one per repeat of a study.
        path: the file, replaced if it exists.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_splits([make_split([0, 1, 0, 1])], Path(folder, "splits.json"))
        ...     sorted(json.loads(Path(folder, "splits.json").read_text())[0])
        ['labels_hash', 'num_images', 'num_parts', 'parts', 'plan', 'seed', 'sha256']
    """
    content = [{**split._content(), "sha256": split.sha256} for split in splits]
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


def load_splits(path: Path, labels: ArrayLike) -> list[Split]:
    """Return the splits of a file after checking that it was not edited and belongs to these labels.

    Args:
        path: a file written by `save_splits`.
        labels: class of each image of the pool, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is damaged or edited, was made for other labels, or holds parts that no plan gives.

    Example:
        >>> import tempfile
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
    return splits


def _read_split(entry: dict[str, Any]) -> Split:
    return Split(
        plan=entry["plan"],
        num_parts=entry["num_parts"],
        seed=entry["seed"],
        labels_hash=entry["labels_hash"],
        parts=tuple(_read_indices(part) for part in entry["parts"]),
        num_images=entry["num_images"],
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
