"""The images that a table lists, with labels, sets and groups, checked before any of them is read."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightning_spx.data.splits import Indices
from lightning_spx.data.table_boxes import read_boxes
from lightning_spx.data.table_file import TEXT, Table, read_table
from lightning_spx.data.table_labels import TableLabels, read_classes, read_findings, read_joined_findings
from lightning_spx.data.table_paths import file_samples, file_sizes, inside_root, similar_file
from lightning_spx.data.table_repeats import labelled_rows, rows_of_images
from lightning_spx.data.table_sets import TEST, VALIDATION, Sets, check_groups, check_trained, draw_test, read_sets
from lightning_spx.data.table_settings import TableSettings
from lightning_spx.data.table_spelling import NOTHING, check_spellings


@dataclass(frozen=True)
class TableRows:
    """Rows of a table whose files exist, as flat arrays of length n.

    Args:
        root: folder of the files.
        paths: files relative to `root`.
        labels: names and labels.
        sets: the set of each row.
        groups: the group of each row, or None.
        frames: the page, slice or frame of the file, -1 for the only one; None without such a column.
        masks: the mask's file relative to `root`, empty for none; None without such a column.
        boxes: (n, 4) left, top, width and height, NaN for none; None without such a column.
        sizes: (n, 2) bytes of the image's and of the mask's file, 0 without a mask.
        numbers: number of each row in the table, from 0 for the first below the header.
        num_listed: number of rows in the table.

    Rows are in the order of their files, whatever their order in the table, so that a table that was sorted anew gives
    the same test and parts.
    """

    root: Path
    paths: "pd.Series[str]"
    labels: TableLabels
    sets: Sets
    groups: NDArray[np.str_] | None
    frames: NDArray[np.int64] | None
    masks: "pd.Series[str] | None"
    boxes: NDArray[np.float64] | None
    sizes: NDArray[np.int64]
    numbers: NDArray[np.int64]
    num_listed: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.sets)

    def take(self, rows: Indices) -> "TableRows":
        """Return some of the rows, in their order."""
        return TableRows(
            self.root,
            self.paths.iloc[rows].reset_index(drop=True),
            TableLabels(self.labels.names, self.labels.labels[rows]),
            self.sets[rows],
            None if self.groups is None else self.groups[rows],
            None if self.frames is None else self.frames[rows],
            None if self.masks is None else self.masks.iloc[rows].reset_index(drop=True),
            None if self.boxes is None else self.boxes[rows],
            self.sizes[rows],
            self.numbers[rows],
            self.num_listed,
        )

    def fingerprint(self) -> str:
        """Return a SHA-256 of what the rows say and of sizes and samples of their files, whatever other columns say."""
        digest = hashlib.sha256(repr(self.labels.names).encode())
        for texts in (self.paths, self.masks, self.groups):
            # lengths, so that no two lists of texts are the same bytes
            each = [] if texts is None else [f"{len(text)} {text}" for text in texts.tolist()]
            digest.update("\n".join([str(len(each)), *each]).encode("utf-8", "surrogatepass"))
        # a number for NaN, which may have any bits
        labels = np.nan_to_num(self.labels.labels.astype("<f8"), nan=-1.0)
        frames = np.empty(0) if self.frames is None else self.frames
        boxes = np.empty(0) if self.boxes is None else np.nan_to_num(self.boxes, nan=-1.0)
        for numbers in (labels, self.sets, frames, boxes, self.sizes):
            digest.update(f"{numbers.shape}".encode() + np.ascontiguousarray(numbers, "<f8").tobytes())
        # files without compression keep their size when other pixels are written to them
        digest.update(b"".join(file_samples(self.root, self.paths.drop_duplicates().tolist())))
        return digest.hexdigest()


def read_rows(settings: TableSettings) -> TableRows:
    """Read a table and find its files.

    Raises:
        FileNotFoundError: the table, a mask, all images, or with `strict` any image is missing.
        ValueError: a cell has no meaning, an image is listed with two meanings, or a set or class has no image.
    """
    table = read_table(settings.table, settings.wanted(), settings.columns, settings.delimiter)
    lines = table.numbers
    table = labelled_rows(table, settings)
    paths, frames = _images(table, settings)
    order = np.lexsort((np.zeros(len(paths)) if frames is None else frames, paths.to_numpy(np.str_)))
    table, paths = table.take(order), paths.iloc[order].reset_index(drop=True)
    frames = None if frames is None else frames[order]
    keys = paths if frames is None else paths + " frame " + pd.Series(frames.astype(str), dtype=TEXT)
    kept = rows_of_images(table, keys, own=[*settings.wanted()["path"], *settings.wanted().get("frame", [])])
    if len(kept) < len(keys):
        table, paths = table.take(kept), paths.iloc[kept].reset_index(drop=True)
        frames = None if frames is None else frames[kept]
    labels = _labels(table, settings)
    groups = None if settings.group is None else _groups(table, settings.group)
    if groups is None and frames is not None:
        # slices of one volume are images of one patient
        groups = np.array(paths.tolist(), np.str_)
    if settings.split is None:
        sets = draw_test(labels.labels, settings.test_fraction, groups)
    else:
        sets = _given_sets(table, settings.split)
        if groups is not None:
            check_groups(sets, groups, table.place)
    masks = None
    if settings.mask is not None:
        found = inside_root(table.cells[settings.mask].tolist(), settings.root, "mask", table.place)
        masks = pd.Series(found, dtype=TEXT)
    boxes = None
    if settings.box is not None:
        boxes = read_boxes([table.cells[name] for name in settings.wanted()["box"]], table.place)
    rows = TableRows(
        settings.root,
        paths,
        labels,
        sets,
        groups,
        frames,
        masks,
        boxes,
        sizes=np.zeros((len(paths), 2), np.int64),
        numbers=np.searchsorted(lines, table.numbers).astype(np.int64),
        num_listed=len(lines),
    )
    rows = _present(rows, table, settings)
    check_trained(rows.labels, rows.sets)
    if not (rows.sets == TEST).any():
        raise ValueError(f"Expected test rows in {settings.table}, got none: name them `test`, or leave `split` out.")
    return rows


def _images(table: Table, settings: TableSettings) -> "tuple[pd.Series[str], NDArray[np.int64] | None]":
    """Return the file of each row, and its frame."""
    names = table.cells[settings.path]
    if (names == "").any():
        row = int((names == "").to_numpy(bool).argmax())
        raise ValueError(f"Expected a file's name in every row, got an empty cell in {table.place(row)}.")
    paths = inside_root((names + settings.suffix).tolist(), settings.root, "path", table.place)
    frames = None if settings.frame is None else _frames(table.cells[settings.frame], table.place)
    return pd.Series(paths, dtype=TEXT), frames


def _frames(cells: "pd.Series[str]", place: Callable[[int], str]) -> NDArray[np.int64]:
    codes, found = pd.factorize(cells)
    numbers = []
    for number, text in enumerate(map(str, found)):
        plain = text.removesuffix(".0")
        if text and not (plain.isascii() and plain.isdigit() and len(plain) < 10):
            row = place(int(np.argmax(codes == number)))
            raise ValueError(f"Expected a `frame` to be a number from 0 or an empty cell, got {text!r} in {row}.")
        numbers.append(int(plain) if text else -1)
    return np.array(numbers, np.int64)[codes]


def _labels(table: Table, settings: TableSettings) -> TableLabels:
    if isinstance(settings.label, list):
        columns = {name: table.cells[name] for name in settings.label}
        return read_findings(columns, table.place, settings.uncertain, settings.unmentioned)
    cells = table.cells[settings.label]
    if settings.separator is not None:
        return read_joined_findings(cells, table.place, settings.separator, settings.no_finding)
    return read_classes(cells, table.place, settings.threshold)


def _groups(table: Table, name: str) -> NDArray[np.str_]:
    codes, found = pd.factorize(table.cells[name])
    empty = np.array([text == "" or text.casefold() in NOTHING for text in map(str, found)])[codes]
    if empty.any():
        row = int(empty.argmax())
        raise ValueError(
            f"Expected a group in every row, got {empty.sum()} of {len(empty)} without, the first in "
            f"{table.place(row)} ({str(table.cells[name].iloc[row])!r}): an image of its own needs a name of its own."
        )
    check_spellings(map(str, found), "group")
    return np.array(table.cells[name].tolist(), np.str_)


def _given_sets(table: Table, name: str) -> Sets:
    sets = read_sets(table.cells[name], table.place)
    if (sets == TEST).any() or not (sets == VALIDATION).any():
        return sets
    warnings.warn(
        f"The validation rows of {table.path} are the test, because its column {name!r} names no test.", stacklevel=2
    )
    return np.where(sets == VALIDATION, np.int8(TEST), sets)


def _present(rows: TableRows, table: Table, settings: TableSettings) -> TableRows:
    """Return the rows whose images exist, with the sizes of their files."""
    sizes = rows.sizes.copy()
    sizes[:, 0] = _sizes(rows.root, rows.paths)
    if rows.masks is not None:
        sizes[:, 1] = np.where(rows.masks == "", 0, _sizes(rows.root, rows.masks))
        lost = np.flatnonzero(sizes[:, 1] < 0)
        if lost.size:
            raise FileNotFoundError(
                f"Expected all masks that {table.path} names, {lost.size} of {(rows.masks != '').sum()} do not exist, "
                f"the first {rows.root / rows.masks[lost[0]]} in {table.place(int(lost[0]))}."
            )
    there = sizes[:, 0] >= 0
    found = replace(rows, sizes=sizes)
    if there.all():
        return found
    lost = np.flatnonzero(~there)
    first = rows.root / rows.paths[lost[0]]
    said = f"{lost.size} of {len(rows)} do not exist, the first {first} in {table.place(int(lost[0]))}."
    if settings.strict or not there.any():
        raise FileNotFoundError(f"Expected all images that {table.path} names, {said}{similar_file(first)}")
    warnings.warn(f"Left out images that are listed and absent: {said}", stacklevel=2)
    return found.take(np.flatnonzero(there))


def _sizes(root: Path, names: "pd.Series[str]") -> NDArray[np.int64]:
    codes, found = pd.factorize(names)
    return file_sizes(root, list(map(str, found)))[codes]
