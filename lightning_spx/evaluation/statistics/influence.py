"""Linearizes the numbers of a study: how much each value of a repeat, pair of models and image moves a number.

A number's influence I of shape (R, P, N) says that other values change the number by the sum of their weights' changes
times I (the infinitesimal jackknife: Jaeckel 1972; Efron 1982, chapter 6). The sum of I is zero. Influences of numbers
that are functions of others follow by the chain rule, so that one analysis of variance serves all of them.
"""

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array, Flags
from lightning_spx.evaluation.statistics.cells import Cell
from lightning_spx.evaluation.statistics.floors import Draws


def influence_of(metric: str, cell: Cell, variant: str) -> Array:
    """Return the influence of every value on a number, summed over the items of an image.

    Args:
        metric: `mege`, `reco`, or a metric that is a mean.
        cell: the per-image values.
        variant: which of the cell's values: as they are, those of a null, or of the ceiling.

    Returns:
        (R, P, N); zero where a value does not count, NaN if the number is NaN.

    Example:
        >>> values = np.array([[[1.0, 3.0]]])
        >>> flags = np.zeros((1, 1, 2), bool)
        >>> cell = Cell({"value": values}, flags, flags, flags, flags, np.ones(2))
        >>> influence_of("saliency_ssim", cell, "value").tolist()
        [[[-0.5, 0.5]]]
    """
    values = cell.variants[variant]
    if metric == "mege":
        mean, influence = _mean(values, cell.agree & ~np.isnan(values))
        return cell.by_image(-influence / (1 + mean) ** 2)
    if metric == "reco":
        return cell.by_image(_reco(values, cell.agree, cell.differ))
    return cell.by_image(_mean(values, ~np.isnan(values))[1])


def excess_influence(metric: str, cell: Cell, draws: Draws) -> Array:
    """Return the influence of every value on (value - floor) / (1 - floor), (R, P, N); NaN for a floor of 1."""
    value, floor = draws.value[0], draws.floor[0]
    floor = floor if floor < 1 else np.nan
    of_value, of_floor = influence_of(metric, cell, "value"), influence_of(metric, cell, draws.larger_null)
    influence: Array = of_value / (1 - floor) - of_floor * (1 - value) / (1 - floor) ** 2
    return influence


def normalised_influence(metric: str, cell: Cell, draws: Draws) -> Array:
    """Return the influence of every value on (value - floor) / (ceiling - floor), (R, P, N); the draws have a ceiling.

    Returns:
        NaN where the ceiling is not above the floor.
    """
    value, floor = draws.value[0], draws.floor[0]
    ceiling = draws.value[0] if draws.ceiling is None else draws.ceiling[0]
    span = ceiling - floor if ceiling > floor else np.nan
    of_value, of_floor = influence_of(metric, cell, "value"), influence_of(metric, cell, draws.larger_null)
    of_ceiling = influence_of(metric, cell, "ceiling")
    influence: Array = of_value / span + (of_floor * (value - ceiling) - of_ceiling * (value - floor)) / span**2
    return influence


def _mean(values: Array, counts: Flags) -> tuple[float, Array]:
    """Return the mean of the values that count, and its influence (R, P, I)."""
    number = counts.sum()
    if not number:
        return float("nan"), np.full(values.shape, np.nan)
    mean = float(np.where(counts, values, 0.0).sum() / number)
    return mean, np.where(counts, values - mean, 0.0) / number


def _reco(distances: Array, agree: Flags, differ: Flags) -> Array:
    """Return the influence on ReCo at the threshold of its maximum, which is held fixed."""
    valued = ~np.isnan(distances)
    same, other = agree & valued, differ & ~agree & valued
    if not same.any() or not other.any():
        return np.full(distances.shape, np.nan)
    thresholds = np.unique(distances[same | other])
    below = [np.searchsorted(np.sort(distances[flags]), thresholds, "right") / flags.sum() for flags in (same, other)]
    best = int(np.argmax(below[0] - below[1]))
    inside = np.where(valued, distances, np.inf) <= thresholds[best]
    of_same = np.where(same, inside - below[0][best], 0.0) / same.sum()
    of_other = np.where(other, inside - below[1][best], 0.0) / other.sum()
    influence: Array = of_same - of_other
    return influence
