"""Tabulates agreement given what the models answer: over all images, the same prediction, and where both are right.

Agreement over all images mixes in images on which the models disagree about the answer, where maps of the two answers
are compared (FASS, arXiv 2604.02532).
"""

import pandas as pd

from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.reasons import excess_text
from lightning_spx.reporting.rows import (
    ALL_IMAGES,
    ALL_PAIRS,
    BOTH_RIGHT,
    CONDITIONS,
    SAME_PREDICTION,
    of_condition,
    select_rows,
    without_controls,
)
from lightning_spx.reporting.tables import method_name

HEADINGS = {ALL_IMAGES: "all images", SAME_PREDICTION: "same prediction", BOTH_RIGHT: "both right"}
CONDITION_NOTE = (
    "Excess over the floor, with its interval and the number of images: all, those for which both models of a pair "
    "predict the same, and those for which both are right; of several pairs, an image counts that any of them has. "
    "Where it rises to the right, models disagree partly because they explain different answers. *: the interval "
    "covers these models alone, because too few of them have such images."
)
KIND = ["method", "superpixels", "magnitude"]


def condition_title(metric: str, setting: str) -> str:
    """Name the table of a number given the models' answers.

    Example:
        >>> condition_title("saliency_ssim", "")
        'SSIM of saliency maps between models, given what the models answer'
    """
    return f"{number_title(metric, setting)}, given what the models answer"


def condition_cells(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    """Tabulate the excess of each pixel and S- map under every condition that a study has.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: which of its metrics.
        setting: which of the metric's settings.

    Returns:
        Headings and cells; no row for a number that has rows of all images alone.

    Raises:
        ValueError: there is no such row, or there are rows of several plans.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", condition="all", excess=0.2, excess_low=0.1, excess_high=0.3, num_images=40)
        >>> right = {**row, "condition": "both_right", "excess": 0.25, "num_images": 30}
        >>> condition_cells(pd.DataFrame([row, right]), "saliency_ssim", "").iloc[0].tolist()[3:]
        ['0.200 [0.100, 0.300] (40)', '0.250 [0.100, 0.300] (30)']
    """
    settings = results["setting"].astype(object).fillna("")
    of_number = results[(results["metric"] == metric) & (settings == setting) & (results["pair"] == ALL_PAIRS)]
    under = {name: without_controls(of_condition(of_number, name)) for name in CONDITIONS[1:]}
    if "condition" not in results or all(rows.empty for rows in under.values()):
        return pd.DataFrame()
    of_all = without_controls(select_rows(results, metric, setting))
    covered = None if "interval" not in of_all or of_all.empty else of_all["interval"].iloc[0]
    found = {
        name: {tuple(row[KIND]): _cell(row, covered) for _, row in rows.iterrows()} for name, rows in under.items()
    }
    lines = []
    for _, row in of_all.iterrows():
        line = {"method": method_name(row), "super-pixels": row["superpixels"], "order": row["magnitude"]}
        line[HEADINGS[ALL_IMAGES]] = _cell(row, covered)
        line |= {HEADINGS[name]: cells.get(tuple(row[KIND]), "") for name, cells in found.items() if cells}
        lines.append(line)
    return pd.DataFrame(lines)


def _cell(row: pd.Series, covered: object) -> str:
    """Write a number with its interval, which has a star if it does not cover what those of all images do."""
    star = "*" if row.get("interval") != covered and not pd.isna(row.get("excess_low")) else ""
    return f"{excess_text(row)}{star} ({int(row['num_images'])})"
