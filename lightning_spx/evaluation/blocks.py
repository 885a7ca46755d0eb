"""Per-image values on disk: one file per finished block, a pair of models under one method, the unit of resume."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import pandas as pd

from lightning_spx.evaluation.run_folder import RunFolder, file_name, write_atomic


@dataclass(frozen=True)
class Block:
    """The files of one method in one repeat.

    Args:
        repeat: number of the repeat.
        method: the method's name in tables.
        num_models: of the repeat; every pair of them has a file.
    """

    repeat: int
    method: str
    num_models: int

    def files(self, run: RunFolder) -> dict[str, Path]:
        """The file of each pair."""
        pairs = [f"{first}-{second}" for first, second in combinations(range(self.num_models), 2)]
        return {
            pair: run.path / "per_image" / f"repeat{self.repeat}_{pair}_{file_name(self.method)}.parquet"
            for pair in pairs
        }

    def is_missing(self, run: RunFolder) -> bool:
        """Whether a pair's file is still to be made."""
        return not all(path.is_file() for path in self.files(run).values())

    def write(self, run: RunFolder, values: pd.DataFrame) -> None:
        """Write each pair's rows of `compare` to its file, unless it is there."""
        labelled = values.assign(method=self.method, repeat=self.repeat)
        for pair, path in self.files(run).items():
            if not path.is_file():
                rows = labelled[labelled["pair"] == pair]
                write_atomic(path, partial(rows.to_parquet, index=False))


def read_blocks(run: RunFolder, blocks: Sequence[Block]) -> pd.DataFrame:
    """Read the per-image values of all blocks, in their order."""
    paths = [path for block in blocks for path in block.files(run).values()]
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
