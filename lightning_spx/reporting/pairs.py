"""Shows the agreement of each pair of models as a table, and as matrices for pixel and S- maps."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lightning_spx.reporting.number_words import number_label
from lightning_spx.reporting.plans import check_one_plan
from lightning_spx.reporting.reasons import counted_images, excess_text, interval_text, number_text, why_no_verdict
from lightning_spx.reporting.rows import ALL_PAIRS, control_kind, has_gain, is_as_given, of_condition, without_controls
from lightning_spx.reporting.tables import method_name

COLOURS = "viridis"
SIDE = 0.75  # inches of a cell


def has_pairs(results: pd.DataFrame, metric: str) -> bool:
    """Whether a study has rows of single pairs of models; one of two models has not.

    Example:
        >>> [has_pairs(pd.DataFrame({"metric": ["reco"], "pair": [pair]}), "reco") for pair in ("all", "0-1")]
        [False, True]
    """
    return bool(((results["metric"] == metric) & (results["pair"] != ALL_PAIRS)).any())


def model_names(results: pd.DataFrame, metric: str, names: Sequence[str]) -> list[str]:
    """Name the models that the rows of pairs are about: by the names that are known, or else by their numbers.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: a metric that has rows for every pair.
        names: those known, which may be of another number of models, such as those of another plan.

    Example:
        >>> rows = pd.DataFrame({"metric": "reco", "superpixels": "pixel", "pair": ["0-1", "0-2", "1-2"]})
        >>> model_names(rows, "reco", ["a", "b"]), model_names(rows, "reco", ["a", "b", "c"])
        (['model 0', 'model 1', 'model 2'], ['a', 'b', 'c'])
    """
    count = 1 + max(number for pair in _of_pairs(results, metric)["pair"] for number in _numbers(pair))
    return list(names) if len(names) == count else [f"model {number}" for number in range(count)]


def pair_cells(results: pd.DataFrame, metric: str, names: Sequence[str]) -> pd.DataFrame:
    """Tabulate a metric for each pair of models: value with interval, floor, excess, best control and gain.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: a metric that has rows for every pair.
        names: of the models.

    Returns:
        Cells of text, a row for each method, pooling and pair.

    Example:
        >>> row = dict(metric="saliency_ssim", pair="0-1", method="Gradient", superpixels="pixel", magnitude="either",
        ...     value=0.5, ci_low=0.4, ci_high=0.6, floor=0.25, excess=0.333, best_control=None)
        >>> pair_cells(pd.DataFrame([row]), "saliency_ssim", ["a", "b"])["pair"].tolist()
        ['a, b']
    """
    rows = _of_pairs(results, metric)
    return pd.DataFrame(
        [
            {
                "method": method_name(row),
                "super-pixels": row["superpixels"],
                "order": row["magnitude"],
                "pair": ", ".join(names[number] for number in _numbers(row["pair"])),
                "value": interval_text(row),
                "floor": number_text(row["floor"]),
                "excess": excess_text(row),
                "gain over best control": _gain(row),
            }
            for _, row in rows.iterrows()
        ]
    )


def pairs_figure(
    results: pd.DataFrame, metric: str, names: Sequence[str], order: Sequence[int] | None = None
) -> Figure:
    """Draw a matrix for each kind of map, with values above the diagonal and excesses over the floor below.

    A star marks a pair that gains over every control.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: a metric that has rows for every pair.
        names: of the models, three or more.
        order: positions of the models in `names`, in the order in which they are drawn, the same for all matrices; None
            keeps the order of the names.

    Raises:
        ValueError: there are no rows of pairs, there are rows of several plans, or the order leaves a model out.

    Example:
        >>> rows = [dict(metric="saliency_ssim", pair=pair, method="Gradient", superpixels="pixel", magnitude="either",
        ...     value=0.5, floor=0.25, excess=0.333, gain_low=float("nan"), models="3 nets", dataset="photos",
        ...     num_images=9) for pair in ("0-1", "0-2", "1-2")]
        >>> figure = pairs_figure(pd.DataFrame(rows), "saliency_ssim", ["a", "b", "c"])
        >>> [axes.get_title() for axes in figure.axes][0]
        'Gradient'
    """
    rows = _of_pairs(results, metric)
    if rows.empty:
        raise ValueError(f"Expected rows of {metric} for pairs of models, got none.")
    placed = "" if order is None else "; models that agree stand together"
    order = list(range(len(names))) if order is None else list(order)
    if sorted(order) != list(range(len(names))):
        raise ValueError(f"Expected `order` to have each position of {len(names)} models once, got {order}.")
    drawn = [names[position] for position in order]
    kinds = list(rows.groupby(["method", "superpixels", "magnitude"], sort=False))
    columns = min(3, len(kinds))
    lines = -(-len(kinds) // columns)
    side = SIDE * len(names)
    figure = Figure(figsize=(columns * (side + 1.4) + 0.8, lines * (side + 1.1) + 0.4), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(kinds) :]:
        axes.axis("off")
    for axes, (_, of_kind) in zip(grid.flat, kinds, strict=False):
        matrix = np.full((len(names), len(names)), np.nan)
        for _, row in of_kind.iterrows():
            first, second = sorted(order.index(number) for number in _numbers(row["pair"]))
            matrix[first, second], matrix[second, first] = row["value"], row["excess"]
            for place, text in (
                ((first, second), number_text(row["value"], ".2f")),
                ((second, first), number_text(row["excess"], ".2f")),
            ):
                star = "*" if has_gain(row) and place[0] > place[1] else ""
                shade = "black" if matrix[place] > 0.6 else "white"
                said = axes.text(place[1], place[0], text + star, ha="center", va="center", fontsize=9, color=shade)
                # it stands inside, and the layout would take long to measure it
                said.set_in_layout(False)
        picture = axes.imshow(matrix, cmap=COLOURS, vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), drawn, fontsize=7, rotation=20, ha="right", parse_math=False)
        axes.set_yticks(range(len(names)), drawn, fontsize=7, parse_math=False)
        row = of_kind.iloc[0]
        pooled = "" if is_as_given(row["superpixels"]) else f"\n{row['superpixels']}, {row['magnitude']}"
        axes.set_title(f"{method_name(row)}{pooled}", fontsize=9, parse_math=False)
    figure.colorbar(picture, ax=list(grid.flat), shrink=0.6)
    first_row = rows.iloc[0]
    figure.suptitle(
        f"{number_label(metric)}, {first_row['models']}, {first_row['dataset']}, {counted_images(first_row)}\n"
        f"above the diagonal the value, below its excess over the floor; * gain over every control{placed}",
        fontsize=8,
    )
    return figure


def _of_pairs(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    rows = of_condition(results[(results["metric"] == metric) & (results["pair"] != ALL_PAIRS)])
    check_one_plan(rows)
    return without_controls(rows)


def _numbers(pair: str) -> tuple[int, int]:
    first, second = pair.split("-")
    return int(first), int(second)


def _gain(row: pd.Series) -> str:
    if not isinstance(row["best_control"], str) or not row["best_control"]:
        return why_no_verdict(row)
    control = control_kind(row["best_control"])
    return f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}] {control}"
