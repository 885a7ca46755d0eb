"""What a logger of Lightning takes: numbers and settings; the files beside this one say what some loggers take more."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.reporting.panels import map_grid, outline_segments

Picture = NDArray[np.uint8]
L = TypeVar("L", bound=Logger)


class Sink(Generic[L]):
    """Sends to one logger what every logger takes, and nothing of what only some show.

    Args:
        logger: of any kind, such as a user's own.
    """

    def __init__(self, logger: L) -> None:
        self.logger = logger

    def config(self, config: Mapping[str, object]) -> None:
        """Send the configuration."""
        self.logger.log_hyperparams(dict(config))

    def scalars(self, scalars: Mapping[str, float], step: int | None) -> None:
        """Send numbers, and save them at once as a Trainer does."""
        self.logger.log_metrics(dict(scalars), step)
        self.logger.save()

    def summary(self, values: Mapping[str, float], step: int | None) -> None:
        """Send the numbers at the end of a run."""
        self.scalars(values, step)

    def text(self, name: str, text: str) -> None:
        """Send a sentence."""

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Send a table."""

    def map_table(self, name: str, values: pd.DataFrame, pictures: Mapping[str, Sequence[Picture]]) -> None:
        """Send a table with pictures in its cells; a logger without such cells gets the values."""
        self.table(name, values)

    def picture(self, name: str, draw: Callable[[], Picture], step: int | None) -> None:
        """Send a picture (H, W, 3), which only a logger that shows it needs to draw; None is no step of a training."""

    def segmented(
        self, name: str, images: Tensor, segments: Mapping[str, Tensor], captions: Sequence[str], step: int
    ) -> None:
        """Send photos with segments, as one picture with their borders."""
        self.picture(name, partial(_outlined, images, segments), step)

    def folder(self, name: str, folder: Path) -> None:
        """Send a folder of files."""

    def finish(self) -> None:
        """Say that the run has ended successfully."""
        self.logger.finalize("success")


def without_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with None for missing values: NaN is not valid JSON, and a column of texts must not hold a float.

    Example:
        >>> without_gaps(pd.DataFrame({"value": [0.5, float("nan")]}))["value"].tolist()
        [0.5, None]
    """
    return table.astype(object).where(table.notna(), None)


def _outlined(images: Tensor, segments: Mapping[str, Tensor]) -> Picture:
    return map_grid({"image": images, **{name: outline_segments(images, ids) for name, ids in segments.items()}})
