"""Tabulates what the spread of a number comes from, so that a reader sees what to add: images or trainings."""

import pandas as pd

from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.plans import with_plan
from lightning_spx.reporting.rows import COMPONENTS, select_rows, without_controls
from lightning_spx.reporting.tables import method_name

# headings of the standard deviations
SOURCES = dict(zip(COMPONENTS, ("sd images", "sd repeats", "sd models", "sd pairs", "sd rest"), strict=True))
HALVED = "to halve the interval"
COMPONENT_NOTE = (
    "Standard deviations (sd) of the excess between images, repeats, models and pairs of models, and of what is left. "
    "A mean over more images varies less by the first and the last, but only more trainings shrink the others. The "
    "last column says what halves the interval: so many trainings in all, with the same images, or more images."
)
# what no component of trainings is known of
UNKNOWN = "too few trainings to say"
OF_TRAININGS = ("var_repeat", "var_model")


def component_title(metric: str, setting: str, plan: str = "") -> str:
    """Name the table of what a number's spread comes from.

    Example:
        >>> component_title("mege", "distance=l2")
        'MeGe, generalizability between models, L2 distance: add images or trainings?'
    """
    return f"{with_plan(number_title(metric, setting), plan)}: add images or trainings?"


def component_cells(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    """Tabulate the standard deviations of each pixel and S- map, and what halves its interval.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: which of its metrics.
        setting: which of the metric's settings.

    Returns:
        Headings and cells, without sources that no row has; no row for a number whose components are not known.

    Raises:
        ValueError: there is no such row, or there are rows of several plans.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", var_image=0.04, var_model=0.01, halving_trainings=12.0)
        >>> component_cells(pd.DataFrame([row]), "saliency_ssim", "").iloc[0].tolist()[3:]
        ['0.200', '0.100', '12 trainings']
    """
    rows = without_controls(select_rows(results, metric, setting))
    known = [name for name in COMPONENTS if name in rows and rows[name].notna().any()]
    lines = []
    for _, row in rows.iterrows() if known else ():
        line = {"method": method_name(row), "super-pixels": row["superpixels"], "order": row["magnitude"]}
        line |= {SOURCES[name]: _deviation(row[name]) for name in known}
        lines.append({**line, HALVED: _halved(row)})
    return pd.DataFrame(lines)


def _deviation(variance: float) -> str:
    # an estimate of a variance can be below zero, which means that none was seen
    return "" if pd.isna(variance) else f"{max(variance, 0.0) ** 0.5:.3f}"


def _halved(row: pd.Series) -> str:
    trainings = row.get("halving_trainings")
    if trainings is not None and not pd.isna(trainings):
        return f"{int(trainings)} trainings"
    if row.reindex(COMPONENTS).isna().all():
        return ""
    return UNKNOWN if row.reindex(OF_TRAININGS).isna().all() else "more images"
