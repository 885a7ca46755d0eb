"""Averages a study's per-image values over pairs of models, to show how they are distributed over the images."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from lightning_spx.reporting.image_values import ImageValues
from lightning_spx.reporting.rows import without_controls
from lightning_spx.runs.blocks import VARIANTS, read_number

KIND = ["superpixels", "magnitude"]
NULLS = ("permuted", "mismatched")


def image_values(paths: Sequence[Path], method: str, metric: str, setting: str) -> list[ImageValues]:
    """Read the blocks of one method, one after the other, and average each image over its pairs and repeats.

    Args:
        paths: blocks of the method.
        method: the method's name in tables.
        metric: which of its metrics, a mean over images.
        setting: setting of the metric.

    Returns:
        The pixel map and each S- map, without controls and without images that do not count. The floors are those of
        the null with the larger mean, as in `results.csv`.

    Raises:
        ValueError: a block is damaged; the error names it.
    """
    return image_means(read_number(paths, metric, setting), method)


def image_means(frames: Iterable[pd.DataFrame], method: str) -> list[ImageValues]:
    """Average the rows of one method and metric over pairs and repeats, image by image.

    Args:
        frames: rows of `compare`, some at a time.
        method: the method's name in tables.

    Example:
        >>> rows = pd.DataFrame({"superpixels": "pixel", "magnitude": "either", "index": [7, 7, 8],
        ...     "value": [0.2, 0.4, 0.5], "permuted": 0.0, "mismatched": [0.1, 0.3, 0.6]})
        >>> kind, = image_means([rows], "Gradient")
        >>> kind.values.round(3).tolist(), kind.floors.round(3).tolist()
        ([0.3, 0.5], [0.2, 0.6])
    """
    parts = []
    for frame in frames:
        counted = without_controls(frame).dropna(subset="value")
        part = counted.assign(count=1)[[*KIND, "index", "count", *VARIANTS]]
        # memory holds one block, and a row for each of its images and kinds of maps
        parts.append(part.groupby([*KIND, "index"], sort=False, observed=True).sum().reset_index())
    sums = pd.concat(parts) if parts else pd.DataFrame()
    if len(sums):
        sums = sums.groupby([*KIND, "index"], sort=False, observed=True).sum().reset_index()
    found = []
    for (superpixels, magnitude), of_kind in sums.groupby(KIND, sort=False, observed=True) if len(sums) else ():
        means = of_kind[list(VARIANTS)].div(of_kind["count"], axis=0)
        null = max(NULLS, key=lambda name: of_kind[name].to_numpy(float).sum())
        values, floors = means["value"].to_numpy(float), means[null].to_numpy(float)
        found.append(ImageValues(method, str(superpixels), str(magnitude), values, floors))
    return found
