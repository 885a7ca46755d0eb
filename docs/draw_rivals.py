"""Draws how much of each method's agreement is smoothing: `python docs/draw_rivals.py PLAN PICTURE RUN [RUN ...]`."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lightning_spx.reporting.plans import of_plan
from lightning_spx.reporting.rows import EITHER, OWN, PIXEL, is_control, select_rows

SMOOTHING, OWN_COLOR, LOST_COLOR, PIXEL_COLOR = "#56b4e9", "#0072b2", "#cc79a7", "#999999"
NAMES = {"MeanAttribution": "IG from black and white"}
# the S- rows of these methods are shown; those of all others are in the tables
POOLED = ("MeanAttribution",)


def shown(results: pd.DataFrame) -> pd.DataFrame:
    """Select each method's map as it gives it, and S- rows of what XRAI ranks by."""
    rows = select_rows(results, "saliency_ssim", "")
    given = rows["superpixels"].isin([PIXEL, OWN])
    pooled = rows["method"].isin(POOLED) & ~rows["superpixels"].map(is_control) & (rows["superpixels"] != PIXEL)
    return rows[given | pooled].sort_values("excess", kind="stable")


def label(row: pd.Series) -> str:
    """Name a row with its raw value and its floor."""
    name = NAMES.get(row["method"], row["method"])
    if row["superpixels"] not in (PIXEL, OWN):
        order = "" if row["magnitude"] == EITHER else f", {row['magnitude']}"
        name = f"S-{name}{order}"
    return f"{name}\nSSIM {row['value']:.2f}, floor {row['floor']:.2f}"


plan, picture, runs = sys.argv[1], Path(sys.argv[2]), [Path(run) for run in sys.argv[3:]]
figure = Figure(figsize=(5.2 * len(runs), 7.2), layout="constrained")
for axes, run in zip(np.atleast_1d(figure.subplots(1, len(runs))), runs, strict=True):
    results = of_plan(pd.read_csv(run / "results.csv", keep_default_na=False, na_values=[""]), plan)
    every = select_rows(results, "saliency_ssim", "")
    rows = shown(results)
    for place, (_, row) in enumerate(rows.iterrows()):
        reached = 0.0
        if row["superpixels"] != PIXEL:
            control = every[
                (every["method"] == row["method"])
                & (every["superpixels"] == row["best_control"])
                & (every["magnitude"] == row["magnitude"])
            ]
            reached = float(control["excess"].iloc[0])
            axes.barh(place, reached, color=SMOOTHING)
            axes.barh(
                place,
                row["excess"] - reached,
                left=reached,
                color=OWN_COLOR if row["excess"] > reached else LOST_COLOR,
                height=0.5,
            )
            gain = f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]"
        else:
            axes.barh(place, row["excess"], color=PIXEL_COLOR)
            gain = ""
        axes.plot([row["excess_low"], row["excess_high"]], [place, place], color="black", linewidth=1)
        axes.annotate(
            gain, (max(row["excess_high"], reached, 0), place), (4, 0), textcoords="offset points", va="center", size=7
        )
    axes.set_yticks(range(len(rows)), [label(row) for _, row in rows.iterrows()], fontsize=7.5)
    axes.axvline(0, color="#d55e00", linewidth=1)
    axes.set_xlim(right=1.05)
    axes.set_xlabel("excess over the floor: 0 is chance, 1 a perfect match", fontsize=8)
    first = rows.iloc[0]
    models, _, trained_on = first["models"].partition(", ")
    axes.set_title(f"{first['dataset']}: {models},\n{trained_on}, {int(first['num_images'])} explained", fontsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)
for color, words in (
    (PIXEL_COLOR, "by pixel"),
    (SMOOTHING, "reached by the best smoothing control"),
    (OWN_COLOR, "what the image's own segments add"),
    (LOST_COLOR, "what they lose"),
):
    axes.barh([0], [0], color=color, label=words)
figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=4)
figure.savefig(picture, dpi=130)
