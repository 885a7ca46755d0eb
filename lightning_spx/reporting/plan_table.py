"""Compares the plans of a study in one small table: is agreement lost with the seed, the data or the architecture?"""

import pandas as pd

from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.plans import PLAN_WORDS, of_plan, plans_of
from lightning_spx.reporting.reasons import excess_text
from lightning_spx.reporting.rows import is_as_given, select_rows


def plan_title(metric: str, setting: str) -> str:
    """Name the table that compares plans.

    Example:
        >>> plan_title("saliency_ssim", "")
        'SSIM of saliency maps between models, plan by plan'
    """
    return f"{number_title(metric, setting)}, plan by plan"


def plan_note(results: pd.DataFrame) -> str:
    """Say what the plans are, and what the cells hold.

    Example:
        >>> plan_note(pd.DataFrame({"plan": ["seeds", "disjoint"]})).partition(": ")[2]
        'the same data, other seeds (repeatability); disjoint: other data, in parts without common images.'
    """
    said = "; ".join(f"{plan}: {PLAN_WORDS.get(plan, plan)}" for plan in plans_of(results))
    words = "Excess over the floor, with its interval, of maps as their methods give them, not pooled."
    return f"{words} {said[0].upper()}{said[1:]}."


def plan_cells(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    """Tabulate the excess of each method's pixel maps with a column for each plan.

    Args:
        results: rows of `results.csv`, of any plans.
        metric: which of its metrics.
        setting: which of the metric's settings.

    Returns:
        Headings and cells; no row for a study of one plan.

    Raises:
        ValueError: a plan has no such row.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     plan="seeds", excess=0.5, excess_low=0.4, excess_high=0.6)
        >>> other = {**row, "plan": "disjoint", "excess": 0.2, "excess_low": 0.1, "excess_high": 0.3}
        >>> plan_cells(pd.DataFrame([row, other]), "saliency_ssim", "").iloc[0].tolist()
        ['Gradient', '0.500 [0.400, 0.600]', '0.200 [0.100, 0.300]']
    """
    plans = plans_of(results)
    lines: dict[str, dict[str, str]] = {}
    for plan in plans if len(plans) > 1 else []:
        rows = select_rows(of_plan(results, plan), metric, setting)
        for _, row in rows[rows["superpixels"].map(is_as_given)].iterrows():
            line = lines.setdefault(str(row["method"]), {"method": str(row["method"])})
            line[plan] = excess_text(row)
    return pd.DataFrame(lines.values()).fillna("")
