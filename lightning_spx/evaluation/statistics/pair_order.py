"""Orders the models of a study for its matrices of pairs, from the rows of `results.csv`."""

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import Array
from lightning_spx.evaluation.statistics.groups import linkage_order
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, of_condition


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
    for pair, excess in rows[rows["superpixels"] == PIXEL].groupby("pair")["excess"]:
        first, second = (int(number) for number in str(pair).split("-"))
        matrix[first, second] = matrix[second, first] = excess.mean()
    return matrix


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
