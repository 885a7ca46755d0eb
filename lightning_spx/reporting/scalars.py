"""Rows of results -> numbers for a dashboard, by names that group."""

import pandas as pd

from lightning_spx.reporting.rows import ALL_PAIRS, without_controls

NUMBERS = ("value", "floor", "excess", "gain")


def scalars_of(results: pd.DataFrame, study: str) -> dict[str, float]:
    """Name the numbers of all rows but the controls by study, metric, method, super-pixels and order.

    Args:
        results: rows of `results.csv`.
        study: the first part of the names.

    Example:
        >>> row = dict(pair="all", superpixels="pixel", metric="mege", setting="distance=l2", method="Gradient",
        ...     magnitude="either", value=0.5, floor=0.25, excess=float("nan"), gain=float("nan"))
        >>> scalars_of(pd.DataFrame([row]), "stability")
        {'stability/mege_l2/Gradient/pixel/either/value': 0.5, 'stability/mege_l2/Gradient/pixel/either/floor': 0.25}
    """
    scalars: dict[str, float] = {}
    own = without_controls(results[results["pair"] == ALL_PAIRS])
    for _, row in own.iterrows():
        setting = f"_{row['setting'].partition('=')[2]}" if row["setting"] else ""
        prefix = f"{study}/{row['metric']}{setting}/{row['method']}/{row['superpixels']}/{row['magnitude']}"
        scalars |= {f"{prefix}/{name}": float(row[name]) for name in NUMBERS if pd.notna(row[name])}
    return scalars
