"""Says what a study's numbers depend on: the images on which models agree about the answer, and how many trainings."""

from collections.abc import Sequence

import pandas as pd

from lightning_spx.evaluation.statistics.cells import OF_ARCHITECTURES
from lightning_spx.evaluation.statistics.trainings import THESE_MODELS
from lightning_spx.reporting.rows import ALL_PAIRS, BOTH_RIGHT, SAME_PREDICTION, is_as_given, of_condition

CONDITION_WORDS = {SAME_PREDICTION: "two models predict the same", BOTH_RIGHT: "two models are right"}


def condition_sentence(results: pd.DataFrame, method: str, metric: str) -> list[str]:
    """Say how far a method's pixel maps agree on the images on which two models predict the same.

    Args:
        results: rows of one plan.
        method: name of the method.
        metric: its number.

    Returns:
        One sentence; none if no pair of models has such an image, or all pairs have it on every image, or an earlier
        version did not say.
    """
    own = _pixel_rows(results, method, metric)
    every, same = of_condition(own), of_condition(own, SAME_PREDICTION)
    if every.empty or same.empty or pd.isna(same["excess"].iloc[0]):
        return []
    row, of_all = same.iloc[0], every.iloc[0]
    # an image counts if any pair of models predicts the same for it, so that all may count, but not for every pair
    if (row["num_images"], row["value"]) == (of_all["num_images"], of_all["value"]):
        return []
    some = "" if row["num_images"] < of_all["num_images"] else " (not each for every pair of models)"
    limits = "" if pd.isna(row["excess_low"]) else f" [{row['excess_low']:.2f}, {row['excess_high']:.2f}]"
    alone = f" for {THESE_MODELS}" if limits and row["interval"] != of_all["interval"] else ""
    return [
        f"On the {int(row['num_images'])} of {int(of_all['num_images'])} images for which "
        f"{CONDITION_WORDS[SAME_PREDICTION]}{some}, {method}'s excess is {row['excess']:.2f}{limits}{alone}."
    ]


def missing_conditions(results: pd.DataFrame, metric: str) -> list[str]:
    """Name the conditions that no image meets, so that nobody looks for their rows.

    Example:
        >>> rows = pd.DataFrame({"condition": ["all", "same_prediction"], "num_images": 9})
        >>> rows = rows.assign(metric="saliency_ssim", excess_low=0.1)
        >>> missing_conditions(rows, "saliency_ssim")
        ['There are no rows of the condition both_right: there is no image on which two models are right.']
    """
    own = results[results["metric"] == metric]
    # tables of earlier versions have no conditions, and no intervals of the excess
    if own["excess_low"].isna().all():
        return []
    found = set(own.loc[own["num_images"] > 0, "condition"])
    # two models that are right predict the same, even if values of an earlier version do not say so
    found |= {SAME_PREDICTION} if BOTH_RIGHT in found else set()
    return [
        f"There are no rows of the condition {name}: there is no image on which {words}."
        for name, words in CONDITION_WORDS.items()
        if name not in found
    ]


def effort_sentence(results: pd.DataFrame, method: str, metric: str, num_trainings: int) -> list[str]:
    """Say whether more trainings or more images would narrow the interval of a method's excess.

    Args:
        results: rows of one plan.
        method: name of the method.
        metric: its number.
        num_trainings: number of models in all repeats.

    Returns:
        One sentence; none if there is no such row, or it compares networks that a user names.
    """
    own = of_condition(_pixel_rows(results, method, metric))
    # tables of earlier versions have no interval of the excess
    if own.empty or pd.isna(own["excess_low"].iloc[0]) or own["plan"].iloc[0] == OF_ARCHITECTURES:
        return []
    row = own.iloc[0]
    if row["interval"] == THESE_MODELS:
        return ["Other trainings may differ: `repeats` of two or more, or three or more models, would tell how much."]
    if pd.isna(row["halving_trainings"]):
        return [f"More images would narrow the interval of {method}'s excess; more trainings alone would not halve it."]
    return [
        f"{int(row['halving_trainings'])} trainings in the place of {num_trainings} would halve the interval of "
        f"{method}'s excess."
    ]


def _pixel_rows(results: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    # the setting over all findings comes first
    settings: Sequence[str] = list(results.loc[results["metric"] == metric, "setting"].unique()[:1])
    return results[
        (results["metric"] == metric)
        & (results["method"] == method)
        & results["superpixels"].map(is_as_given)
        & (results["pair"] == ALL_PAIRS)
        & results["setting"].isin(settings)
    ]
