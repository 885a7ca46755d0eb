"""A data module of a table, and which rows it takes."""

from pathlib import Path
from typing import Any

import pandas as pd

from lightning_spx.data import TableDataModule
from lightning_spx.data.table_images import TableImages
from tests.data.table_folder import SIDE


def table_data(table: Path, **settings: object) -> TableDataModule:
    arguments: dict[str, Any] = {"image_size": SIDE, "batch_size": 4, "val_fraction": 0.0, **settings}
    return TableDataModule(table, **arguments)


def listed(images: TableImages) -> list[str]:
    return images.rows.paths.tolist()


def of_table(data: TableDataModule) -> tuple[TableImages, TableImages]:
    pool, test = data.pool(), data.test()
    assert isinstance(pool, TableImages)
    assert isinstance(test, TableImages)
    return pool, test


def numbers(data: TableDataModule) -> tuple[list[int], list[int]]:
    """The numbers of the rows in the pool and the test."""
    pool, test = ([int(Path(name).stem) for name in listed(images)] for images in of_table(data))
    return pool, test


def save(table: Path, rows: pd.DataFrame) -> Path:
    rows.to_csv(table, index=False)
    return table
