"""Estimates what an ensemble study measures, with intervals over its images and, where it can, over its models."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lightning_spx.evaluation.ensemble.group_maps import NO_MODEL
from lightning_spx.evaluation.statistics.bootstrap import Array, weighted_mean
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.trainings import (
    OTHER_MODELS,
    THESE_MODELS,
    Design,
    Spread,
    interval,
    spread_of,
)
from lightning_spx.runs.blocks import VARIANTS


@dataclass(frozen=True)
class Estimate:
    """The numbers of one row for one size of the groups.

    An influence (k, N) says how much each of k models and N images moves a number, as in `statistics.influence`; it is
    empty, (0, N), where groups use all models, so that none can be left out.

    Args:
        draws: bootstrap draws over images, the number itself first.
        of_value: influence on the value.
        of_excess: influence on the excess.
        num_images: number of images that count.
        num_dropped: number of images without a value.
        num_constant: number of images whose mean maps are constant.
        mean_segments: mean number of segments.
    """

    draws: Draws
    of_value: Array
    of_excess: Array
    num_images: int
    num_dropped: int
    num_constant: int
    mean_segments: float

    @property
    def scope(self) -> str:
        """Say what the intervals cover."""
        return OTHER_MODELS if len(self.of_value) else THESE_MODELS

    @property
    def excess(self) -> float:
        """Return how far the number is on the way from its floor to the perfect value 1."""
        return float(self.draws.excess[0])

    def value_limits(self) -> tuple[float, float]:
        """Return the 95 % interval of the value."""
        return interval(self.draws.value, self.spread(self.of_value))

    def excess_limits(self) -> tuple[float, float]:
        """Return the 95 % interval of the excess."""
        return interval(self.draws.excess, self.spread(self.of_excess))

    def spread(self, influence: Array) -> Spread:
        """Return how much a number with some influence varies over images and models.

        The models' parts are the jackknife's pseudovalues, which count as independent.
        """
        if not len(influence):
            return Spread(self.num_images)
        return spread_of(influence[:, None], Design(len(influence), ["0-1"]), self.num_images)


def estimate(rows: pd.DataFrame, weights: Array) -> Estimate:
    """Average the values of one row over images, with all models and without each of them.

    If groups are random assignments, those without a model are others, too, which can only widen the intervals.

    Args:
        rows: rows of `compare_groups` for one row of the study, size and metric.
        weights: (B, N), how often each image counts in each resample, in the order of their index.
    """
    rows = rows.sort_values(["left_out", "index"])
    of_all = rows[rows["left_out"] == NO_MODEL]
    left_out = rows.loc[rows["left_out"] != NO_MODEL, "left_out"].nunique()
    # (1 + k, N) each, first with all models
    values = {name: rows[name].to_numpy(float).reshape(1 + left_out, len(of_all)) for name in VARIANTS}
    draws = Draws(*(weighted_mean(each[None, :1], weights) for each in values.values()))
    influence = {name: _influence(each) for name, each in values.items()}
    value, floor = draws.value[0], draws.floor[0]
    span = 1 - floor if floor < 1 else np.nan
    counts = of_all["value"].notna().to_numpy()
    return Estimate(
        draws=draws,
        of_value=influence["value"],
        of_excess=influence["value"] / span - influence[draws.larger_null] * (1 - value) / span**2,
        num_images=int(counts.sum()),
        num_dropped=int((~counts).sum()),
        num_constant=int((of_all["constant"].to_numpy(bool) & counts).sum()),
        mean_segments=float(of_all["num_segments"].mean()),
    )


def _influence(values: Array) -> Array:
    """Return the influence (k, N) on the mean of values (1 + k, N), by the jackknife's pseudovalues of the models."""
    of_all, without = values[0], values[1:]
    k = len(without)
    pseudovalues = k * of_all - (k - 1) * without
    counts = ~np.isnan(pseudovalues)
    if not counts.any():
        return np.zeros((k, len(of_all)))
    influence: Array = np.where(counts, pseudovalues - np.nanmean(pseudovalues), 0.0) / counts.sum()
    return influence
