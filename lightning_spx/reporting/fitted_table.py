"""A table of text that fits into the terminal: the columns that do not fit are left out, and named."""

import pandas as pd
from rich.table import Table

from lightning_spx.reporting.tables import text_table

# between two columns, and at the right end
GAP = 2


def fitted_table(cells: pd.DataFrame, title: str, caption: str, width: int) -> Table:
    """Make a table for the console with as many columns, from the left, as fit into a width.

    Args:
        cells: headings and cells.
        title: text above the table.
        caption: text below the table; what was left out is added to it.
        width: columns of the terminal.

    Example:
        >>> table = fitted_table(pd.DataFrame({"method": ["Gradient"], "value": ["0.5"]}), "one", "", width=12)
        >>> len(table.columns), str(table.caption)
        (1, 'left out: value')
    """
    widths = [max(len(str(name)), *(len(str(cell)) for cell in cells[name])) + GAP for name in cells.columns]
    fitting = sum(1 for number in range(len(widths)) if sum(widths[: number + 1]) <= width)
    # a table shows something, however narrow the terminal is
    shown = cells.iloc[:, : max(1, fitting)]
    left_out = ", ".join(str(name) for name in cells.columns[shown.shape[1] :])
    lines = [*([caption] if caption else []), *([f"left out: {left_out}"] if left_out else [])]
    return text_table(shown, title, "\n".join(lines))
