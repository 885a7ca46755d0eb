"""Draws how a number is distributed over the images, beside what chance gives on the same images."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Literal, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightning_spx.reporting.figures import (
    FLOOR_COLOUR,
    LETTERS,
    LETTERS_BELOW,
    LONGEST_NAME,
    PIXEL_COLOUR,
    POOLED_COLOURS,
)
from lightning_spx.reporting.image_values import ImageValues, drawn_kinds
from lightning_spx.reporting.main_table import shortened
from lightning_spx.reporting.number_words import number_label
from lightning_spx.reporting.rows import PIXEL, label_of

# an outline, which no color of a pooling is like
FLOOR_STYLE: dict[str, Any] = {"facecolor": "white", "edgecolor": FLOOR_COLOUR, "linewidth": 1.1}
INCHES = 0.62  # of a kind of map


def distribution_figure(kinds: Sequence[ImageValues], metric: str, setting: str, said: str) -> Figure:
    """Draw the values of all images as the left half of a violin, and their floors as its right half.

    A line reaches from the 10th to the 90th percentile of the images, and a dot is at their median.

    Args:
        kinds: kinds of maps, at least one.
        metric: of the values.
        setting: of the metric.
        said: text below: models, data and images.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> kind = ImageValues("Gradient", "pixel", "either", draw.random(40), draw.random(40) / 4)
        >>> [text.get_text() for text in distribution_figure([kind], "saliency_ssim", "", "birds").axes[0].texts]
        ['10 %']
    """
    kinds = drawn_kinds(kinds)
    methods = list(dict.fromkeys(kind.method for kind in kinds))
    partitions = list(dict.fromkeys(kind.superpixels for kind in kinds))
    pooled = [name for name in partitions if name != PIXEL]
    # a gap between two methods
    places = [number + 0.6 * methods.index(kind.method) for number, kind in enumerate(kinds)]
    figure = Figure(figsize=(max(6.0, INCHES * (places[-1] + 1) + 1.2), 4.6), layout="constrained")
    axes = figure.subplots()
    for place, kind in zip(places, kinds, strict=True):
        color = PIXEL_COLOUR
        if kind.superpixels != PIXEL:
            color = POOLED_COLOURS[pooled.index(kind.superpixels) % len(POOLED_COLOURS)]
        _half(axes, place, kind.values, "low", {"facecolor": color, "edgecolor": "none"})
        _half(axes, place, kind.floors, "high", FLOOR_STYLE)
        low, median, high = kind.percentiles
        axes.plot([place, place], [low, high], color="black", lw=1.2, solid_capstyle="butt")
        axes.plot([place], [median], "o", ms=4.5, color="white", markeredgecolor="black")
        share = f"{100 * kind.below_floor:.0f} %"
        top = max(kind.values.max(), kind.floors.max())
        axes.annotate(
            share, (place, top), textcoords="offset points", xytext=(0, 3), ha="center", fontsize=7, color=FLOOR_COLOUR
        )
    of_methods = [
        np.mean([place for place, kind in zip(places, kinds, strict=True) if kind.method == method])
        for method in methods
    ]
    names = [shortened(method, LONGEST_NAME) for method in methods]
    long = sum(len(name) + 2 for name in names) > LETTERS * figure.get_figwidth()
    turned: dict[str, Any] = {"rotation": 20, "ha": "right"} if long else {}
    axes.set_xticks(of_methods, names, parse_math=False, **turned)
    axes.set_xlim(-0.8, places[-1] + 0.8)
    axes.margins(y=0.08)
    axes.set_ylabel(f"{number_label(metric, setting)} of an image", parse_math=False)
    for name in partitions:
        color = PIXEL_COLOUR if name == PIXEL else POOLED_COLOURS[pooled.index(name) % len(POOLED_COLOURS)]
        label = label_of(shortened(name, LONGEST_NAME))
        axes.fill_between([], [], color=color, label=label)
    axes.fill_between([], [], label="floor of the same images (chance)", **FLOOR_STYLE)
    axes.plot([], [], "o-", ms=4.5, color="black", markerfacecolor="white", label="median, 10th to 90th percentile")
    axes.legend(fontsize=7.5, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    text = f"{said}; above each the share of images below their floor"
    axes.set_xlabel(fill(text, round(LETTERS_BELOW * figure.get_figwidth())), fontsize=8, parse_math=False)
    return figure


def _half(
    axes: Axes, place: float, values: NDArray[np.float64], side: Literal["low", "high"], style: Mapping[str, Any]
) -> None:
    bodies = axes.violinplot([values], positions=[place], widths=0.9, showextrema=False, side=side)["bodies"]
    for body in cast(Sequence[PolyCollection], bodies):
        body.set(alpha=1, **style)
