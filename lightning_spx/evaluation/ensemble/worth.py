"""Says how many models must be averaged so that maps agree as far as pooled maps of single models do."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lightning_spx.evaluation.ensemble.estimates import Estimate
from lightning_spx.evaluation.statistics.reliability import log_odds
from lightning_spx.evaluation.statistics.trainings import interval


@dataclass(frozen=True)
class Worth:
    """What pooling the maps of single models is worth.

    Args:
        method: the method's name in tables.
        superpixels: super-pixels of the S- row.
        magnitude: order of that row.
        metric: the metric whose excess is compared.
        models: number of models whose averaged pixel maps would agree as far by Spearman and Brown's formula; NaN if
            one of the two is not clearly above chance.
        low: lower limit of the number's 95 % interval.
        high: upper limit of that interval.
        measured: where the excess lies among the measured means of pixel maps, in words.
        best_control: name of the control with the largest excess.
        control: what that control is worth.
        more_than_smoothing: whether the row's excess is above that of every control.
    """

    method: str
    superpixels: str
    magnitude: str
    metric: str
    models: float
    low: float
    high: float
    measured: str
    best_control: str
    control: float
    more_than_smoothing: bool


def worth_of(pooled: Estimate, pixel: Estimate) -> tuple[float, float, float]:
    """Return how many models' pixel maps must be averaged for the agreement of pooled single maps, with limits.

    All are NaN if single maps or pooled ones do not agree clearly more than chance has it, with the interval or any
    resample reaching zero: the number may then be anything.

    Args:
        pooled: of the S- row, or of a control, with single models.
        pixel: of the pixel row, with single models.
    """
    logs = log_odds(pooled.draws.excess) - log_odds(pixel.draws.excess)
    if np.isnan(logs).any() or not min(pooled.excess_limits()[0], pixel.excess_limits()[0]) > 0:
        return float("nan"), float("nan"), float("nan")
    # d log(e / (1 - e)) = de / (e (1 - e))
    influences = [each.of_excess / (each.excess * (1 - each.excess)) for each in (pooled, pixel)]
    low, high = interval(logs, pixel.spread(influences[0] - influences[1]))
    return float(np.exp(logs[0])), float(np.exp(low)), float(np.exp(high))


def bracket(wanted: float, curve: Mapping[int, float]) -> str:
    """Say between which measured numbers of averaged models an excess lies.

    Args:
        wanted: the excess.
        curve: the excess of the mean map by the number of models averaged.

    Example:
        >>> curve = {1: 0.2, 2: 0.3, 4: 0.5}
        >>> bracket(0.4, curve), bracket(0.1, curve), bracket(0.6, curve)
        ('between 2 and 4 models', 'fewer than 1 model', 'more than 4 models')
    """
    sizes = sorted(curve)
    reached = [size for size in sizes if curve[size] >= wanted]
    if not reached:
        return f"more than {sizes[-1]} model{'s' if sizes[-1] > 1 else ''}"
    before = [size for size in sizes if size < reached[0]]
    return f"between {before[-1]} and {reached[0]} models" if before else "fewer than 1 model"
