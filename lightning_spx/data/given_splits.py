"""Splits that people already have: lists of names, a column of a table, and arrays of indices or flags."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import ArrayLike

from lightning_spx.data.group_kinds import groups_hash
from lightning_spx.data.label_kinds import checked_labels
from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.data.split_file import check_undivided, load_splits
from lightning_spx.data.split_plan import Split, labels_hash
from lightning_spx.data.splits import Indices, Plan

NAMED = 3


def parts_from_column(values: ArrayLike) -> dict[str, Indices]:
    """Return the rows of each part that a column names, in the order in which the parts appear.

    Args:
        values: name or number of each row's part, `(n,)`.

    Raises:
        ValueError: if a row names no part.

    Example:
        >>> {name: rows.tolist() for name, rows in parts_from_column(["train", "test", "train"]).items()}
        {'train': [0, 2], 'test': [1]}
    """
    column = [_part_name(value, row) for row, value in enumerate(np.asarray(values, dtype=object).tolist())]
    names = np.array(column, np.str_)
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(column)}


def parts_from_names(lists: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, Indices]:
    """Return the positions of the images that each list names.

    Args:
        lists: names of images, by the name of the list.
        names: the name of each image, such as its path below the root.

    Raises:
        ValueError: if a list names an image twice or one that does not exist, two lists name the same, or two images
            have the same name.

    Example:
        >>> parts = parts_from_names({"train.txt": ["b", "a"], "test.txt": ["c"]}, ["a", "b", "c"])
        >>> {name: rows.tolist() for name, rows in parts.items()}
        {'train.txt': [0, 1], 'test.txt': [2]}
    """
    position = {name: number for number, name in enumerate(names)}
    if len(position) < len(names):
        raise ValueError(f"Expected images of different names, got {len(names) - len(position)} names twice.")
    place: dict[str, str] = {}
    for where, own in lists.items():
        unknown = [name for name in own if name not in position]
        if unknown:
            raise ValueError(
                f"Expected {where} to name images that exist, got {len(unknown)} of {len(own)} others, the first "
                f"{unknown[0]!r}: images have names such as {next(iter(position), 'none')!r}."
            )
        for name in own:
            if name in place:
                both = "twice" if place[name] == where else f"in {place[name]} as well"
                raise ValueError(f"Expected {where} to name each image once and in no other list, got {name!r} {both}.")
            place[name] = where
    return {where: np.sort(np.array([position[name] for name in own], np.int64)) for where, own in lists.items()}


def read_names(path: Path) -> list[str]:
    r"""Return the names in a text file, one a line; empty lines are skipped, and a backslash separates folders too.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is not text in UTF-8, or names nothing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "train.txt").write_text("owl/1.jpg\n\nowl/2.jpg\n")
        ...     read_names(Path(folder, "train.txt"))
        ['owl/1.jpg', 'owl/2.jpg']
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a list of names at {path}, one a line.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"Expected {path} to be text in UTF-8, got other bytes: {error.reason}.") from error
    names = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    if not names:
        raise ValueError(f"Expected {path} to name images, one a line, got none.")
    return names


