"""Turns times, growth and errors of `spx bench` into a table for the console and figures."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

OWN = "lightning_spx"
COLOURS = {OWN: "#2a6f97", "forward and backward passes": "#b8b8b8"}
PEER_COLOURS = ("#e07a1f", "#8e5572", "#4c956c", "#c1121f", "#b8a100", "#5c5c8a", "#7f8c9b")
GROWTH = "growth over "
MARKERS = {"adaptive": "s", "antithetic": "s", "captum": "^"}


def benchmark_table(table: pd.DataFrame) -> Table:
    """Return the table of times, with those of peers also as multiples of ours.

    Args:
        table: columns `section`, `what`, `by`, `batch`, `milliseconds`, `quartile_low`, `quartile_high`, `peak_mib` and
            `evaluations`.

    Example:
        >>> row = dict(section="metrics", what="SSIM", by="lightning_spx", batch=1, milliseconds=2.0, quartile_low=1.9,
        ...     quartile_high=2.1, peak_mib=1.0, evaluations=0)
        >>> benchmark_table(pd.DataFrame([row, {**row, "by": "other", "milliseconds": 6.0}])).row_count
        2
    """
    shown = Table(title="milliseconds per image: median [quartiles]")
    for name in ("section", "what", "by", "batch", "ms per image", "times ours", "peak MiB", "gradients"):
        shown.add_column(name, justify="left" if name in ("section", "what", "by") else "right")
    for _, group in table.groupby(["section", "what", "batch"], sort=False):
        own = group.loc[group["by"] == OWN, "milliseconds"].iloc[0]
        for row in group.to_dict("records"):
            memory = row["peak_mib"]
            shown.add_row(
                str(row["section"]),
                str(row["what"]),
                str(row["by"]),
                str(row["batch"]),
                f"{_short(row['milliseconds'])} [{_short(row['quartile_low'])}, {_short(row['quartile_high'])}]",
                "" if row["by"] == OWN else f"{row['milliseconds'] / own:.2f}",
                "" if memory is None or math.isnan(memory) else f"{memory:.0f}",
                str(row["evaluations"] or ""),
            )
    return shown


def times_figure(table: pd.DataFrame) -> Figure:
    """Draw the times of the largest batch as bars on a logarithmic scale, with lines for the quartiles.

    Args:
        table: as for `benchmark_table`.

    Example:
        >>> row = dict(section="metrics", what="SSIM", by="lightning_spx", batch=1, milliseconds=2.0, quartile_low=1.9,
        ...     quartile_high=2.1)
        >>> len(times_figure(pd.DataFrame([row])).axes[0].patches)
        1
    """
    rows = table[~table["section"].str.startswith(GROWTH) & ~table["section"].isin(["memory", "study"])]
    if rows.empty:
        rows = table
    sections = list(rows["section"].unique())
    rows = rows[rows["batch"] == rows.groupby(["section", "what"])["batch"].transform("max")]
    rows = rows.sort_values("section", key=lambda names: names.map(sections.index), kind="stable")
    labels, places, position = [], [], 0.0
    figure = Figure(figsize=(9, 1.2 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    peers = [by for by in rows["by"].unique() if by not in COLOURS]
    colors = COLOURS | {by: PEER_COLOURS[place % len(PEER_COLOURS)] for place, by in enumerate(peers)}
    named: set[str] = set()
    for (section, what), group in rows.groupby(["section", "what"], sort=False):
        batch = int(group["batch"].iloc[0])
        labels.append(f"{section}: {what}" + (f", {batch} images" if batch > 1 else ""))
        places.append(position + (len(group) - 1) / 2)
        for row in group.to_dict("records"):
            by, value = str(row["by"]), float(row["milliseconds"])
            axes.barh(position, value, 0.85, color=colors[by], label=None if by in named else by)
            axes.hlines(position, row["quartile_low"], row["quartile_high"], color="black", linewidth=1.2)
            axes.annotate(f" {_short(value)}", (max(value, row["quartile_high"]), position), va="center", fontsize=7)
            named.add(by)
            position += 1
        position += 0.6
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    # leave room for the numbers
    axes.set_xlim(right=axes.get_xlim()[1] * 3)
    axes.set_xlabel("milliseconds per image (median, line: quartiles)")
    figure.legend(fontsize=8, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def growth_figure(table: pd.DataFrame) -> Figure:
    """Draw how the time of a call grows with images, draws and segments, beside the line from the origin to the last.

    Args:
        table: as for `benchmark_table`; in sections such as `growth over images` the column `what` holds the count.

    Example:
        >>> row = dict(section="growth over images", by="lightning_spx", quartile_low=1.0, quartile_high=2.0)
        >>> rows = [{**row, "what": str(count), "milliseconds": 10.0 * count} for count in (1, 2)]
        >>> growth_figure(pd.DataFrame(rows)).axes[0].get_xlabel()
        'images'
    """
    sections = [section for section in table["section"].unique() if section.startswith(GROWTH)]
    figure = Figure(figsize=(3.6 * len(sections), 3.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(sections)))
    for axes, section in zip(panels, sections, strict=True):
        rows = table[table["section"] == section]
        counts, times = rows["what"].astype(float).to_numpy(), rows["milliseconds"].to_numpy()
        reach = np.stack([times - rows["quartile_low"], rows["quartile_high"] - times]).clip(min=0)
        axes.errorbar(counts, times, yerr=reach, fmt="o-", color=COLOURS[OWN], capsize=2)
        axes.plot([0, counts[-1]], [0, times[-1]], linestyle=":", color="black", label="linear")
        axes.set_xlabel(section.removeprefix(GROWTH))
        axes.set_ylabel("milliseconds of the call")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8, frameon=False)
    return figure


def growth_exponents(table: pd.DataFrame) -> dict[str, float]:
    """Return the power of the count with which the time of a call grows: 1 is linear, below 1 less than linear.

    It is the slope of the line through the logarithms of counts and times.

    Args:
        table: as for `growth_figure`.

    Example:
        >>> row = dict(section="growth over pairs", by="lightning_spx")
        >>> rows = [{**row, "what": str(count), "milliseconds": 3.0 * count**0.5} for count in (1, 4, 9)]
        >>> {over: round(exponent, 6) for over, exponent in growth_exponents(pd.DataFrame(rows)).items()}
        {'pairs': 0.5}
    """
    growth = table[table["section"].str.startswith(GROWTH)]
    return {
        str(section).removeprefix(GROWTH): float(
            np.polyfit(np.log(rows["what"].astype(float)), np.log(rows["milliseconds"]), 1)[0]
        )
        for section, rows in growth.groupby("section", sort=False)
        if rows["what"].nunique() > 1
    }


def exactness_figure(errors: pd.DataFrame) -> Figure:
    """Draw the error of each way over its number of evaluations: median, and 5 % to 95 % of the images.

    Args:
        errors: columns `method`, `what`, `evaluations` and `error`, one row for each image.

    Example:
        >>> row = dict(method="IntegratedGradients", what="50 nodes", evaluations=50, error=0.1)
        >>> exactness_figure(pd.DataFrame([row])).axes[0].get_title()
        'IntegratedGradients'
    """
    methods = list(errors["method"].unique())
    figure = Figure(figsize=(5 * len(methods), 4), layout="constrained")
    for axes, method in zip(np.atleast_1d(figure.subplots(1, len(methods))), methods, strict=True):
        for place, (what, rows) in enumerate(errors[errors["method"] == method].groupby("what", sort=False)):
            low, middle, high = rows["error"].quantile([0.05, 0.5, 0.95])
            marker = next((sign for word, sign in MARKERS.items() if word in str(what)), "o")
            axes.errorbar(
                rows["evaluations"].mean(),
                middle,
                yerr=[[middle - low], [high - middle]],
                fmt=marker,
                color=f"C{place % 10}",
                capsize=2,
                label=str(what),
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(method)
        axes.set_xlabel("gradient evaluations for an image (mean)")
        axes.set_ylabel("relative error of the map (L2)")
        axes.legend(fontsize=7, frameon=False)
    return figure
