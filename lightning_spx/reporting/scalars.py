"""Turns rows of results into numbers for a dashboard, with names that group there."""

from collections.abc import Callable, Sequence

import pandas as pd

from lightning_spx.reporting.rows import ALL_PAIRS, finding_of, without_controls, without_finding
from lightning_spx.reporting.safe_keys import safe_key

NUMBERS = ("value", "floor", "excess", "gain")


def scalars_of(results: pd.DataFrame, study: str) -> dict[str, float]:
    """Name the numbers of all rows but the controls by study, metric, method, super-pixels, order and finding.

    Args:
        results: rows of `results.csv`.
        study: the first part of the names.

    Example:
        >>> row = dict(pair="all", superpixels="pixel", metric="mege", setting="distance=l2", method="Gradient",
        ...     magnitude="either", value=0.5, floor=0.25, excess=float("nan"), gain=float("nan"))
        >>> scalars_of(pd.DataFrame([row]), "stability")
        {'stability/mege_l2/Gradient/pixel/either/value': 0.5, 'stability/mege_l2/Gradient/pixel/either/floor': 0.25}
    """

    def prefix(row: pd.Series) -> str:
        common, finding = without_finding(row["setting"]), finding_of(row["setting"])
        setting = f"_{common.partition('=')[2]}" if common else ""
        name = f"{study}/{row['metric']}{setting}/{row['method']}/{row['superpixels']}/{row['magnitude']}"
        return f"{name}/{_key_of(finding)}" if finding else name

    return numbers_of(results, prefix, NUMBERS)


def _key_of(finding: str) -> str:
    # a slash would begin another part, and a part like that of a number would make its key the beginning of another
    key = finding.replace("/", "-")
    return f"finding {key}" if safe_key(key) in NUMBERS else key


def numbers_of(results: pd.DataFrame, prefix: Callable[[pd.Series], str], numbers: Sequence[str]) -> dict[str, float]:
    """Name the numbers of all rows but the controls, over all pairs of models; missing numbers are left out.

    Args:
        results: rows of `results.csv`.
        prefix: turns a row into the first part of its numbers' names.
        numbers: columns; each name ends with its column.

    Example:
        >>> row = dict(pair="all", superpixels="pixel", metric="mege", value=0.5, floor=float("nan"))
        >>> numbers_of(pd.DataFrame([row]), lambda row: f"test/{row['metric']}", ["value", "floor"])
        {'test/mege/value': 0.5}
    """
    scalars: dict[str, float] = {}
    for _, row in without_controls(results[results["pair"] == ALL_PAIRS]).iterrows():
        scalars |= {f"{prefix(row)}/{name}": float(row[name]) for name in numbers if pd.notna(row[name])}
    return scalars
