"""Reads a table of images, CSV, TSV or Parquet, with every cell as the text that it is."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

# what separates the cells of text files, the usual ones first
DELIMITERS = (",", ";", "\t", "|", " ")
PROBED_ROWS = 20
ROWS_AT_ONCE = 10_000
# a table of names and labels with ten million rows is smaller; far above it, the file is something else
MOST_BYTES = 2**32
MOST_ROWS = 2**26
TEXT = "string[pyarrow]"
BEGINNINGS = {
    b"PK": "a ZIP file, such as an Excel workbook: save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save it as CSV",
    b"\x1f\x8b": "compressed: unpack it",
    b"\x89HDF": "an HDF5 file: save it as CSV or Parquet",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
}


@dataclass(frozen=True)
class Table:
    """Some columns of a table as text without surrounding spaces; an empty cell is an empty text.

    Args:
        path: the file.
        cells: the columns by name, all of the same length n.
        numbers: (n,) where each row is in the file, from 1.
        unit: what `numbers` count: lines of a text file, or rows of a Parquet file.
    """

    path: Path
    cells: "dict[str, pd.Series[str]]"
    numbers: NDArray[np.int64]
    unit: Literal["line", "row"] = "line"

    def place(self, row: int) -> str:
        """Return where a row is, for a message."""
        return f"{self.unit} {self.numbers[row]} of {self.path}"

    def take(self, rows: NDArray[np.int64]) -> "Table":
        """Return some of the rows, in their order."""
        cells = {name: column.iloc[rows].reset_index(drop=True) for name, column in self.cells.items()}
        return Table(self.path, cells, self.numbers[rows], self.unit)


def read_table(
    path: Path, wanted: Mapping[str, Sequence[str]], names: Sequence[str] | None = None, delimiter: str | None = None
) -> Table:
    r"""Read the columns that settings name.

    Nothing is parsed: 00012 stays 00012, and NA stays NA. A text file is UTF-8 with or without a byte order mark, with
    any line ends, quoted as in RFC 4180; empty rows are skipped. Parquet is recognized by its content; its numbers,
    flags, categories and decimals become text, a whole number without decimals.

    Args:
        path: the file.
        wanted: the names of columns that each setting has, such as `{"label": ["finding"]}`.
        names: names of all columns of a text file without a header; None takes the first row as names.
        delimiter: what separates cells: a comma, a semicolon, a tab, `|`, or a space for any number of them. None takes
            the one with which the file has the wanted columns.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no table, has no row, lacks a column or has it twice, or a row has more or fewer cells.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "cells.csv")
        ...     _ = path.write_text("path;label\r\n00012.png;NA\r\n")
        ...     table = read_table(path, {"path": ["path"], "label": ["label"]})
        ...     table.cells["label"].tolist(), table.numbers.tolist()
        (['NA'], [2])
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a table at {path}, found {'a folder' if path.is_dir() else 'none'}.")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"Expected the table {path} to have at most {MOST_BYTES} bytes, got {path.stat().st_size}.")
    with path.open("rb") as file:
        beginning = file.read(2**16)
    if beginning.startswith(b"PAR1"):
        return _read_parquet(path, wanted, names)
    kind = next((kind for start, kind in BEGINNINGS.items() if beginning.startswith(start)), "")
    if kind or b"\0" in beginning:
        raise ValueError(f"Expected the table {path} to be UTF-8 text or Parquet, it is {kind or 'binary'}.")
    try:
        return _read_text(path, wanted, names, delimiter)
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 1].hex()
        raise ValueError(
            f"Expected the table {path} to be UTF-8 text, got the byte 0x{found}: save it as UTF-8."
        ) from error


def _read_text(
    path: Path, wanted: Mapping[str, Sequence[str]], names: Sequence[str] | None, delimiter: str | None
) -> Table:
    own = delimiter or _find_delimiter(path, wanted, names)
    records = _records(path, own, strict=True)
    header = list(names) if names is not None else [name.strip() for name in next(records, (0, []))[1]]
    if not header:
        raise ValueError(f"Expected the table {path} to have a header and rows, it is empty.")
    used = _check_columns(path, wanted, header)
    places = [header.index(name) for name in used]
    parts: list[list[pa.Array]] = [[] for _ in used]
    lines: list[NDArray[np.int64]] = []
    while block := list(islice(records, ROWS_AT_ONCE)):
        # a space may follow the last cell of a row whose cells are aligned by spaces
        rows = [row[:-1] if own == " " and row[-1] == "" else row for _, row in block]
        for (line, _), row in zip(block, rows, strict=True):
            if names is not None and not lines and [cell.strip() for cell in row] == header:
                raise ValueError(f"Expected `columns` only without a header, but line {line} of {path} repeats them.")
            if len(row) != len(header):
                raise ValueError(
                    f"Expected {len(header)} cells in line {line} of {path}, as many as "
                    f"{'`columns`' if names is not None else 'in the header'}, got {len(row)}, separated by {own!r}."
                )
        for part, place in zip(parts, places, strict=True):
            part.append(pa.array([row[place] for row in rows], pa.string()))
        lines.append(np.array([line for line, _ in block], np.int64))
    if not lines:
        raise ValueError(f"Expected the table {path} to have rows below its header, got none.")
    cells = {name: _series(pa.chunked_array(part)) for name, part in zip(used, parts, strict=True)}
    return Table(path, cells, np.concatenate(lines))


