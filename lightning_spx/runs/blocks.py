"""Keeps per-image values on disk in checked files that name their study; a study resumes block by block."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lightning_spx.runs.files import file_name, write_atomic
from lightning_spx.runs.folder import RunFolder

Kind = Literal["per_image", "localisation", "sanity"]
# in the files' metadata: the study, with its weights, that the values belong to
STUDY_KEY = b"spx.study"
# in the files' metadata: where the values were made
ENVIRONMENT_KEY = b"spx.place"
ADVICE = "Remove it and start the study again."
VARIANTS = ("value", "permuted", "mismatched")
# column of the agreement of each model's map with its own under another seed of the method; earlier files lack it
CEILING = "ceiling"
# columns of words
WORDS = ("pair", "superpixels", "magnitude", "metric", "setting", "method", "plan")
# rows of every kind have these columns
COLUMNS = (
    *("method", "repeat", "pair", "superpixels", "magnitude", "metric", "setting", "index", "agree", "differ"),
    *("num_segments", *VARIANTS),
)


@dataclass(frozen=True)
class Block:
    """The files of one method on one shard of images in one repeat of a plan.

    Args:
        repeat: number of the repeat.
        shard: number of the shard.
        method: the method's name in tables.
        plan: name of the plan if the study has several, else empty.
    """

    repeat: int
    shard: int
    method: str
    plan: str = ""

    def path(self, run: RunFolder, kind: Kind) -> Path:
        """Return the block's file for a kind of values; `per_image` is written last and shows that all files exist."""
        first = f"{self.plan}-" if self.plan else ""
        return run.path / kind / f"{first}repeat{self.repeat}_shard{self.shard:04d}_{file_name(self.method)}.parquet"

    def is_missing(self, run: RunFolder) -> bool:
        """Return whether the block has yet to be made."""
        return not self.path(run, "per_image").is_file()

    def write(
        self, run: RunFolder, kind: Kind, values: pd.DataFrame, study: str, environment: Mapping[str, object]
    ) -> None:
        """Write rows of `compare`, whole or not at all, with the name of their study and where they were made.

        Args:
            run: the study's run folder.
            kind: kind of the values.
            values: the rows.
            study: name of the study, which differs for other settings, data or weights.
            environment: where the values were made, as `runs.environment` describes it.
        """
        rows = values.assign(method=self.method, repeat=self.repeat, plan=self.plan)
        write_rows(self.path(run, kind), rows, study, environment)

    def check(self, run: RunFolder, kind: Kind, study: str) -> dict[str, object]:
        """Return where the block was made; raise a ValueError that names its file if it is not of the study."""
        return check_rows(self.path(run, kind), study)


def write_rows(path: Path, rows: pd.DataFrame, study: str, environment: Mapping[str, object]) -> None:
    """Write per-image values, whole or not at all, with the name of their study and where they were made.

    Args:
        path: the file to write.
        rows: the values.
        study: name of the study, which differs for other settings, data or weights.
        environment: where the values were made, as `runs.environment` describes it.
    """
    table = pa.Table.from_pandas(rows, preserve_index=False)
    said = {STUDY_KEY: study.encode(), ENVIRONMENT_KEY: json.dumps(environment).encode()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **said})
    # few numbers occur twice, so a dictionary of them would take as long to read as the numbers do
    repeated = [field.name for field in table.schema if not pa.types.is_floating(field.type)]

    def write(part: Path) -> None:
        with pq.ParquetWriter(part, table.schema, write_page_checksum=True, use_dictionary=repeated) as writer:
            for group in _by_number(table, rows):
                writer.write_table(group)

    write_atomic(path, write)


def _by_number(table: pa.Table, rows: pd.DataFrame) -> Iterator[pa.Table]:
    """Yield the rows of each metric and setting, which are read alone."""
    if not len(rows) or not {"metric", "setting"} <= set(rows.columns):
        yield table
        return
    numbers = rows.groupby(["metric", "setting"], sort=False, observed=True, dropna=False).ngroup().to_numpy()
    for number in range(numbers.max() + 1):
        yield table.filter(pa.array(numbers == number))


