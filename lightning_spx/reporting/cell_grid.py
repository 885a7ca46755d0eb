"""Cells of a figure at positions computed in advance; matplotlib's own layout takes seconds for as many."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

COLOURS = "inferno"
CELL = 1.35  # inches
GAP = 0.06
HEADING = 0.24
FONT = 8
LETTER = 0.072  # inches, of the title


class CellGrid:
    """A figure of square cells in rows and columns, under a title.

    Args:
        headed: for each row, whether a heading of at most two lines stands above its cells; 1.5 is room for three.
        columns: number of columns.
        title: of the figure.

    Example:
        >>> grid = CellGrid([True, False], columns=3, title="photos")
        >>> grid.cell(0, 0).set_title("first") and len(grid.finish().axes)  # the cell and the color bar
        2
    """

    def __init__(self, headed: Sequence[float], columns: int, title: str) -> None:
        pitches = [CELL + GAP + HEADING * each for each in headed]
        self.depths = np.cumsum(pitches)  # from the top of the grid to the lower end of each row
        self.left, self.right = 0.3, 0.75
        self.pitch = CELL + GAP
        self.width = self.left + columns * self.pitch + self.right
        lines = wrap(title, int((self.width - self.left) / LETTER)) or [""]
        self.top = 0.15 + 0.15 * len(lines)
        self.height = self.top + float(self.depths[-1]) + 0.1
        self.figure = Figure(figsize=(self.width, self.height))
        text = self.figure.text(self.left / self.width, 1 - 0.12 / self.height, "\n".join(lines), fontsize=9, va="top")
        text.set_parse_math(False)

    def _bottom(self, row: int) -> float:
        return self.height - self.top - float(self.depths[row])

    def cell(self, row: int, column: int) -> Axes:
        """Add the axes of a cell."""
        place = (self.left + column * self.pitch, self._bottom(row), CELL, CELL)
        shares = (place[0] / self.width, place[1] / self.height, CELL / self.width, CELL / self.height)
        axes: Axes = self.figure.add_axes(shares)
        return axes

    def side(self, row: int, label: str) -> None:
        """Write a label to the left of a row."""
        text = self.figure.text(
            0.18 / self.width,
            (self._bottom(row) + CELL / 2) / self.height,
            label,
            rotation=90,
            fontsize=FONT,
            ha="center",
            va="center",
        )
        text.set_parse_math(False)

    def finish(self) -> Figure:
        """Add the color bar that all maps share, and return the figure."""
        height = min(2.2, len(self.depths) * self.pitch)
        axes = self.figure.add_axes(
            (
                1 - 0.5 / self.width,
                (self._bottom(0) + CELL - height) / self.height,
                0.1 / self.width,
                height / self.height,
            )
        )
        bar = self.figure.colorbar(ScalarMappable(cmap=COLOURS), cax=axes)
        bar.ax.tick_params(labelsize=FONT - 1)
        bar.set_label("saliency of each map, 0 to 1", fontsize=FONT - 1)
        return self.figure
