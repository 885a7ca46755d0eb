"""Computes gains: how far a row's excess over its floor is above the excess of its best control."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.trainings import Spread, interval


@dataclass(frozen=True)
class Gain:
    """A row's gain over its best control, with the intersection-union interval.

    Args:
        best_control: the control with the largest excess.
        gain: the row's excess minus that control's.
        low: the smallest of the lower limits over the controls.
        high: the smallest of the upper limits over the controls.
    """

    best_control: str
    gain: float
    low: float
    high: float


def gain_over(row: Draws, controls: Mapping[str, Draws], spreads: Mapping[str, Spread]) -> Gain:
    """Compare a row's excess with every control's, resample by resample.

    To claim "better than each control", the smallest of the lower limits must be above zero. This is an
    intersection-union test, which needs no correction for the number of controls (Berger 1982).

    Args:
        row: the row's draws.
        controls: the controls' draws over the same resamples, by name; not empty.
        spreads: by the same names, how the difference of the two excesses varies over images and trainings.

    Example:
        >>> level = lambda value: Draws(np.full(3, value), np.zeros(3), np.zeros(3))
        >>> controls = {"grid": level(0.25), "blur": level(0.375)}
        >>> gain_over(level(0.5), controls, dict.fromkeys(controls, Spread(50)))
        Gain(best_control='blur', gain=0.125, low=0.125, high=0.125)
    """
    excess = {name: control.excess for name, control in controls.items()}
    limits = [interval(row.excess - other, spreads[name]) for name, other in excess.items()]
    if np.isnan([row.excess[0], *(other[0] for other in excess.values())]).any():
        return Gain("", float("nan"), float("nan"), float("nan"))
    best = max(excess, key=lambda name: float(excess[name][0]))
    return Gain(
        best_control=best,
        gain=float(row.excess[0] - excess[best][0]),
        low=min(low for low, _ in limits),
        high=min(high for _, high in limits),
    )
