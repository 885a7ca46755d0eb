"""Draws the front of stability and fidelity, and Table 2."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lightning_spx.reporting.figures import PIXEL_COLOUR, POOLED_COLOURS
from lightning_spx.reporting.reference_rows import CONTROL, is_candidate, is_reference
from lightning_spx.reporting.rows import AFTER, BEFORE, EITHER, PIXEL, is_as_given, label_of

CONTROL_COLOUR = "#b9c0c7"
HULL_COLOUR = "#8a939c"
LEAST_POINTS = 2  # of a line
LEGEND_ENTRY = 2.8  # inches
MARKERS = {AFTER: "o", BEFORE: "^", EITHER: "s"}
REFERENCE_DASHES = ("--", "-.")


def front_figure(front: pd.DataFrame, fidelity_name: str, caption: str) -> Figure:
    """Draw fidelity over stability with intervals, a point for each row and a panel for each method.

    Args:
        front: rows with `method`, `superpixels`, `magnitude`, `mean_segments`, `on_front`, and `excess` and `fidelity`
            with `_low` and `_high`; higher is better for both. With `on_hull`, the rows for which it holds make a line.
        fidelity_name: label of the vertical axis.
        caption: text above the panels.

    Example:
        >>> row = dict(method="Gradient", superpixels="pixel", magnitude="either", mean_segments=9.0, on_front=True,
        ...     excess=0.1, excess_low=0.0, excess_high=0.2, fidelity=0.3, fidelity_low=0.2, fidelity_high=0.4)
        >>> len(front_figure(pd.DataFrame([row]), "ROAD", "one image").axes)
        1
    """
    methods = list(front["method"].unique())
    columns = min(3, len(methods))
    rows = -(-len(methods) // columns)
    width = 4.6 * columns + 1.4
    figure = Figure(figsize=(width, 4.1 * rows + 1.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    own = [name for name in front["superpixels"].unique() if name != PIXEL and is_candidate(name)]
    for axes, method in zip(panels, methods, strict=False):
        _panel(axes, front[front["method"] == method], own)
        axes.set_title(method, fontsize=10)
        axes.set_xlabel("stability: excess SSIM over the floor", fontsize=8)
        axes.set_ylabel(fidelity_name, fontsize=8)
    for axes in panels[len(methods) :]:
        axes.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, fontsize=7.5, frameon=False, loc="outside lower center", ncols=int(width / LEGEND_ENTRY)
    )
    figure.suptitle(fill(caption, 75 * columns), fontsize=8)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, own: list[str]) -> None:
    controls = rows[rows["superpixels"].str.startswith(CONTROL)]
    many = colormaps["viridis"](np.linspace(0, 0.9, len(own)))
    colors = dict(zip(own, POOLED_COLOURS if len(own) <= len(POOLED_COLOURS) else map(to_hex, many), strict=False))
    axes.plot(controls["excess"], controls["fidelity"], "x", color=CONTROL_COLOUR, ms=4, label="controls")
    for order, marker in MARKERS.items():
        for superpixels in [PIXEL, *own]:
            points = rows[(rows["superpixels"] == superpixels) & (rows["magnitude"] == order)]
            if points.empty:
                continue
            pixel = superpixels == PIXEL
            color = PIXEL_COLOUR if pixel else colors[superpixels]
            label = label_of(superpixels) if is_as_given(superpixels) else f"{label_of(superpixels)}, {order}"
            axes.errorbar(
                points["excess"],
                points["fidelity"],
                xerr=_reach(points, "excess"),
                yerr=_reach(points, "fidelity"),
                fmt="*" if pixel else marker,
                ms=11 if pixel else 6,
                color=color,
                # filled markers are on the front
                markerfacecolor=color if bool(points["on_front"].iloc[0]) else "white",
                elinewidth=0.8,
                label=label,
            )
            if not pixel:
                count = f"{points['mean_segments'].iloc[0]:.0f}"
                place = (points["excess"].iloc[0], points["fidelity"].iloc[0])
                axes.annotate(count, place, textcoords="offset points", xytext=(5, 4), fontsize=6.5, color=color)
    # any two maps of a reference are the same, so that it has a height, and its place along the axis says nothing
    references = rows[rows["superpixels"].map(is_reference)]
    for (_, row), dashes in zip(references.iterrows(), REFERENCE_DASHES, strict=False):
        label = f"{label_of(str(row['superpixels']))} (no model)"
        axes.axhline(row["fidelity"], color="black", lw=0.9, ls=dashes, label=label, zorder=1)
    _draw_hull(axes, rows)
    front = rows[rows["on_front"]].sort_values("excess")
    axes.plot(front["excess"], front["fidelity"], color="black", lw=0.9, ls=":", label="front (filled)", zorder=1)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_hull(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the best of the pixel map, blurs of all widths and their mixtures; rows up and right of it beat them all."""
    if "on_hull" not in rows or rows["on_hull"].sum() < LEAST_POINTS:
        return
    hull = rows[rows["on_hull"]].sort_values(["fidelity", "excess"], ascending=[False, True])
    # a blur that is more faithful than it needs to be is at least as faithful
    excess, fidelity = [*hull["excess"], hull["excess"].max()], [*hull["fidelity"], rows["fidelity"].min()]
    axes.plot(excess, fidelity, color=HULL_COLOUR, lw=1.4, label="blurs of all widths, mixed", zorder=1)


def _reach(points: pd.DataFrame, name: str) -> np.ndarray:
    value = points[name].to_numpy()
    low, high = points[f"{name}_low"].to_numpy(), points[f"{name}_high"].to_numpy()
    return np.stack([value - low, high - value]).clip(min=0)


def table_figure(cells: pd.DataFrame, title: str) -> Figure:
    """Draw a table of text as a figure.

    Args:
        cells: headings and cells.
        title: text above the table.

    Example:
        >>> len(table_figure(pd.DataFrame({"method": ["Gradient"]}), "one").axes[0].tables)
        1
    """
    widths = [max(len(str(name)), *(len(str(cell)) for cell in cells[name])) for name in cells.columns]
    size = (max(5.0, 0.085 * sum(widths) + 0.5), 0.7 + 0.24 * (1 + len(cells)))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    table = axes.table(
        cells.astype(str).to_numpy().tolist(),
        colLabels=[str(name) for name in cells.columns],
        colWidths=[width / sum(widths) for width in widths],
        loc="center",
        cellLoc="left",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    for cell in table.get_celld().values():
        cell.set_linewidth(0.3)
    axes.set_title(fill(title, max(40, sum(widths))), fontsize=9)
    return figure
