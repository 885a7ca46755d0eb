"""Says in a sentence what a figure shows, for those who cannot see it: which methods, and the best of its values."""

from collections.abc import Iterable, Sequence

import pandas as pd

from lightning_spx.reporting.image_values import ImageValues, drawn_kinds, kind_name
from lightning_spx.reporting.number_words import number_label
from lightning_spx.reporting.plans import check_one_plan
from lightning_spx.reporting.rows import (
    ALL_PAIRS,
    EITHER,
    is_as_given,
    is_control,
    of_condition,
    over_findings,
    prefix_of,
    said_of,
    select_rows,
    without_controls,
)


def bars_in_words(results: pd.DataFrame, metric: str, setting: str) -> str:
    r"""Describe the bars of a number.

    Args:
        results: rows of `results.csv`.
        metric: which of its metrics.
        setting: which of the metric's settings.

    Raises:
        ValueError: there is no such row.

    Example:
        >>> row = dict(metric="mege", setting="distance=l2", pair="all", method="Gradient", superpixels="Slic",
        ...     magnitude="after", value=0.5, floor=0.25, excess=0.333)
        >>> print(*bars_in_words(pd.DataFrame([row]), "mege", "distance=l2").split(" The "), sep="\n")
        Bars of MeGe, L2 distance, for Gradient with Slic.
        highest excess over the floor, 0.333, is that of S-Gradient with Slic, after (value 0.500, floor 0.250).
    """
    rows = without_controls(select_rows(results, metric, setting))
    kinds = [said_of(name) for name in rows["superpixels"].unique()]
    shown = f"Bars of {number_label(metric, setting)}, for {_listed(rows['method'].unique())} {_listed(kinds)}."
    return f"{shown} {_extremes(rows)}".strip()


def pairs_in_words(results: pd.DataFrame, metric: str, names: Sequence[str], order: Sequence[int] | None = None) -> str:
    r"""Describe the matrices of a number of all pairs of models.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: which of its metrics.
        names: of the models.
        order: positions of the models in `names`, if they are drawn in an order of their agreement.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="0-1", method="Gradient", superpixels="pixel",
        ...     magnitude="either", excess=0.25)
        >>> print(*pairs_in_words(pd.DataFrame([row]), "saliency_ssim", ["a", "b"]).split(" The "), sep="\n")
        Matrices of SSIM for every pair of a and b, one for each kind of map.
        highest excess over the floor, 0.250, is that of a and b for Gradient by pixel.
    """
    of_pairs = over_findings(of_condition(results[(results["metric"] == metric) & (results["pair"] != ALL_PAIRS)]))
    check_one_plan(of_pairs)
    rows = without_controls(of_pairs)
    models = f"every pair of {_listed(names)}" if len(names) else "every pair of models"
    shown = f"Matrices of {number_label(metric)} for {models}, one for each kind of map."
    if order is not None:
        placed = ", ".join(names[position] for position in order)
        shown += f" Models that agree stand together, by average linkage of the pixel maps' excess: {placed}."
    known = rows[rows["excess"].notna()]
    if known.empty:
        return shown
    best = known.iloc[int(known["excess"].argmax())]
    numbers = [int(number) for number in str(best["pair"]).split("-")]
    pair = _listed([names[number] if number < len(names) else f"model {number}" for number in numbers])
    return f"{shown} The highest excess over the floor, {best['excess']:.3f}, is that of {pair} for {_map_name(best)}."


def distribution_in_words(kinds: Sequence[ImageValues], metric: str, setting: str = "") -> str:
    r"""Describe how a number is distributed over the images, kind by kind.

    Args:
        kinds: kinds of maps.
        metric: of the values.
        setting: of the metric.

    Example:
        >>> import numpy as np
        >>> kind = ImageValues("Gradient", "pixel", "either", np.linspace(0, 1, 11), np.full(11, 0.25))
        >>> print(*distribution_in_words([kind], "saliency_ssim").split(": "), sep="\n")
        Values of SSIM image by image, beside the floors of the same images. Gradient by pixel
        median 0.500, 10th percentile 0.100, 90th percentile 0.900, 27 % of 11 images below their floor.
    """
    said = [f"Values of {number_label(metric, setting)} image by image, beside the floors of the same images."]
    for kind in drawn_kinds(kinds):
        low, median, high = kind.percentiles
        said.append(
            f"{kind_name(kind)}: median {median:.3f}, 10th percentile {low:.3f}, 90th percentile {high:.3f}, "
            f"{100 * kind.below_floor:.0f} % of {len(kind.values)} images below their floor."
        )
    return " ".join(said)


