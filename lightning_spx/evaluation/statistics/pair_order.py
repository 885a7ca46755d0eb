"""Orders the models of a study by their agreement, and finds groups of them, from the rows of `results.csv`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import Array
from lightning_spx.evaluation.statistics.groups import LEAST_MODELS, groups_sentences, linkage_order
from lightning_spx.reporting.rows import ALL_PAIRS, is_as_given, of_condition


def pair_matrix(results: pd.DataFrame, metric: str, num_models: int) -> Array:
    """Return the excess of every two models' pixel maps, as its mean over methods.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: a metric that has rows for every pair.
        num_models: number of the models k.

    Returns:
        Shape (k, k), symmetric; NaN for pairs without an excess, and 1 on the diagonal.

    Example:
        >>> rows = pd.DataFrame({"metric": "saliency_ssim", "superpixels": "pixel", "pair": ["0-1", "0-1", "all"],
        ...     "excess": [0.25, 0.75, 0.9]})
        >>> pair_matrix(rows, "saliency_ssim", 2).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """
    rows = of_condition(results[(results["metric"] == metric) & (results["pair"] != ALL_PAIRS)])
    matrix = np.full((num_models, num_models), np.nan)
    np.fill_diagonal(matrix, 1.0)
    for pair, excess in rows[rows["superpixels"].map(is_as_given)].groupby("pair")["excess"]:
        first, second = (int(number) for number in str(pair).split("-"))
        matrix[first, second] = matrix[second, first] = excess.mean()
    return matrix


def group_warnings(results: pd.DataFrame, metric: str, names: Sequence[str]) -> list[str]:
    """Say for which methods the models form groups that explain differently, so that no mean describes them.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: a metric that has rows for every pair.
        names: of the models; fewer than four cannot form groups that a test could tell from chance.
    """
    if len(names) < LEAST_MODELS:
        return []
    own = results[results["metric"] == metric]
    matrices = {
        str(method): pair_matrix(rows, metric, len(names)) for method, rows in own.groupby("method", sort=False)
    }
    known = {method: matrix for method, matrix in matrices.items() if not np.isnan(matrix).any()}
    return [f"{method}: {sentence}" for method, sentence in groups_sentences(known, names).items()]


def pair_order(results: pd.DataFrame, metric: str, num_models: int) -> list[int] | None:
    """Order models so that those whose pixel maps agree stand together, see `linkage_order`.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: a metric that has rows for every pair.
        num_models: number of the models.

    Returns:
        Positions of the models. None for tables of earlier versions, whose excesses have no intervals: their matrices
        are drawn in the models' own order.
    """
    if "excess_low" not in results or results["excess_low"].isna().all():
        return None
    return linkage_order(pair_matrix(results, metric, num_models))
