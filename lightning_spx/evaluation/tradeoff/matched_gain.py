"""Computes gains at matched fidelity: how much more stable a map is than any Gaussian blur that is as faithful.

A blur of equal width is one point between stability and fidelity, and a pooling may lie elsewhere only because it
smooths more, or less. Blurs of all widths make a whole front, and a pooling that does more than smooth lies above it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array
from lightning_spx.evaluation.statistics.trainings import Spread, interval
from lightning_spx.evaluation.tradeoff.summary import Point, Row
from lightning_spx.reporting.matched import is_blur_of_a_width
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


def best_excess(fidelity: Array, blurs: Sequence[Point]) -> Array:
    """Return the largest excess that blurs reach with at least some fidelity, resample by resample.

    A mixture, which takes one of two blurs image by image at random, has the mean of their numbers and needs nothing
    but the blurs. So this is the upper concave hull of the blurs' points; it does not increase with the fidelity, and
    no more than two blurs need to be mixed (Caratheodory). As the largest of noisy numbers it is too high on average,
    which makes claims of a gain conservative.

    Args:
        fidelity: (B,) the least fidelity; higher is better.
        blurs: points of (B,) draws each; one with a missing number is left out where it is missing.

    Returns:
        (B,); where no blur is as faithful the excess of the most faithful one; NaN without any blur or fidelity.

    Example:
        >>> at = lambda excess, fidelity: Point(np.array([excess]), np.array([fidelity]))
        >>> blurs = [at(0.25, 0.5), at(0.75, 0.25)]
        >>> [best_excess(np.array([each]), blurs).tolist() for each in (0.125, 0.375, 0.5, 0.625)]
        [[0.75], [0.5], [0.25], [0.25]]
    """
    if not blurs:
        return np.full(fidelity.shape, np.nan)
    stability = np.stack([blur.stability for blur in blurs])
    faith = np.stack([blur.fidelity for blur in blurs])
    known = np.isfinite(stability) & np.isfinite(faith)
    # what is not known is left out by `known`, and must not make NaN of what is
    stability, faith = np.where(known, stability, 0.0), np.where(known, faith, 0.0)
    reaches, below = known & (faith >= fidelity), known & (faith < fidelity)
    best = np.where(reaches, stability, -np.inf).max(0)
    for excess, level, is_known in zip(stability, faith, known, strict=True):
        mixed = below & is_known & (level > fidelity)
        # of this blur, as large a share as makes the mean as faithful as it has to be
        share = np.divide(fidelity - faith, level - faith, out=np.zeros_like(faith), where=mixed)
        best = np.maximum(best, np.where(mixed, stability + share * (excess - stability), -np.inf).max(0))
    most_faithful = known & (faith == np.where(known, faith, -np.inf).max(0))
    best = np.where(reaches.any(0), best, np.where(most_faithful, stability, -np.inf).max(0))
    return np.where(known.any(0) & np.isfinite(fidelity), best, np.nan)


def matched_gains(
    points: Mapping[Row, Point], spreads: Mapping[Row, Spread], same_order: bool = False
) -> dict[Row, MatchedGain]:
    """Compare every row of a method with the blurs of its pixel map and with that map, resample by resample.

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
    blurs = {row: point for row, point in points.items() if is_blur_of_a_width(row[0]) or row[0] == PIXEL}
    found = {}
    for row, spread in spreads.items():
        point = points[row]
        orders = {row[1], EITHER} if same_order and row[1] != EITHER else {order for _, order in blurs}
        against = [blur for (_, order), blur in blurs.items() if order in orders]
        draws = point.stability - best_excess(point.fidelity, against)
        is_known = bool(np.isfinite(draws[0]))
        low, high = interval(draws, spread) if is_known else (float("nan"), float("nan"))
        reached = [blur.fidelity[0] for blur in against if np.isfinite(blur.stability[0])]
        beyond = is_known and not any(each >= point.fidelity[0] for each in reached)
        found[row] = MatchedGain(draws, low, high, beyond)
    return found
