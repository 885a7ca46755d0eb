"""What MLflow takes: pictures with steps, tables and folders as artifacts, and sentences as tags."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import MLFlowLogger

from lightning_spx.reporting.sink import Picture, Sink, without_gaps

# the most that MLflow takes in one call
METRICS_PER_CALL = 1000
# of all versions the smallest
LONGEST_TAG = 5000


class MlflowSink(Sink[MLFlowLogger]):
    """Sends pictures, tables and folders as artifacts of the run."""

    def scalars(self, scalars: Mapping[str, float], step: int | None) -> None:
        """Send the numbers but infinite ones, for which MLflow would store 1.8e308."""
        finite = [(name, value) for name, value in scalars.items() if not math.isinf(value)]
        for start in range(0, len(finite), METRICS_PER_CALL):
            super().scalars(dict(finite[start : start + METRICS_PER_CALL]), step)

    def text(self, name: str, text: str) -> None:
        """Set the sentence as a tag, shortened to what a tag holds."""
        shown = text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…"
        self.logger.experiment.set_tag(self.logger.run_id, name, shown)

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Send the table, to which MLflow appends if the run has one of this name already."""
        self.logger.experiment.log_table(self.logger.run_id, without_gaps(table), f"{name}.json")

    def picture(self, name: str, draw: Callable[[], Picture], step: int | None) -> None:
        """Send the picture: a row of steps under its name, or one file."""
        if step is None:
            self.logger.experiment.log_image(self.logger.run_id, draw(), f"{name}.png")
        else:
            self.logger.experiment.log_image(self.logger.run_id, draw(), key=name, step=step)

    def folder(self, name: str, folder: Path) -> None:
        """Send the files."""
        self.logger.experiment.log_artifacts(self.logger.run_id, str(folder), name)
