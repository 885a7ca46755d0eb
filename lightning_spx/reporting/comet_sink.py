"""What Comet takes: pictures, tables and folders as assets, and sentences beside the numbers."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import CometLogger
from PIL import Image

from lightning_spx.reporting.sink import Picture, Sink


class CometSink(Sink[CometLogger]):
    """Sends pictures, tables and folders as assets of the experiment, online or offline.

    Raises:
        RuntimeError: the experiment is disabled, so whatever it is sent is lost.
    """

    def __init__(self, logger: CometLogger) -> None:
        super().__init__(logger)
        if logger.experiment.disabled:
            raise RuntimeError(
                "Expected an experiment that keeps what it is sent, got a disabled one, as Lightning 2.6 makes it for "
                "`online=False`: call `comet_ml.start(online=False)` first, and `CometLogger()` without it."
            )

    def text(self, name: str, text: str) -> None:
        """Send the sentence to the experiment's other values."""
        self.logger.experiment.log_other(name, text)

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Send the table."""
        self.logger.experiment.log_table(f"{name}.csv", table, index=False)

    def picture(self, name: str, draw: Callable[[], Picture], step: int | None) -> None:
        """Send the picture."""
        self.logger.experiment.log_image(Image.fromarray(draw()), name, step=step)

    def folder(self, name: str, folder: Path) -> None:
        """Send the files, under the folder's own name."""
        self.logger.experiment.log_asset_folder(str(folder), log_file_name=True, recursive=True)
