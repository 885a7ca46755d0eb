"""Per-image values on disk: one file per finished block, a shard of images under one method, the unit of resume."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lightning_spx.evaluation.run_folder import RunFolder, file_name, write_atomic

Kind = Literal["per_image", "localisation", "sanity"]
# in the files' metadata: which study, with which weights, the values are of
STUDY_KEY = b"spx.study"


@dataclass(frozen=True)
class Block:
    """The files of one method on one shard of images in one repeat.

    Args:
        repeat: number of the repeat.
        shard: number of the shard.
        method: the method's name in tables.
    """

    repeat: int
    shard: int
    method: str

    def path(self, run: RunFolder, kind: Kind) -> Path:
        """The block's file of values of a kind; the one of `per_image` is written last and says that all are there."""
        return run.path / kind / f"repeat{self.repeat}_shard{self.shard:04d}_{file_name(self.method)}.parquet"

    def is_missing(self, run: RunFolder) -> bool:
        """Whether the block is still to be made."""
        return not self.path(run, "per_image").is_file()

    def write(self, run: RunFolder, kind: Kind, values: pd.DataFrame, study: str) -> None:
        """Write rows of `compare`, whole or not at all, with the name of their study.

        Args:
            run: of the study.
            kind: of the values.
            values: the rows.
            study: differs for other settings, data or weights.
        """
        rows = values.assign(method=self.method, repeat=self.repeat)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), STUDY_KEY: study.encode()})
        write_atomic(self.path(run, kind), lambda path: pq.write_table(table, path, write_page_checksum=True))

    def check(self, run: RunFolder, kind: Kind, study: str) -> None:
        """Raise a ValueError that names the block's file unless it is whole and of the study."""
        path = self.path(run, kind)
        advice = "Remove it and start the study again."
        try:
            found = (pq.read_schema(path).metadata or {}).get(STUDY_KEY, b"").decode()
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"Expected the values of a study in {path}, got a damaged file. {advice}") from error
        if found != study:
            raise ValueError(
                f"Expected {path} to be of the settings, data and weights of this study, got another's. {advice}"
            )


def read_rows(paths: Sequence[Path], metric: str = "", setting: str = "") -> Iterator[pd.DataFrame]:
    """Read blocks one after the other, so that memory holds one of them.

    Args:
        paths: files of blocks.
        metric: read the rows of this metric; empty: all.
        setting: of the metric.

    Yields:
        The rows of each file, in their order.

    Raises:
        ValueError: a file is damaged; names it.
    """
    wanted = [("metric", "==", metric), ("setting", "==", setting)] if metric else None
    for path in paths:
        try:
            table = pq.read_table(path, filters=wanted, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"Expected the values of a study in {path}, got a damaged file. Remove it and start the study again."
            ) from error
        yield table.to_pandas()


def study_name(*facts: object) -> str:
    """Write what a study's numbers depend on as one text, the same for equal facts.

    Example:
        >>> study_name({"seed": 0}, ["a"]) == study_name({"seed": 0}, ["a"])
        True
    """
    return json.dumps(facts, sort_keys=True, default=str)