def read_parts(path: Path, num_images: int) -> list[Indices]:
    """Return the parts in a file of index arrays, as scikit-learn's splitters give them.

    Args:
        path: `.json` with one list for each part, `.npz` with one array for each part in their order, or `.npy` with an
            array `(parts, m)`. A part is a list of positions from 0, or of a flag, true or false, for each image.
        num_images: number of images.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it holds anything else, or pickled objects, which might run code.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "parts.json").write_text("[[3, 0], [1, 2]]")
        ...     [part.tolist() for part in read_parts(Path(folder, "parts.json"), 4)]
        [[0, 3], [1, 2]]
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected parts at {path}: a file .json, .npz or .npy of positions of images.")
    try:
        if path.suffix.lower() == ".json":
            arrays = [np.asarray(part) for part in json.loads(path.read_text(encoding="utf-8"))]
        elif path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                arrays = [file[name] for name in file.files]
        elif path.suffix.lower() == ".npy":
            arrays = list(np.load(path, allow_pickle=False))
        else:
            raise ValueError(f"the ending {path.suffix!r}")
        return [_positions(part, number, num_images) for number, part in enumerate(arrays)]
    except (ValueError, TypeError, OSError, EOFError, RecursionError, KeyError, BadZipFile) as error:
        raise ValueError(
            f"Expected {path} to hold one array of positions or flags for each part, got {error}."
        ) from error


def given_parts(
    parts: Sequence[ArrayLike], labels: ArrayLike, plan: Plan = "disjoint", groups: ArrayLike | None = None
) -> Split:
    """Return parts that were made elsewhere as a split, checked.

    Args:
        parts: positions of the images of each part, or a flag for each image; under `folds` those held out.
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        plan: `disjoint` or `folds`.
        groups: name or number of each image's group, `(n,)`.

    Raises:
        TypeError: if positions are not integers.
        ValueError: if a part is empty, names an image twice or one that does not exist, two parts have a common image
            or group, or folds leave an image out.

    Example:
        >>> given_parts([[0, 3], [1, 2]], [0, 0, 1, 1]).train_indices(1).tolist()
        [1, 2]
    """
    values = checked_labels(labels)
    if plan not in ("disjoint", "folds"):
        raise ValueError(f"Expected `plan` to be 'disjoint' or 'folds' for given parts, got {plan!r}.")
    if len(parts) < (2 if plan == "folds" else 1):
        raise ValueError(f"Expected {2 if plan == 'folds' else 1} or more parts, got {len(parts)}.")
    sets = [_positions(np.asarray(part), number, len(values)) for number, part in enumerate(parts)]
    names, counts = np.unique(np.concatenate(sets), return_counts=True)
    if counts.max() > 1:
        twice = names[counts > 1]
        raise ValueError(f"Expected parts without common images, got {twice.size} in several, the first {twice[0]}.")
    if plan == "folds" and names.size < len(values):
        left = np.setdiff1d(np.arange(len(values)), names)
        raise ValueError(f"Expected folds that hold every image, got {left.size} in none, the first {left[0]}.")
    together = None if groups is None else groups_hash(groups)
    split = Split(plan, len(sets), 0, labels_hash(values), tuple(sets), len(values), together)
    if groups is not None:
        check_undivided(split, groups, "the parts")
    return split


def read_split(path: Path, plan: Plan, num_parts: int, seed: int, pool: LabelledImages) -> Split:
    """Return the split of the training images in a file or folder.

    Args:
        path: a `splits.json` of this package, of which the split of `seed` or else the only one counts; index arrays as
            for `read_parts`, of the rows of a table, counted from 0 below its header, or else of the training images;
            or a folder with one text file for each part, in the order of their names. These name each image by the end
            of its path, such as `train/owl/1.jpg` or `owl/1.jpg`.
        plan: the plan of the split.
        num_parts: the number of parts.
        seed: seed of the split in a `splits.json`.
        pool: the training images.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if it holds no split of these images, or one of another plan or number of parts.

    Example:
        >>> import tempfile
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> pool = ArrayImages(np.zeros((4, 8, 8), np.uint8), np.array([0, 0, 1, 1]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "parts.json").write_text("[[3, 0], [1, 2]]")
        ...     read_split(Path(folder, "parts.json"), "disjoint", 2, 0, pool).train_indices(0).tolist()
        [0, 3]
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.txt"))
        if not files or pool.paths is None:
            raise ValueError(f"Expected {path} to hold a text file of names for each part, and images that have names.")
        lists = {str(file): read_names(file) for file in files}
        depth = 1 + next(iter(lists.values()))[0].count("/")
        names = ["/".join(file.parts[-depth:]) for file in pool.paths]
        split = given_parts(list(parts_from_names(lists, names).values()), pool.labels, plan, pool.groups)
    elif path.suffix.lower() == ".json" and path.is_file() and _is_ours(path):
        splits = load_splits(path, pool.labels, pool.groups)
        found = splits if len(splits) == 1 else [split for split in splits if split.seed == seed]
        if not found:
            seeds = ", ".join(str(split.seed) for split in splits)
            raise ValueError(f"Expected {path} to hold a split of seed {seed}, got those of {seeds}.")
        split = found[0]
    else:
        split = given_parts(_pool_parts(path, pool), pool.labels, plan, pool.groups)
    if (split.plan, split.num_parts) != (plan, num_parts):
        raise ValueError(
            f"Expected `plan` and `num_parts` of {path}, {split.plan!r} and {split.num_parts}, got {plan!r} and "
            f"{num_parts}."
        )
    left = len(pool) - sum(part.size for part in split.parts)
    if left and plan == "disjoint":
        rank_zero_warn(f"{left} of {len(pool)} training images are in no part of {path}.")
    return split


def _pool_parts(path: Path, pool: LabelledImages) -> list[Indices]:
    """Return the parts in a file of index arrays, which are rows of the table where the images are listed in one."""
    if pool.numbers is None:
        return read_parts(path, len(pool))
    place = np.full(pool.num_listed, -1)
    place[pool.numbers] = np.arange(len(pool))
    parts = read_parts(path, pool.num_listed)
    for number, part in enumerate(parts):
        lost = part[place[part] < 0]
        if lost.size:
            raise ValueError(
                f"Expected the parts in {path} to hold rows of training images, got {lost.size} others in part "
                f"{number}, the first row {lost[0]}, counted from 0 below the header."
            )
    return [np.sort(place[part]) for part in parts]


def _is_ours(path: Path) -> bool:
    # positions and flags hold no braces
    return b"{" in path.read_bytes()[:1000]


def _positions(part: Indices, number: int, num_images: int) -> Indices:
    if part.ndim != 1 or not part.size:
        raise ValueError(f"Expected part {number} to be a list of positions or flags, got shape {part.shape}.")
    if part.dtype == np.bool_:
        if part.size != num_images or not part.any():
            raise ValueError(
                f"Expected part {number} to flag some of {num_images} images, got {part.size} flags, {part.sum()} true."
            )
        return np.flatnonzero(part)
    if not np.issubdtype(part.dtype, np.integer):
        raise TypeError(f"Expected part {number} to hold integers or flags, got {part.dtype}.")
    values, counts = np.unique(part.astype(np.int64), return_counts=True)
    if values[0] < 0 or values[-1] >= num_images:
        odd = values[0] if values[0] < 0 else values[-1]
        raise ValueError(f"Expected part {number} to hold positions 0 to {num_images - 1}, got {odd}.")
    if counts.max() > 1:
        raise ValueError(f"Expected part {number} to hold each position once, got {values[counts.argmax()]} again.")
    return values


def _part_name(value: object, row: int) -> str:
    missing = value is None or (isinstance(value, float) and np.isnan(value)) or value == ""
    if missing:
        raise ValueError(f"Expected a part in every row, got none in row {row}.")
    return str(value)
