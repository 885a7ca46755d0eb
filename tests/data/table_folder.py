"""A table of small images of two classes, in sessions of three, with masks."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.data.picture import picture

SIDE = 16
OBJECT = slice(4, 12), slice(2, 8)
NUM_ROWS = 30


def make_table(folder: Path, num_rows: int = NUM_ROWS) -> pd.DataFrame:
    """Write images and masks; row i has the picture of seed i, and as mask a part left of the middle."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[OBJECT] = 255
    rows = []
    for number in range(num_rows):
        Image.fromarray(picture(number)).save(folder / "images" / f"{number:05d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number:05d}.png")
        rows.append(
            {
                "path": f"images/{number:05d}.png",
                "label": ("crack", "NA")[number % 2],
                "session": f"{number // 3:03d}",
                "set": "test" if number >= 24 else "val" if number >= 18 else "train",
                "mask": f"masks/{number:05d}.png",
                "note": f"made, {number}",
            }
        )
    return pd.DataFrame(rows)


def write_table(folder: Path, num_rows: int = NUM_ROWS) -> Path:
    """Write the images and a CSV file that lists them."""
    table = folder / "cells.csv"
    rows = make_table(folder, num_rows)
    rows.to_csv(table, index=False)
    return table