def check_rows(path: Path, study: str) -> dict[str, object]:
    """Return where a file of per-image values was made.

    Raises:
        ValueError: the file is damaged, belongs to another study, or names none; the error names the file.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    if metadata.get(STUDY_KEY, b"").decode() != study:
        got = f"another's. {ADVICE}"
        if STUDY_KEY not in metadata:
            # as all files of a trade-off of an earlier version
            got = (
                f"a file that does not say of which study it is. Remove the folder {path.parent} and start the study "
                "again: trained models are kept."
            )
        raise ValueError(f"Expected {path} to be of the settings, data and weights of this study, got {got}")
    environment: dict[str, object] = json.loads(metadata.get(ENVIRONMENT_KEY, b"{}"))
    return environment


def files_of(folder: Path, method: str, plan: str = "") -> dict[Path, int]:
    """List a method's files in a run's `per_image/`, sorted, each with the number of its repeat.

    Args:
        folder: with the files.
        method: the method's name in tables.
        plan: name of the plan if the study has several, else empty.
    """
    first = f"{plan}-" if plan else ""
    name = re.compile(rf"{first}repeat(\d+)_shard\d+_{re.escape(file_name(method))}\.parquet")
    found = {path: name.fullmatch(path.name) for path in sorted(folder.iterdir())}
    return {path: int(match[1]) for path, match in found.items() if match}


def read_rows(
    paths: Sequence[Path], metric: str = "", setting: str = "", columns: Sequence[str] = COLUMNS
) -> Iterator[pd.DataFrame]:
    """Read blocks one after the other, so that memory holds only one of them.

    Args:
        paths: files of blocks.
        metric: read only the rows of this metric; empty reads all.
        setting: setting of the metric.
        columns: columns that each file must have.

    Yields:
        The rows of each file, in the files' order. Those of earlier versions get an empty column `plan`.

    Raises:
        ValueError: a file is damaged; the error names it.
    """
    wanted = [("metric", "==", metric), ("setting", "==", setting)] if metric else None
    for path in paths:
        try:
            table = pq.read_table(path, filters=wanted, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        _check_columns(path, table.column_names, columns)
        rows = table.to_pandas()
        yield rows if "plan" in rows else rows.assign(plan="")


def read_number(paths: Sequence[Path], metric: str, setting: str) -> Iterator[pd.DataFrame]:
    """Read the rows of one metric and setting, several times as fast as `read_rows`, with words as categories.

    Raises:
        ValueError: a file is damaged; the error names it.
    """
    for path in paths:
        try:
            said = pq.read_metadata(path)
            _check_columns(path, said.schema.names, COLUMNS)
            # earlier versions have no plan
            words = [name for name in WORDS if name in said.schema.names]
            with pq.ParquetFile(path, metadata=said, read_dictionary=words, page_checksum_verification=True) as file:
                numbers = [_read(file, [group], ["metric", "setting"]) for group in range(file.num_row_groups)]
                # not by the statistics of a group, because no checksum covers them
                which = [((each["metric"] == metric) & (each["setting"] == setting)).to_numpy() for each in numbers]
                groups = [group for group, flags in enumerate(which) if flags.any()]
                rows = _read(file, groups)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        flags = np.concatenate([which[group] for group in groups]) if groups else np.zeros(0, bool)
        rows = rows if flags.all() else rows[flags]
        yield rows if "plan" in rows else rows.assign(plan="")


def read_first(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Read some columns of the first metric's rows in each block; columns that a file lacks are left out.

    Raises:
        ValueError: a file is damaged; the error names it.
    """
    for path in paths:
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                yield _read(file, [0], [name for name in columns if name in file.schema_arrow.names])
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error


def in_all(paths: Sequence[Path], columns: Sequence[str]) -> set[tuple[str, ...]]:
    """Return the words that some columns have together in every block: earlier versions wrote fewer.

    Raises:
        ValueError: a file is damaged; the error names it.
    """
    found: list[set[tuple[str, ...]]] = []
    for path in paths:
        try:
            with pq.ParquetFile(path, read_dictionary=list(columns), page_checksum_verification=True) as file:
                rows = _read(file, range(file.num_row_groups), columns)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        found.append(set(rows.drop_duplicates().astype(str).itertuples(index=False, name=None)))
    return set.intersection(*found) if found else set()


def _read(file: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read groups of rows; what a file keeps as a dictionary becomes categories."""
    table = file.read_row_groups(list(groups), None if columns is None else list(columns), use_threads=False)
    read: dict[str, object] = {}
    for name, column in zip(table.column_names, table.unify_dictionaries().columns, strict=True):
        if pa.types.is_dictionary(column.type):
            codes = np.concatenate([np.zeros(0, np.int32), *(chunk.indices.to_numpy() for chunk in column.chunks)])
            words = pd.Index(column.chunk(0).dictionary.to_pylist() if column.num_chunks else [])
            read[name] = pd.Categorical.from_codes(codes, words)
        else:
            read[name] = column.to_numpy()
    return pd.DataFrame(read, copy=False)


def _check_columns(path: Path, found: Sequence[str], columns: Sequence[str]) -> None:
    missing = sorted(set(columns) - set(found))
    if missing:
        raise _damaged(path, KeyError(f"no column {missing[0]}"))


def _damaged(path: Path, error: Exception) -> Exception:
    """Return the error to raise: a disk's error unchanged, or one that names the damaged file and says what to do."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return ValueError(f"Expected the values of a study in {path}, got a damaged file. {ADVICE}")


def study_name(*facts: object) -> str:
    """Write the facts that a study's numbers depend on as one text; equal facts give equal texts.

    Example:
        >>> study_name({"seed": 0}, ["a"]) == study_name({"seed": 0}, ["a"])
        True
    """
    return json.dumps(facts, sort_keys=True, default=str)
