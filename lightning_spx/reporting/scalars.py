"""Turns rows of results into numbers for a dashboard, with names that group there."""

from collections.abc import Callable, Sequence

import pandas as pd

from lightning_spx.reporting.ceilings import has_ceiling
from lightning_spx.reporting.plans import PLAN, PLAN_WORDS, plans_of
from lightning_spx.reporting.rows import (
    ALL_IMAGES,
    ALL_PAIRS,
    CONDITIONS,
    finding_of,
    of_condition,
    without_controls,
    without_finding,
)
from lightning_spx.reporting.safe_keys import safe_key

NUMBERS = ("value", "floor", "excess", "gain")
# of methods with randomness
CEILING_NUMBERS = ("ceiling", "normalised")
# parts of a key that a finding must not be taken for
TAKEN = (*NUMBERS, *CEILING_NUMBERS, *CONDITIONS, *PLAN_WORDS)


def scalars_of(results: pd.DataFrame, study: str) -> dict[str, float]:
    """Name the numbers of all rows but the controls by study, metric, method, super-pixels and order.

    Where there are several, plan, condition and finding are further parts, in this order.

    Args:
        results: rows of `results.csv`.
        study: the first part of the names.

    Example:
        >>> row = dict(pair="all", superpixels="pixel", metric="mege", setting="distance=l2", method="Gradient",
        ...     magnitude="either", value=0.5, floor=0.25, excess=float("nan"), gain=float("nan"))
        >>> scalars_of(pd.DataFrame([row]), "stability")
        {'stability/mege_l2/Gradient/pixel/either/value': 0.5, 'stability/mege_l2/Gradient/pixel/either/floor': 0.25}
    """
    several = len(plans_of(results)) > 1

    def prefix(row: pd.Series) -> str:
        common, finding = without_finding(row["setting"]), finding_of(row["setting"])
        setting = f"_{common.partition('=')[2]}" if common else ""
        condition = row.get("condition", ALL_IMAGES)
        parts = [
            *(study, f"{row['metric']}{setting}", row["method"], row["superpixels"], row["magnitude"]),
            *([row[PLAN]] if several and row[PLAN] else []),
            *([condition] if condition != ALL_IMAGES else []),
            *([_key_of(finding)] if finding else []),
        ]
        return "/".join(map(str, parts))

    ceilings = CEILING_NUMBERS if has_ceiling(results) else ()
    return _numbers(results, prefix, (*NUMBERS, *ceilings))


def _key_of(finding: str) -> str:
    # a slash would begin another part, and a part like that of a number would make its key the beginning of another
    key = finding.replace("/", "-")
    return f"finding {key}" if safe_key(key) in TAKEN else key


def numbers_of(results: pd.DataFrame, prefix: Callable[[pd.Series], str], numbers: Sequence[str]) -> dict[str, float]:
    """Name the numbers of all rows but the controls, over all pairs of models and of all images, if there are any.

    Args:
        results: rows of `results.csv`.
        prefix: turns a row into the first part of its numbers' names.
        numbers: columns; each name ends with its column.

    Example:
        >>> row = dict(pair="all", superpixels="pixel", metric="mege", value=0.5, floor=float("nan"))
        >>> numbers_of(pd.DataFrame([row]), lambda row: f"test/{row['metric']}", ["value", "floor"])
        {'test/mege/value': 0.5}
    """
    return _numbers(of_condition(results), prefix, numbers)


def _numbers(results: pd.DataFrame, prefix: Callable[[pd.Series], str], numbers: Sequence[str]) -> dict[str, float]:
    scalars: dict[str, float] = {}
    for _, row in without_controls(results[results["pair"] == ALL_PAIRS]).iterrows():
        scalars |= {f"{prefix(row)}/{name}": float(row[name]) for name in numbers if pd.notna(row[name])}
    return scalars
