"""Answers an ensemble study's question in sentences: what does averaging bring, and what is pooling worth beside it?"""

from collections.abc import Sequence
from math import isnan

import pandas as pd

from lightning_spx.evaluation.ensemble.group_maps import SSIM
from lightning_spx.evaluation.ensemble.summary import AVERAGED, Summary
from lightning_spx.evaluation.ensemble.worth import Worth
from lightning_spx.evaluation.statistics.halves import few_images
from lightning_spx.evaluation.statistics.trainings import THESE_MODELS
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.reasons import NO_CHANCE
from lightning_spx.reporting.rows import AFTER, BEFORE, EITHER, PIXEL, control_kind, without_controls

TITLE = "Average or pool"
MEANS = {AFTER: "signed maps", BEFORE: "magnitudes"}
SMOOTHING = (
    "Pooling by itself raises agreement by smoothing, so what it is worth stands beside the worth of its best "
    "smoothing control."
)
YARDSTICK = (
    "Spearman and Brown's formula is exact for the correlation of maps that are one signal plus independent noise; for "
    "SSIM and top-k overlap it is a yardstick."
)


def ensemble_answer(summary: Summary, models: Sequence[str] = (), warnings: Sequence[str] = ()) -> Answer:
    """Answer by the excess in SSIM, in the first order of the study, so that no row is chosen by its number.

    Args:
        summary: what the study has measured.
        models: a line about each model.
        warnings: of the study, that do not follow from its numbers.
    """
    first = summary.results.iloc[0]
    signed = [order for order in summary.curves["magnitude"].unique() if order != EITHER]
    order = signed[0] if signed else EITHER
    curves = summary.curves[(summary.curves["metric"] == SSIM) & (summary.curves["superpixels"] == PIXEL)]
    worths = [each for each in summary.worths if each.metric == SSIM]
    methods = list(curves["method"].unique())
    of_method = {method: _of_one_order(curves[curves["method"] == method], order) for method in methods}
    sentences = [f"Averaging: {'; '.join(_averaging(rows) for rows in of_method.values())}."]
    for method in methods:
        shown = str(of_method[method]["magnitude"].iloc[0])
        sentences += [pooling_sentence(each) for each in worths if each.method == method and each.magnitude == shown]
    sentences.append(_scope(summary.results, MEANS.get(order, "maps")))
    return Answer(
        title=f"{TITLE}: {first['models']} on {first['dataset']}",
        sentences=sentences,
        models=models,
        warnings=[*warnings, *few_images(int(first["num_images"])), *_blank_maps(summary.results)],
        notes=[SMOOTHING, YARDSTICK],
    )


def _blank_maps(results: pd.DataFrame) -> list[str]:
    """Say of which share of the images the maps of single models are constant in each pair, unless it is 0."""
    single = results[(results["metric"] == SSIM) & (results["setting"] == f"{AVERAGED}1")]
    blank = without_controls(single[single["num_constant"] > 0])
    return [
        f"{row['num_constant'] / row['num_images']:.1%} of the images have a blank (constant) map in every pair of "
        f"models: {row['method']}, {row['superpixels']}, {row['magnitude']}."
        for _, row in blank.iterrows()
    ]


def _of_one_order(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    """Select the rows of one order; those of a method without signs stand for all orders."""
    chosen = rows[rows["magnitude"] == order]
    return rows if chosen.empty else chosen


def _averaging(rows: pd.DataFrame) -> str:
    first, last = rows.iloc[0], rows.iloc[-1]
    if isnan(first["excess"]) or isnan(last["excess"]):
        return f"no numbers for {first['method']} ({NO_CHANCE})"
    verb = "rises" if last["excess"] > first["high"] else "falls" if last["excess"] < first["low"] else "goes"
    return (
        f"{first['method']} {_number(first)} at m = {first['m']} {verb} to {_number(last)} at m = {last['m']} "
        f"(Spearman-Brown predicts {_short(last['predicted'])})"
    )


def _number(row: pd.Series) -> str:
    return f"{_short(row['excess'])} [{_short(row['low'])}, {_short(row['high'])}]"


def _short(number: float) -> str:
    # a small negative number is a plain zero
    return f"{round(number, 2) + 0.0:.2f}"


def pooling_sentence(worth: Worth) -> str:
    r"""Say what pooling over some super-pixels is worth, and what its best smoothing control is.

    Example:
        >>> one = Worth("Gradient", "Slic", "after", SSIM, 1.8, 1.5, 2.1, "between 1 and 2 models",
        ...     "control:blur(Slic)", 1.9, more_than_smoothing=False)
        >>> print(*pooling_sentence(one).split(" ("), sep="\n")
        Gradient: pooling over Slic is worth as much as averaging 1.8 [1.5, 2.1] models
        measured: between 1 and 2 models); but its best smoothing control, blur, is worth 1.9.
    """
    start = f"{worth.method}: pooling over {worth.superpixels}"
    if isnan(worth.models):
        return f"{start} has no worth in models, because maps by pixel or pooled ones are not clearly above chance."
    number = f"{worth.models:.1f} [{worth.low:.1f}, {worth.high:.1f}] models"
    own = f"{start} is worth as much as averaging {number} (measured: {worth.measured})"
    if not worth.best_control:
        return f"{own}; its smoothing controls have no number."
    kind = control_kind(worth.best_control)
    control = "not clearly above chance" if isnan(worth.control) else f"worth {worth.control:.1f}"
    if worth.more_than_smoothing:
        return f"{own}, more than its best smoothing control, {kind}, which is {control}."
    unclear = ", no clear difference" if worth.control < worth.models else ""
    return f"{own}; but its best smoothing control, {kind}, is {control}{unclear}."


def _scope(results: pd.DataFrame, maps: str) -> str:
    """Say what the numbers are of, and what their intervals cover."""
    return (
        f"Numbers are the excess in SSIM of mean {maps} of m models over chance, with those of m others: 0 is chance, "
        f"1 a perfect match; {interval_words(results)}."
    )


def interval_words(results: pd.DataFrame) -> str:
    """Say what the intervals of a study cover, which may depend on the number of models averaged.

    Args:
        results: rows of `results.csv`.

    Example:
        >>> settings = ["models_averaged=1", "models_averaged=2"]
        >>> interval_words(pd.DataFrame({"setting": settings, "interval": ["models like these", THESE_MODELS]}))
        '95 % intervals for models like these, but at m = 2 for these models'
    """
    alone = results[results["interval"] == THESE_MODELS]["setting"].unique()
    sizes = sorted({int(str(setting).rpartition(AVERAGED)[2]) for setting in alone})
    wider = results[results["interval"] != THESE_MODELS]["interval"].unique()
    covered = f"for {wider[0]}" if len(wider) else f"for {THESE_MODELS}"
    if sizes and len(wider):
        covered += f", but at m = {' and '.join(map(str, sizes))} for {THESE_MODELS}"
    return f"95 % intervals {covered}"
