"""Shows accuracies after removal and retraining as curves and as a table."""

from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure

from lightning_spx.reporting.figures import FLOOR_COLOUR, PIXEL_COLOUR, POOLED_COLOURS
from lightning_spx.reporting.rows import PIXEL, has_gain, is_control

BASELINES = {"random": "black", "sobel": "#882255"}


def removal_curves(results: pd.DataFrame, chance: float, title: str) -> Figure:
    """Draw the accuracy over the percentage of removed pixels, a panel for each method.

    Args:
        results: rows with the metric `roar_accuracy` or `kar_accuracy`.
        chance: accuracy of guessing.
        title: text above the panels.

    Example:
        >>> rows = [dict(method=method, superpixels="pixel", setting=f"percentage={percentage}", value=0.5,
        ...     ci_low=0.4, ci_high=0.6) for method, percentage in (("none", 0), ("random", 30), ("Gradient", 30))]
        >>> removal_curves(pd.DataFrame(rows), chance=0.1, title="birds").axes[0].get_title()
        'Gradient'
    """
    rows = results.assign(percentage=results["setting"].str.partition("=")[2].astype(float))
    clean = rows[rows["method"] == "none"]
    methods = [name for name in rows["method"].unique() if name not in ("none", *BASELINES)]
    figure = Figure(figsize=(5.0 * max(1, len(methods)) + 0.8, 4.6), layout="constrained")
    panels = figure.subplots(1, max(1, len(methods)), squeeze=False, sharey=True)[0]
    for axes, method in zip(panels, methods or [""], strict=True):
        shown = [(name, PIXEL, color, ":") for name, color in BASELINES.items()]
        own = rows[rows["method"] == method]
        names = list(own["superpixels"].unique())
        pooled = [name for name in names if name != PIXEL and not is_control(name)]
        for name in names:
            if is_control(name):
                shown.append((method, name, "#c3c9cf", "-"))
        shown += [(method, name, POOLED_COLOURS[pooled.index(name) % len(POOLED_COLOURS)], "-") for name in pooled]
        shown += [(method, PIXEL, PIXEL_COLOUR, "-")] if method else []
        labeled = False
        for source, name, color, style in shown:
            line = rows[(rows["method"] == source) & (rows["superpixels"] == name)]
            line = pd.concat([clean, line]).sort_values("percentage")
            control = is_control(name)
            label = source if source in BASELINES else PIXEL if name == PIXEL else f"S-, {name}"
            if control:
                label, labeled = ("_" if labeled else "controls"), True
            reach = [line["value"] - line["ci_low"], line["ci_high"] - line["value"]]
            missing = line["ci_low"].isna().any() or control
            axes.errorbar(
                line["percentage"],
                line["value"],
                yerr=None if missing else reach,
                color=color,
                ls=style,
                marker="" if control else "o",
                ms=3.5,
                capsize=2,
                lw=1 if control else 1.5,
                label=label,
            )
        # Student's intervals of two seeds are wider than the range of all values, so the axis ignores them
        axes.set_ylim(0, min(1.0, 1.15 * float(rows["value"].max())))
        axes.axhline(chance, color=FLOOR_COLOUR, lw=1, label="guessing")
        axes.set_title(method, fontsize=10)
        axes.set_xlabel("pixels removed (%)", fontsize=8)
        axes.legend(fontsize=7.5, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("test accuracy after retraining", fontsize=8)
    figure.suptitle(fill(title, 75 * len(panels)), fontsize=8)
    return figure


def removal_cells(results: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies as text: a row for each order, a column for each percentage, a star for a gain.

    Args:
        results: rows with the metric `roar_accuracy` or `kar_accuracy`.

    Example:
        >>> row = dict(method="random", superpixels="pixel", setting="percentage=30", value=0.5, ci_low=0.4,
        ...     ci_high=0.6, gain_low=float("nan"), floor=float("nan"), excess=float("nan"))
        >>> removal_cells(pd.DataFrame([row])).iloc[0].tolist()
        ['random', 'pixel', '0.500 [0.400, 0.600]']
    """
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for _, row in results.iterrows():
        key = str(row["method"]), str(row["superpixels"])
        line = lines.setdefault(key, {"order": key[0], "super-pixels": key[1]})
        reach = "" if pd.isna(row["ci_low"]) else f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
        star = "*" if has_gain(row) else ""
        line[f"{str(row['setting']).partition('=')[2]} %"] = f"{row['value']:.3f}{star}{reach}"
    return pd.DataFrame(lines.values()).fillna("")
