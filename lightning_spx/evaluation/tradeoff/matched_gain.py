"""Computes gains at matched fidelity: how much more stable a map is than any Gaussian blur that is as faithful.

A blur of equal width is one point between stability and fidelity, and a pooling may lie elsewhere only because it
smooths more, or less. Blurs of all widths make a whole front, and a pooling that does more than smooth lies above it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array
from lightning_spx.evaluation.statistics.trainings import Spread, interval
from lightning_spx.evaluation.tradeoff.blur_front import best_excess, in_between, upper_hulls
from lightning_spx.evaluation.tradeoff.summary import Point, Row
from lightning_spx.reporting.matched import is_blur_of_a_width, width_of
from lightning_spx.reporting.rows import EITHER, PIXEL


@dataclass(frozen=True)
class MatchedGain:
    """A row's gain in excess over all blurs that are as faithful.

    Args:
        draws: (B,) the gain, then its draws over resampled images; NaN without a number to compare.
        low: lower limit of the 95 % interval.
        high: upper limit of that interval.
        beyond: whether the row is more faithful than every blur, so that the gain is over the most faithful blur, and
            a lower bound.
    """

    draws: Array
    low: float
    high: float
    beyond: bool

    @property
    def gain(self) -> float:
        """Return the gain itself."""
        return float(self.draws[0])


def matched_gains(
    points: Mapping[Row, Point], spreads: Mapping[Row, Spread], same_order: bool = False
) -> dict[Row, MatchedGain]:
    """Compare rows of a method with the blurs of its pixel map and with that map, resample by resample.

    Between the widths that were measured there are others, which `in_between` interpolates.

    Args:
        points: of all rows, in the same resamples.
        spreads: of the rows that are to be compared, of how many images their numbers are.
        same_order: compare with blurs of the row's own order only, where a row of the order `either` is of both.

    Returns:
        A gain for each row of `spreads`; none for a method without blurs of all widths, such as one with segments of
        its own, which has no pixel map, or one that an earlier version measured.
    """
    if not any(is_blur_of_a_width(name) for name, _ in points):
        return {}
    against = {order: _blurs(points, order) for order in dict.fromkeys(order for _, order in points)}
    every = {id(point): point for own in against.values() for point in own}
    hulls = {order: upper_hulls(own) for order, own in against.items()}
    of_all = upper_hulls(list(every.values()))
    found = {}
    for row, spread in spreads.items():
        point = points[row]
        own = hulls[row[1]] if same_order and row[1] != EITHER else of_all
        draws = point.stability - best_excess(point.fidelity, own)
        is_known = bool(np.isfinite(draws[0]))
        low, high = interval(draws, spread) if is_known else (float("nan"), float("nan"))
        # the hull ends at the most faithful blur
        found[row] = MatchedGain(draws, low, high, beyond=is_known and bool(point.fidelity[0] > own[0][0][-1]))
    return found


def _blurs(points: Mapping[Row, Point], order: str) -> list[Point]:
    """List the pixel map, the blurs of an order, and those of widths in between."""
    own = {
        width_of(name): point for (name, each), point in points.items() if is_blur_of_a_width(name) and each == order
    }
    return [*(point for (name, _), point in points.items() if name == PIXEL), *own.values(), *in_between(own)]
