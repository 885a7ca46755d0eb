"""Tabulates gains at matched fidelity: how much more stable a map is than any Gaussian blur that is as faithful."""

import math
from typing import Final

import pandas as pd

from lightning_spx.reporting.reasons import number_text
from lightning_spx.reporting.reference_rows import CONTROL
from lightning_spx.reporting.rows import (
    ALL_PAIRS,
    BLUR,
    PIXEL,
    control_kind,
    is_as_given,
    of_condition,
    prefix_of,
    without_controls,
)
from lightning_spx.reporting.tradeoff_table import STABILITY_HEADING, fidelity_heading

# in the column `metric`
MATCHED_GAIN: Final = "matched_gain"
# in the column `setting`, the entry of gains over blurs of the row's own order
SAME_ORDER: Final = "order=same"
# metric and setting of fidelity on the front's other axis, by the word that chooses them
FIDELITY = {
    "road": ("road", "order=combined"),
    "insertion": ("insertion", "substrate=blur"),
    "deletion": ("deletion", "substrate=blur"),
}
# how the names of blurs begin that are as wide as their name says, and a control of no row alone
ALL_WIDTHS: Final = f"{CONTROL}{BLUR}(sigma="
TITLE = "Gain at matched fidelity, over Gaussian blurs of all widths"
NOTE = (
    "Gains in excess of SSIM: over the best control, and over the best of the pixel map, Gaussian blurs of all widths "
    "and random mixtures of these that are at least as faithful as the row, in both orders or in its own. "
    "beyond: no blur is as faithful; the gain is over the most faithful one, and a lower bound."
)
ROW = ["method", "superpixels", "magnitude"]


def is_blur_of_a_width(name: str) -> bool:
    """Whether a name in the column `superpixels` is that of one of the blurs of all widths.

    Example:
        >>> is_blur_of_a_width("control:blur(sigma=16)"), is_blur_of_a_width("control:blur(Slic)")
        (True, False)
    """
    return name.startswith(ALL_WIDTHS)


def width_of(name: str) -> float:
    """Read the standard deviation in pixels from the name of one of the blurs of all widths.

    Example:
        >>> width_of("control:blur(sigma=0.875)")
        0.875
    """
    return float(name.removeprefix(ALL_WIDTHS).removesuffix(")"))


def matched_cells(results: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of the table of gains at matched fidelity; there are none without such gains.

    Args:
        results: rows of `results.csv`.

    Example:
        >>> row = dict(method="Gradient", superpixels="Slic", magnitude="after", pair="all", setting="", value=0.5,
        ...     excess=0.25, best_control="control:grid(Slic)", gain=0.125, gain_low=0.1, gain_high=0.2, ci_low=0.0,
        ...     ci_high=0.5, mean_segments=9.0)
        >>> rows = [{**row, "metric": "saliency_ssim"}, {**row, "metric": "road", "setting": "order=combined"},
        ...     {**row, "metric": "matched_gain", "setting": "against=road"},
        ...     {**row, "metric": "matched_gain", "setting": "against=road;order=same"}]
        >>> matched_cells(pd.DataFrame(rows))["gain at matched fidelity"].tolist()
        ['+0.500 [+0.000, +0.500]']
    """
    of_all = of_condition(results[results["pair"] == ALL_PAIRS])
    of_all = of_all.assign(setting=of_all["setting"].astype(object).fillna(""))
    settings = of_all.loc[of_all["metric"] == MATCHED_GAIN, "setting"]
    every = str(next(iter(settings), "")).partition(";")[0]
    if every.partition("=")[2] not in FIDELITY:
        return pd.DataFrame()
    metric, setting = FIDELITY[every.partition("=")[2]]
    gains, same = (_by_row(of_all, MATCHED_GAIN, each) for each in (every, f"{every};{SAME_ORDER}"))
    stable, faithful = _by_row(of_all, "saliency_ssim", ""), _by_row(of_all, metric, setting)
    most = _most_faithful(stable, faithful, -1 if metric == "deletion" else 1)
    lines = []
    for key in without_controls(gains.index.to_frame()).index:
        if not all(key in table.index for table in (stable, faithful, same)):
            continue
        row, fidelity = stable.loc[key], faithful.loc[key, "value"]
        beyond = (-fidelity if metric == "deletion" else fidelity) > most.get(key[0], math.nan)
        pooled = not is_as_given(key[1])
        lines.append(
            {
                "method": f"{prefix_of(key[1])}{key[0]}",
                "super-pixels": f"{key[1]}, {row['mean_segments']:.0f}" if pooled else key[1],
                "order": key[2],
                STABILITY_HEADING: number_text(row["excess"]),
                fidelity_heading(metric, setting): number_text(fidelity),
                "gain over best control": f"{_gain(row, 'gain', 'gain')} {_kind(row)}".strip() if pooled else "",
                "gain at matched fidelity": f"{_gain(gains.loc[key])}{' beyond' if beyond else ''}",
                "over blurs of its order": _gain(same.loc[key]),
            }
        )
    return pd.DataFrame(lines)


def _by_row(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    return results[(results["metric"] == metric) & (results["setting"] == setting)].set_index(ROW)


def _most_faithful(stable: pd.DataFrame, faithful: pd.DataFrame, sign: int) -> dict[str, float]:
    """Return the largest fidelity, higher being better, of what each method's gains are over."""
    against = stable[[name == PIXEL or is_blur_of_a_width(name) for _, name, _ in stable.index]]
    known = (sign * faithful["value"]).reindex(against[against["excess"].notna()].index)
    return {str(method): float(value) for method, value in known.groupby("method").max().items()}


def _gain(row: pd.Series, value: str = "value", limits: str = "ci") -> str:
    if pd.isna(row[value]):
        return number_text(row[value])
    return f"{row[value]:+.3f} [{row[f'{limits}_low']:+.3f}, {row[f'{limits}_high']:+.3f}]"


def _kind(row: pd.Series) -> str:
    return control_kind(row["best_control"]) if isinstance(row["best_control"], str) else ""
