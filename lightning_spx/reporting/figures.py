"""Draws tables and maps of a stability study with matplotlib, without a Trainer or a logger."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from skimage.segmentation import mark_boundaries
from torch import Tensor

from lightning_spx.reporting.main_table import shortened
from lightning_spx.reporting.number_words import number_label
from lightning_spx.reporting.panels import as_photos
from lightning_spx.reporting.reasons import counted_images, covered, interval_text, number_text, why_no_verdict
from lightning_spx.reporting.rows import AFTER, BEFORE, EITHER, PIXEL, has_gain, label_of, select_rows, without_controls

# colors that everybody can tell apart (Okabe and Ito 2008; the last one by Tol)
PIXEL_COLOUR = "#999999"
POOLED_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#332288")
FLOOR_COLOUR = "#d55e00"
# a white edge sets the floor apart from bars of any color
FLOOR_EDGE = [withStroke(linewidth=3.2, foreground="white")]
# of the names of methods, and of the smaller text below them, in an inch
LETTERS, LETTERS_BELOW = 10, 12
LONGEST_NAME = 28  # letters of a method or segmenter
CELL_NAME = 22  # of one above a cell of a panel
BEST_CONTROL: dict[str, Any] = {"marker": "D", "linestyle": "", "color": "white", "markeredgecolor": "black", "ms": 4.5}


def stability_bars(results: pd.DataFrame, metric: str, setting: str = "") -> Figure:
    """Draw one metric as bars with intervals, floor and best control, and below it the excess over the floor.

    Each method has a bar by pixel and one for every segmenter.

    Args:
        results: rows of `results.csv`, of one plan; with both magnitude orders only `after` is drawn.
        metric: the metric to draw.
        setting: the setting of the metric.

    Raises:
        ValueError: there is no such row, or there are rows of several plans.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", value=0.2, ci_low=0.1, ci_high=0.3, floor=0.1, excess=0.11,
        ...     best_control=None, models="2 nets", dataset="birds", num_images=10, interval="over images")
        >>> figure = stability_bars(pd.DataFrame([row]), "saliency_ssim")
        >>> float(figure.axes[0].patches[0].get_height())
        0.2
    """
    rows = _shown(results, metric, setting)
    own = without_controls(rows)
    methods, partitions = list(own["method"].unique()), list(own["superpixels"].unique())
    figure = Figure(figsize=(max(6.0, 0.45 * len(methods) * len(partitions) + 2), 6.4), layout="constrained")
    axes, below = figure.subplots(2, sharex=True)
    width = 0.82 / len(partitions)
    for column, superpixels in enumerate(partitions):
        bars = own[own["superpixels"] == superpixels]
        values = bars["value"].to_numpy()
        centers = np.array([methods.index(method) for method in bars["method"]], dtype=float)
        centers += (column - (len(partitions) - 1) / 2) * width
        pixel = superpixels == PIXEL
        color = PIXEL_COLOUR if pixel else POOLED_COLOURS[(column - 1) % len(POOLED_COLOURS)]
        axes.bar(
            centers,
            values,
            width * 0.92,
            color=color,
            label=label_of(shortened(superpixels, LONGEST_NAME)),
        )
        reach = np.stack([values - bars["ci_low"].to_numpy(), bars["ci_high"].to_numpy() - values]).clip(min=0)
        axes.errorbar(centers, values, yerr=reach, fmt="none", ecolor="black", capsize=2.5, elinewidth=1)
        ends = centers - width * 0.46, centers + width * 0.46
        axes.hlines(bars["floor"], *ends, color=FLOOR_COLOUR, linewidth=1.6, path_effects=FLOOR_EDGE)
        for center, method, name in zip(centers, bars["method"], bars["best_control"], strict=True):
            control = rows[(rows["method"] == method) & (rows["superpixels"] == name)]
            for panel, column_name in ((axes, "value"), (below, "excess")):
                panel.plot([center] * len(control), control[column_name], **BEST_CONTROL)
        # values with different floors cannot be compared, but their excess can
        below.bar(centers, bars["excess"], width * 0.92, color=color)
        # tables of earlier versions have no interval of the excess
        if "excess_low" in bars and bars["excess_low"].notna().any():
            excess, limits = bars["excess"].to_numpy(), [bars[f"excess_{end}"].to_numpy() for end in ("low", "high")]
            reach = np.stack([excess - limits[0], limits[1] - excess]).clip(min=0)
            below.errorbar(centers, excess, yerr=reach, fmt="none", ecolor="black", capsize=2.5, elinewidth=1)
    names = [shortened(method, LONGEST_NAME) for method in methods]
    long = sum(len(name) + 2 for name in names) > LETTERS * figure.get_figwidth()
    turned: dict[str, Any] = {"rotation": 20, "ha": "right"} if long else {}
    below.set_xticks(range(len(methods)), names, parse_math=False, **turned)
    below.set_ylabel("excess over the floor")
    below.axhline(0, color=FLOOR_COLOUR, linewidth=1)
    axes.set_ylabel(number_label(metric, setting), parse_math=False)
    axes.plot([], [], color=FLOOR_COLOUR, label="floor (chance)")
    axes.plot([], [], label="best control", **BEST_CONTROL)
    axes.legend(
        fontsize=8,
        ncols=2 if any(len(name) > 15 for name in partitions) else 3,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
    )
    for panel in (axes, below):
        panel.spines[["top", "right"]].set_visible(False)
    first = own.iloc[0]
    if own["value"].isna().all():
        axes.text(0.5, 0.5, why_no_verdict(first), ha="center", va="center", transform=axes.transAxes)
    said = f"{first['models']}, {first['dataset']}, {counted_images(first)}; 95 % intervals {covered(own)}"
    below.set_xlabel(fill(said, round(LETTERS_BELOW * figure.get_figwidth())), fontsize=8, parse_math=False)
    return figure


def mege_table(results: pd.DataFrame, setting: str = "distance=l2") -> Figure:
    """Draw MeGe as a table with methods in rows and pixel and segmenters in columns.

    Each cell holds the value, its interval, the floor and a star for a gain.

    Args:
        results: rows of `results.csv`, of one plan.
        setting: the distance.

    Raises:
        ValueError: there is no such row, or there are rows of several plans.

    Example:
        >>> row = dict(metric="mege", setting="distance=l2", pair="all", method="Gradient", superpixels="Slic",
        ...     magnitude="after", value=0.5, ci_low=0.4, ci_high=0.6, floor=0.3, excess=0.2,
        ...     gain_low=0.1, models="4 nets",
        ...     dataset="birds", num_images=10, interval="over images")
        >>> mege_table(pd.DataFrame([row])).axes[0].tables[0][1, 0].get_text().get_text().split()
        ['0.500*', '[0.400,', '0.600]', '/', '0.300']
    """
    rows = _shown(results, "mege", setting)
    own = without_controls(rows)
    methods, partitions = list(own["method"].unique()), list(own["superpixels"].unique())
    cells = []
    for method in methods:
        line = []
        for superpixels in partitions:
            match = own[(own["method"] == method) & (own["superpixels"] == superpixels)]
            line.append("" if match.empty else _cell_text(match.iloc[0]))
        cells.append(line)
    figure = Figure(figsize=(2.2 + 2.1 * len(partitions), 0.9 + 0.55 * len(methods)), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    headings = [label_of(name) for name in partitions]
    table = axes.table(cells, rowLabels=methods, colLabels=headings, loc="center", cellLoc="center")
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 2.3)
    first = own.iloc[0]
    axes.set_title(
        f"{number_label('mege', setting)}: {first['models']} on {first['dataset']}\n"
        f"value [95 % interval] / floor; intervals {covered(own)}; * gain over every control",
        fontsize=8,
    )
    return figure


def map_panel(
    images: Tensor,
    segments: Mapping[str, Tensor],
    pixel_maps: Tensor,
    pooled_maps: Mapping[str, Tensor],
    model_names: Sequence[str],
    title: str,
) -> Figure:
    r"""Draw images with their segments and the maps of every model, first by pixel, then by each segmenter and filter.

    Args:
        images: (n, C, H, W) in [0, 1], shown as `as_photos` says.
        segments: (n, H, W) of each segmenter, by name; filters have none, and their maps have their names.
        pixel_maps: (M, n, H, W) saliency maps in [0, 1].
        pooled_maps: the same, pooled, of each segmenter and filter.
        model_names: of the M models.
        title: of the figure.

    Example:
        >>> import torch
        >>> maps = torch.rand(2, 3, 8, 8)
        >>> figure = map_panel(torch.rand(3, 3, 8, 8), {}, maps, {"Slic": maps}, ["model 0", "model 1"], "Gradient")
        >>> [text.get_text() for text in figure.axes[0].texts][3:]
        ['S-, model 0\nSlic', 'S-, model 1\nSlic']
    """
    kinds = {PIXEL: pixel_maps, **pooled_maps}
    outline: Callable[..., np.ndarray] = mark_boundaries
    columns = 1 + sum(len(maps) + (name in segments) for name, maps in kinds.items())
    figure = Figure(figsize=(1.25 * columns, 1.25 * len(images) + 0.7))
    # all pictures are in the same axes: the layout of axes for each would take longer than all other figures together
    axes = figure.add_axes((0, 0, 1, 1 - 0.6 / figure.get_figheight()), aspect="equal")
    for line, image in enumerate(images):
        photo = _array(as_photos(image).permute(1, 2, 0))
        pictures = [(photo, "image")]
        for name, maps in kinds.items():
            if name in segments:
                # at four times the size a boundary is thinner than a pixel of a small image
                large = segments[name][line].cpu().numpy().repeat(4, 0).repeat(4, 1)
                pictures.append((outline(photo.repeat(4, 0).repeat(4, 1), large, color=(1, 0.85, 0)), name))
            prefix = "" if name == PIXEL else "S-, "
            # no picture of borders beside the maps names a filter
            ending = "" if name == PIXEL or name in segments else f"\n{shortened(name, CELL_NAME)}"
            named = zip(maps, model_names, strict=True)
            pictures += [(_array(one[line]), f"{prefix}{model}{ending}") for one, model in named]
        for column, (picture, heading) in enumerate(pictures):
            _show(axes, picture, line, column, heading if line == 0 else "")
    axes.set(xlim=(-0.05, columns - 0.05), ylim=(len(images) - 0.05, -0.05))
    axes.axis("off")
    figure.suptitle(title, fontsize=9, y=1 - 0.1 / figure.get_figheight(), va="top")
    return figure


def _shown(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    """Select the rows of a figure: of two magnitude orders it shows `after`, the gradient with respect to a group."""
    rows = select_rows(results, metric, setting)
    order = AFTER if (rows["magnitude"] == AFTER).any() else BEFORE
    return rows[rows["magnitude"].isin([order, EITHER])]


def _cell_text(row: pd.Series) -> str:
    why = why_no_verdict(row)
    if why:
        return f"{number_text(row['value'])} / {number_text(row['floor'])}\n{fill(why, 26)}"
    value, _, limits = interval_text(row).partition(" ")
    return f"{value}{'*' if has_gain(row) else ''} {limits}\n/ {number_text(row['floor'])}"


def _array(tensor: Tensor) -> np.ndarray:
    """Convert a tensor on any device and of any float type."""
    return tensor.detach().cpu().float().numpy()


def _show(axes: Axes, picture: np.ndarray, line: int, column: int, heading: str) -> None:
    """Show a picture in a cell, which is a square of side 1 with gaps of 0.1, with its heading above."""
    height, width = 0.9 * np.array(picture.shape[:2]) / max(picture.shape[:2])
    left, top = column + (0.9 - width) / 2, line + (0.9 - height) / 2
    axes.imshow(
        picture,
        cmap="inferno" if picture.ndim == 2 else None,
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(left, left + width, top + height, top),
    )
    if heading:
        axes.text(column + 0.45, top - 0.05, heading, fontsize=7, ha="center", va="bottom", parse_math=False)
