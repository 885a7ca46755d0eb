"""Estimates what an ensemble study measures, with intervals over its images and, where it can, over its models."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, t

from lightning_spx.evaluation.ensemble.group_maps import NO_MODEL
from lightning_spx.evaluation.statistics.bootstrap import CONFIDENCE, Array, interval, ratio
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.runs.blocks import VARIANTS

# in the column `interval`: what it covers
THESE_MODELS = "these models"
MODELS_LIKE_THESE = "models of this data and architecture"


@dataclass(frozen=True)
class Estimate:
    """The numbers of one row for one size of the groups.

    Args:
        draws: bootstrap draws over images, each (B,) with the number itself first.
        without: the numbers without each of k models, each (k,); empty where groups use all models.
        num_images: number of images that count.
        num_dropped: number of images without a value.
        num_constant: number of images whose mean maps are constant.
        mean_segments: mean number of segments.
    """

    draws: Draws
    without: Draws
    num_images: int
    num_dropped: int
    num_constant: int
    mean_segments: float

    @property
    def scope(self) -> str:
        """Say what the intervals cover."""
        return MODELS_LIKE_THESE if len(self.without.value) else THESE_MODELS

    @property
    def excess(self) -> float:
        """Return how far the number is on the way from its floor to the perfect value 1."""
        return float(self.draws.excess[0])

    def excess_limits(self) -> tuple[float, float]:
        """Return the 95 % interval of the excess."""
        return limits(self.draws.excess, self.without.excess)


def estimate(rows: pd.DataFrame, weights: Array) -> Estimate:
    """Average the values of one row over images, with all models and without each of them.

    Args:
        rows: rows of `compare_groups` for one row of the study, size and metric.
        weights: (B, N), how often each image counts in each resample, in the order of their index.
    """
    of_all = rows[rows["left_out"] == NO_MODEL].sort_values("index")
    others = rows[rows["left_out"] != NO_MODEL].groupby("left_out")[list(VARIANTS)].mean()
    counts = of_all["value"].notna().to_numpy()
    return Estimate(
        draws=Draws(*(_weighted_mean(of_all[name].to_numpy(float), weights) for name in VARIANTS)),
        without=Draws(*(others[name].to_numpy(float) for name in VARIANTS)),
        num_images=int(counts.sum()),
        num_dropped=int((~counts).sum()),
        num_constant=int((of_all["constant"].to_numpy(bool) & counts).sum()),
        mean_segments=float(of_all["num_segments"].mean()),
    )


def limits(draws: Array, without: Array) -> tuple[float, float]:
    """Return the 95 % interval of a number.

    If models are left out in turn, the variance over images comes from the bootstrap and that over models from the
    jackknife, and half the width is the root of z^2 V_images + t^2 V_models, with as many degrees of freedom for t as
    there are models but one (Howe, JASA 1974). If groups are random assignments, those without a model are others, too,
    which can only widen the interval. Otherwise it is the percentile interval over images, for these models.

    Args:
        draws: (B,) bootstrap draws over images, the number itself first.
        without: (k,) the number without each model; empty where none can be left out.

    Returns:
        (nan, nan) if the number is NaN.

    Example:
        >>> drawn = np.array([0.5, 0.4, 0.6])
        >>> [[float(limit.round(2)) for limit in np.array(limits(drawn, left))] for left in ([], [0.4, 0.5, 0.6])]
        [[0.4, 0.6], [-0.07, 1.07]]
    """
    without = np.asarray(without, float)
    if np.isnan(draws[0]):
        return float("nan"), float("nan")
    if not len(without) or np.isnan(without).any():
        return interval(draws)
    k, tail = len(without), (1 + CONFIDENCE) / 2
    of_images = float(np.nanvar(draws[1:], ddof=1))
    of_models = (k - 1) / k * float(((without - without.mean()) ** 2).sum())
    half = float(np.sqrt(norm.ppf(tail) ** 2 * of_images + t.ppf(tail, k - 1) ** 2 * of_models))
    return float(draws[0]) - half, float(draws[0]) + half


def _weighted_mean(values: NDArray[np.float64], weights: Array) -> Array:
    counts = ~np.isnan(values)
    return ratio(weights @ np.where(counts, values, 0.0), weights @ counts.astype(float))
