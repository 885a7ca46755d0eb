"""What TensorBoard takes: pictures, and text for sentences and tables; it keeps no folders."""

from collections.abc import Callable

import pandas as pd
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_spx.reporting.sink import Picture, Sink


class TensorBoardSink(Sink[TensorBoardLogger]):
    """Sends pictures as images, and tables as text in Markdown."""

    def text(self, name: str, text: str) -> None:
        """Send the sentence."""
        self.logger.experiment.add_text(name, text)

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Send the table; a missing value is an empty cell."""
        self.logger.experiment.add_text(name, markdown_table(table))

    def picture(self, name: str, draw: Callable[[], Picture], step: int | None) -> None:
        """Send the picture."""
        self.logger.experiment.add_image(name, draw(), step, dataformats="HWC")


def markdown_table(table: pd.DataFrame) -> str:
    r"""Write a table in Markdown, with an empty cell for a missing value.

    Example:
        >>> print(markdown_table(pd.DataFrame({"class": ["a|b", None], "value": [0.25, float("nan")]})))
        | class | value |
        | --- | --- |
        | a\|b | 0.25 |
        |  |  |
    """
    rows = [
        list(map(str, table.columns)),
        ["---"] * len(table.columns),
        *([_cell(value) for value in row] for row in table.itertuples(index=False)),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(value: str | float | None) -> str:
    if pd.isna(value):
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
