"""Draws and tabulates how far mean maps of more and more models agree, beside pooled maps of single models."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lightning_spx.reporting.figures import LONGEST_NAME, PIXEL_COLOUR, POOLED_COLOURS
from lightning_spx.reporting.main_table import shortened
from lightning_spx.reporting.number_words import number_label
from lightning_spx.reporting.rows import EITHER, PIXEL, control_kind, is_control, without_controls

CONTROL_COLOUR = "#000000"
DODGE = 1.03
NAME = 34  # letters of a map's name in the table


def averaging_figure(curves: pd.DataFrame, caption: str) -> Figure:
    """Draw the excess of mean maps over the number of models averaged, with Spearman and Brown's prediction dashed.

    Each method has a panel, with a line by pixel, one for every S- row and one for the control with the largest excess
    of single models. Of two magnitude orders only the first is drawn.

    Args:
        curves: rows of `ensemble.csv` for one metric.
        caption: text above the panels.

    Example:
        >>> row = dict(method="Gradient", superpixels="pixel", magnitude="after", metric="saliency_ssim", m=1,
        ...     excess=0.2, low=0.1, high=0.3, predicted=0.2)
        >>> len(averaging_figure(pd.DataFrame([row, {**row, "m": 2, "excess": 0.3}]), "birds").axes)
        1
    """
    methods = list(curves["method"].unique())
    columns = min(3, len(methods))
    rows = -(-len(methods) // columns)
    figure = Figure(figsize=(4.4 * columns + 1.0, 3.8 * rows + 1.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, method in zip(panels, methods, strict=False):
        _panel(axes, curves[curves["method"] == method])
        axes.set_title(shortened(str(method), LONGEST_NAME), fontsize=10)
        axes.set_xlabel("models averaged", fontsize=8)
        axes.set_ylabel(f"excess of {number_label(str(curves['metric'].iloc[0]))} over the floor", fontsize=8)
    for axes in panels[len(methods) :]:
        axes.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7.5, frameon=False, loc="outside lower center", ncols=1 + columns)
    figure.suptitle(fill(caption, 62 * columns), fontsize=8)
    return figure


def _panel(axes: Axes, curves: pd.DataFrame) -> None:
    curves = curves[curves["magnitude"] == curves["magnitude"].iloc[0]]
    own = [str(name) for name in without_controls(curves)["superpixels"].unique()]
    controls = curves[curves["superpixels"].map(is_control) & (curves["m"] == 1)].dropna(subset="excess")
    best = [] if controls.empty else [str(controls["superpixels"].iloc[int(controls["excess"].to_numpy().argmax())])]
    colors = dict(zip([name for name in own if name != PIXEL], POOLED_COLOURS * len(own), strict=False))
    for number, name in enumerate([*own, *best]):
        line = curves[curves["superpixels"] == name].sort_values("m")
        pooled = is_control(name) or name != PIXEL
        color = CONTROL_COLOUR if is_control(name) else colors[name] if pooled else PIXEL_COLOUR
        label = "best control" if is_control(name) else f"S-, {shortened(name, LONGEST_NAME)}" if pooled else PIXEL
        reach = np.stack([line["excess"] - line["low"], line["high"] - line["excess"]]).clip(min=0)
        axes.errorbar(
            # side by side, so that intervals do not hide one another
            line["m"] * DODGE**number,
            line["excess"],
            yerr=reach,
            color=color,
            marker="x" if is_control(name) else "o" if pooled else "s",
            ms=5,
            lw=1.4,
            elinewidth=0.8,
            label=label,
        )
        dashed = "Spearman-Brown, from m = 1" if name == own[0] else None
        axes.plot(line["m"], line["predicted"], color=color, ls="--", lw=1.0, label=dashed)
    axes.set_xscale("log", base=2)
    sizes = sorted(curves["m"].unique())
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.spines[["top", "right"]].set_visible(False)


def averaging_cells(curves: pd.DataFrame, worths: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of the table of one metric: a method's pixel map, and its S- rows indented below it.

    Args:
        curves: rows of `ensemble.csv` for one metric.
        worths: for each S- row `method`, `superpixels`, `magnitude`, `models` (what pooling is worth), `best_control`
            and `control` (what that control is worth).

    Example:
        >>> row = dict(method="Gradient", superpixels="pixel", magnitude="after", metric="saliency_ssim", m=1,
        ...     excess=0.25, low=0.1, high=0.3, predicted=0.25)
        >>> averaging_cells(pd.DataFrame([row]), pd.DataFrame(columns=["method"])).iloc[0].tolist()
        ['Gradient, after', '', '', '0.250', '0.250']
    """
    own = without_controls(curves)
    sizes = sorted(own["m"].unique())
    known = {(row["method"], row["superpixels"], row["magnitude"]): row for _, row in worths.iterrows()}
    lines = []
    for key, rows in own.groupby(["method", "superpixels", "magnitude"], sort=False):
        method, superpixels, magnitude = map(str, key)
        by_size = rows.set_index("m")
        order = "" if magnitude == EITHER else f", {magnitude}"
        name = method if superpixels == PIXEL else f"  S- {superpixels}"
        line = {"map": f"{shortened(name, NAME - len(order))}{order}", "worth": "", "its control": ""}
        if key in known:
            worth = known[key]
            line["worth"] = _text(worth["models"], 1)
            line["its control"] = f"{control_kind(str(worth['best_control']))} {_text(worth['control'], 1)}".strip()
        line |= {f"m = {size}": _text(by_size["excess"][size], 3) for size in sizes}
        line["predicted"] = _text(by_size["predicted"][sizes[-1]], 3)
        lines.append(line)
    return pd.DataFrame(lines)


def _text(number: float, digits: int) -> str:
    return "\N{EN DASH}" if pd.isna(number) else f"{number:.{digits}f}"
