"""Says what a map costs: forward and backward passes of the network, which are the same on every machine."""

import pandas as pd

from lightning_spx.reporting.rows import PASSES

HEADING = "passes"
COST_NOTE = (
    " Passes: how often the network is evaluated for one map, forward + backward; a backward pass takes about as long "
    "as two forward ones."
)


def has_cost(rows: pd.DataFrame) -> bool:
    """Whether any row says what its map costs; tables of earlier versions do not.

    Example:
        >>> has_cost(pd.DataFrame({"forward_passes": [20.0], "backward_passes": [20.0]})), has_cost(pd.DataFrame())
        (True, False)
    """
    return all(name in rows and rows[name].notna().any() for name in PASSES)


def cost_text(row: pd.Series) -> str:
    """Write forward and backward passes, in whole numbers.

    Example:
        >>> cost_text(pd.Series({"forward_passes": 20.0, "backward_passes": 20.0}))
        '20 + 20'
    """
    forward, backward = (row.get(name) for name in PASSES)
    return "" if pd.isna([forward, backward]).any() else f"{forward:.0f} + {backward:.0f}"


def cost_value(row: pd.Series) -> float:
    """Return by what rows are sorted: passes forward, and two for each backward one; NaN if unknown.

    Example:
        >>> cost_value(pd.Series({"forward_passes": 20.0, "backward_passes": 20.0}))
        60.0
    """
    forward, backward = (float(row.get(name, float("nan"))) for name in PASSES)
    return forward + 2 * backward
