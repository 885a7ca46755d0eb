"""Tabulates what is left of the agreement of maps once the part that their images explain is taken out."""

import pandas as pd

from lightning_spx.reporting.plans import with_plan
from lightning_spx.reporting.reasons import excess_text
from lightning_spx.reporting.reference_rows import with_references
from lightning_spx.reporting.rows import CORRELATION, RESIDUAL, numbers_shown, select_rows
from lightning_spx.reporting.tables import method_name

# heading of the column
LEFT = "left"
LEFT_NOTE = (
    "Left: the excess of the correlation once both maps were regressed, image by image, on what their image shows by "
    "itself: its edges, its centre, its distance from the baseline, and how much the pooling averages where. Maps that "
    "show only that have nothing left, as the references, which no model has made. Whatever else of the image both "
    "models show is still in it."
)


def left_title(plan: str = "") -> str:
    """Name the table of what is left.

    Example:
        >>> left_title()
        'Correlation of maps between models: what the image does not explain'
    """
    return with_plan("Correlation of maps between models: what the image does not explain", plan)


def left_cells(results: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the excess of the correlation of each map, and what is left of it.

    Args:
        results: rows of `results.csv`, of one plan.

    Returns:
        Headings and cells; no row if an earlier version measured the study.

    Example:
        >>> row = dict(metric="correlation", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", excess=0.5, excess_low=0.4, excess_high=0.6)
        >>> left = {**row, "metric": "residual_correlation", "excess": 0.1, "excess_low": -0.1, "excess_high": 0.3}
        >>> left_cells(pd.DataFrame([row, left])).iloc[0].tolist()[3:]
        ['0.500 [0.400, 0.600]', '0.100 [-0.100, 0.300]']
    """
    numbers = numbers_shown(results)
    if not {(CORRELATION, ""), (RESIDUAL, "")} <= set(numbers):
        return pd.DataFrame()
    key = ["method", "superpixels", "magnitude"]
    left = {tuple(row[key]): row for _, row in select_rows(results, RESIDUAL, "").iterrows()}
    return pd.DataFrame(
        {
            "method": method_name(row),
            "super-pixels": row["superpixels"],
            "order": row["magnitude"],
            "excess": excess_text(row),
            LEFT: excess_text(left[tuple(row[key])]),
        }
        for _, row in with_references(select_rows(results, CORRELATION, "")).iterrows()
    )
