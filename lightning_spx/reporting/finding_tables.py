"""Tabulates a number for each finding of multi-label models, below the table over all findings."""

import pandas as pd

from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.reasons import counted_images, excess_text, interval_text, number_text
from lightning_spx.reporting.rows import (
    ALL_PAIRS,
    PIXEL,
    control_kind,
    finding_of,
    of_condition,
    select_rows,
    without_controls,
    without_finding,
)
from lightning_spx.reporting.tables import method_name

FINDING_NOTE = (
    "One row for each method, the same in all findings: its S- row of the largest gain over all findings. It is chosen "
    "on the images that it is shown on, so it looks better than it is; the verdict is about all findings together."
)


def finding_title(metric: str, setting: str) -> str:
    """Name the table of a number for each finding.

    Example:
        >>> finding_title("mege", "distance=l2")
        'MeGe, generalizability between models, L2 distance, finding by finding'
    """
    return f"{number_title(metric, setting)}, finding by finding"


def finding_rows(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    """Select the rows of single findings that a table shows, one for each method, with the column `finding`.

    A method has the same row in all findings, so that they can be compared: its S- row of the largest gain over all
    findings, or of the largest excess where no row has a gain.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: which of its metrics.
        setting: which of the metric's settings, without a finding.

    Returns:
        The rows, finding by finding; none for a study of classes.
    """
    results = of_condition(results)
    # pandas reads the empty setting of a file as a missing value
    settings = results["setting"].astype(object).fillna("")
    results = results.assign(finding=settings.map(finding_of))
    of_number = (
        (results["metric"] == metric) & (results["pair"] == ALL_PAIRS) & (settings.map(without_finding) == setting)
    )
    rows = results[of_number & (results["finding"] != "")]
    if rows.empty:
        return rows
    chosen = {}
    for method, of_method in without_controls(select_rows(results, metric, setting)).groupby("method", sort=False):
        pooled = of_method[of_method["superpixels"] != PIXEL]
        ranked = (pooled if len(pooled) else of_method).sort_values(["gain", "excess"], ascending=False, kind="stable")
        chosen[method] = (ranked["superpixels"].iloc[0], ranked["magnitude"].iloc[0])
    kinds = zip(rows["superpixels"], rows["magnitude"], strict=True)
    rows = rows[[chosen[method] == kind for method, kind in zip(rows["method"], kinds, strict=True)]]
    order = {name: number for number, name in enumerate(dict.fromkeys(rows["finding"]))}
    return rows.sort_values("finding", key=lambda names: names.map(order), kind="stable")


def finding_cells(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    """Tabulate the rows of `finding_rows` as text.

    Args:
        results: rows of `results.csv`.
        metric: which of its metrics.
        setting: which of the metric's settings, without a finding.

    Returns:
        Headings and cells; no row for a study of classes.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", value=0.2, ci_low=0.1, ci_high=0.3, excess=0.11, gain=float("nan"),
        ...     gain_low=float("nan"), gain_high=float("nan"), best_control=None, num_images=10)
        >>> results = pd.DataFrame([row, {**row, "setting": "finding=red wing", "value": 0.5, "num_images": 4}])
        >>> finding_cells(results, "saliency_ssim", "").iloc[0].tolist()[:5]
        ['red wing', '4', 'Gradient', 'pixel', '0.500 [0.100, 0.300]']
    """
    return pd.DataFrame(
        [
            {
                "finding": row["finding"],
                "images": counted_images(row).partition(" images")[0],
                "method": method_name(row),
                "super-pixels": row["superpixels"],
                "value": interval_text(row),
                "excess": excess_text(row),
                "gain over best control": _gain(row),
            }
            for _, row in finding_rows(results, metric, setting).iterrows()
        ]
    )


def _gain(row: pd.Series) -> str:
    if pd.isna(row["gain"]):
        return number_text(row["gain"])
    limits = f"[{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]"
    return f"{row['gain']:+.3f} {limits} {control_kind(str(row['best_control']))}"