def front_in_words(results: pd.DataFrame) -> str:
    r"""Describe the points of stability and fidelity.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", value=0.5, floor=0.25, excess=0.333)
        >>> print(*front_in_words(pd.DataFrame([row])).split(" The "), sep="\n")
        Points of fidelity over stability, a panel for each method: Gradient.
        highest excess over the floor, 0.333, is that of Gradient by pixel (value 0.500, floor 0.250).
    """
    rows = without_controls(select_rows(results, "saliency_ssim", ""))
    methods = _listed(rows["method"].unique())
    return f"Points of fidelity over stability, a panel for each method: {methods}. {_extremes(rows)}".strip()


def curves_in_words(results: pd.DataFrame) -> str:
    r"""Describe the curves of accuracy after removal and retraining.

    Example:
        >>> row = dict(metric="roar_accuracy", setting="percentage=50", pair="all", method="Gradient",
        ...     superpixels="pixel", magnitude="either", value=0.5, floor=float("nan"), excess=float("nan"))
        >>> print(*curves_in_words(pd.DataFrame([row])).split(" At "), sep="\n")
        Curves of the accuracy after retraining over the percentage of pixels: Gradient.
        50 %, the highest value, 0.500, is that of Gradient by pixel, the lowest, 0.500, that of Gradient by pixel.
    """
    rows = without_controls(of_condition(results))
    most = max(rows["setting"], key=lambda setting: float(str(setting).partition("=")[2]))
    methods = _listed([name for name in rows["method"].unique() if name != "none"])
    said = _extremes(rows[rows["setting"] == most])
    at = f" At {str(most).partition('=')[2]} %, {said[0].lower()}{said[1:]}" if said else ""
    return f"Curves of the accuracy after retraining over the percentage of pixels: {methods}.{at}"


def averaging_in_words(results: pd.DataFrame, metric: str) -> str:
    r"""Describe the curves of mean maps of more and more models.

    Args:
        results: rows of `results.csv`.
        metric: which of its metrics.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="models_averaged=2", pair="all", method="Gradient",
        ...     superpixels="pixel", magnitude="after", value=0.5, floor=0.25, excess=0.333)
        >>> print(*averaging_in_words(pd.DataFrame([row]), "saliency_ssim").split(" The "), sep="\n")
        Curves of the excess in SSIM over the number of models averaged, a panel for each method: Gradient.
        highest excess over the floor, 0.333, is that of Gradient by pixel (value 0.500, floor 0.250).
    """
    rows = without_controls(results[results["metric"] == metric])
    methods = _listed(rows["method"].unique())
    label = number_label(metric)
    shown = f"Curves of the excess in {label} over the number of models averaged, a panel for each method: {methods}."
    return f"{shown} {_extremes(rows)}".strip()


def _extremes(rows: pd.DataFrame) -> str:
    """Name the row of the highest excess; where no row has a floor, those of the highest and lowest value."""
    known = rows[rows["excess"].notna()]
    if len(known):
        best = known.iloc[int(known["excess"].argmax())]
        numbers = f"value {best['value']:.3f}, floor {best['floor']:.3f}"
        excess = f"The highest excess over the floor, {best['excess']:.3f}"
        return f"{excess}, is that of {_map_name(best)} ({numbers})."
    known = rows[rows["value"].notna()]
    if known.empty:
        return ""
    high, low = known.iloc[int(known["value"].argmax())], known.iloc[int(known["value"].argmin())]
    return (
        f"The highest value, {high['value']:.3f}, is that of {_map_name(high)}, "
        f"the lowest, {low['value']:.3f}, that of {_map_name(low)}."
    )


def _map_name(row: pd.Series) -> str:
    superpixels, order = str(row["superpixels"]), str(row["magnitude"])
    if is_control(superpixels):
        return f"{row['method']} by pixel"
    order = "" if order == EITHER or is_as_given(superpixels) else f", {order}"
    return f"{prefix_of(superpixels)}{row['method']} {said_of(superpixels)}{order}"


def _listed(names: Iterable[str]) -> str:
    """Join names as a sentence does.

    Example:
        >>> _listed(["a"]), _listed(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    *others, last = map(str, names)
    return f"{', '.join(others)} and {last}" if others else last