def _records(path: Path, delimiter: str, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of every row that has any text."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=strict)
        try:
            for row in reader:
                # Excel's own line that names the delimiter
                if reader.line_num == 1 and "".join(row).strip('"').startswith("sep=") and len(row) <= 2:
                    continue
                # spreadsheets write rows of empty cells
                if any(row) and any(map(str.strip, row)):
                    yield reader.line_num, row
        except csv.Error as error:
            raise ValueError(f"Expected {path} to be a table, but at line {reader.line_num}: {error}.") from error


def _find_delimiter(path: Path, wanted: Mapping[str, Sequence[str]], names: Sequence[str] | None) -> str:
    needed = {name for some in wanted.values() for name in some}
    widths: dict[str, int] = {}
    for delimiter in DELIMITERS:
        try:
            probed = [row for _, row in islice(_records(path, delimiter, strict=False), PROBED_ROWS)]
        except UnicodeDecodeError:
            raise
        except ValueError:
            # a quote in a cell of another delimiter may open a cell that is too long
            continue
        header = [name.strip() for name in probed[0]] if probed else []
        if names is None and needed <= set(header):
            return delimiter
        if names is not None and all(len([*filter(None, row)]) == len(names) for row in probed):
            return delimiter
        widths[delimiter] = len(header)
    # the message about the missing columns names what there is
    return max(widths, key=lambda each: widths[each], default=",")


def _read_parquet(path: Path, wanted: Mapping[str, Sequence[str]], names: Sequence[str] | None) -> Table:
    if names is not None:
        raise ValueError(f"Expected `columns` only for a text file without a header, got it with Parquet, {path}.")
    try:
        file = pq.ParquetFile(path)
        rows, header = file.metadata.num_rows, list(file.schema_arrow.names)
        used = _check_columns(path, wanted, header)
        if not 0 < rows <= MOST_ROWS:
            raise ValueError(f"Expected the table {path} to have 1 to {MOST_ROWS} rows, got {rows}.")
        read = file.read(columns=used)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"Expected {path} to be a readable Parquet file: {' '.join(str(error).split())}") from error
    cells = {name: _series(_as_text(path, name, read.column(name))) for name in used}
    return Table(path, cells, np.arange(1, rows + 1), "row")


def _as_text(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text, where a missing value stays missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        # pandas writes NaN for a missing number
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        if pa.types.is_nested(column.type) or "binary" in str(column.type):
            raise pa.ArrowInvalid("they have no text")
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise ValueError(
            f"Expected text or numbers in the column {name!r} of {path}, got values of the type {column.type}."
        ) from error


def _series(column: pa.ChunkedArray) -> "pd.Series[str]":
    """Return cells as text without surrounding spaces, where a missing value is an empty text."""
    return pd.Series(pd.array(pc.utf8_trim_whitespace(pc.fill_null(column, "")), dtype=TEXT))


def _check_columns(path: Path, wanted: Mapping[str, Sequence[str]], header: Sequence[str]) -> list[str]:
    """Return the wanted names, each once, or refuse those that are not there."""
    for setting, names in wanted.items():
        for name in names:
            if name not in header:
                raise ValueError(
                    f"Expected a column {name!r} in {path}, it has {_named(name, header)}: set `{setting}`, or "
                    "`columns` if the file has no header."
                )
            if list(header).count(name) > 1:
                raise ValueError(
                    f"Expected one column {name!r} in {path}, got {list(header).count(name)}: rename them."
                )
    return list(dict.fromkeys(name for names in wanted.values() for name in names))


def _named(name: str, header: Sequence[str]) -> str:
    """Return the names that there are, the most similar first."""

    def likeness(other: str) -> float:
        return SequenceMatcher(None, name.casefold(), other.casefold()).ratio()

    shown = sorted(dict.fromkeys(filter(None, header)), key=likeness, reverse=True)
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return ", ".join(repr(each[:60]) for each in shown[:10]) + more
