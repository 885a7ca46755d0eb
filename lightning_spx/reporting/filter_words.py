"""Says what the number after a filter's name is, where a table has one: a filter has no segments."""

import pandas as pd

from lightning_spx.reporting.rows import BORROWED, GRID, control_name

FILTER_NOTE = "number after the name of a filter, which has no segments: as many would smooth as much"


def filters_among(results: pd.DataFrame) -> list[str]:
    """Return the names of the filters, which unlike segmenters have no grid among their controls.

    Args:
        results: rows of `results.csv`, controls included.

    Example:
        >>> names = ["pixel", "Slic", "control:grid(Slic)", "control:borrowed(Slic)", "Mine", "control:borrowed(Mine)"]
        >>> filters_among(pd.DataFrame({"superpixels": names}))
        ['Mine']
    """
    names = set(results["superpixels"])
    return [
        str(name)
        for name in results["superpixels"].unique()
        if control_name(BORROWED, name) in names and control_name(GRID, name) not in names
    ]
