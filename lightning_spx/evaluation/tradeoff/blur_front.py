"""Finds the front of Gaussian blurs: the largest excess that blurs of any width and their mixtures reach."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array
from lightning_spx.evaluation.tradeoff.summary import Point

# of the logarithm of the width from one blur to the next
SHARES = (0.25, 0.5, 0.75)
# fidelity, which rises, and the largest excess there
Hull = tuple[list[float], list[float]]


def in_between(blurs: Mapping[float, Point]) -> list[Point]:
    """Interpolate the points of blurs of three more widths between each two, resample by resample.

    Widths that halve leave gaps on a curved front, and a blur of a width in between would seem to beat them all. Both
    numbers are smooth in the logarithm of the width, and cubics through four blurs, parabolas at the ends, follow them.

    Args:
        blurs: points by standard deviation, of one order.

    Example:
        >>> at = lambda value: Point(np.array([value]), np.array([value**2]))
        >>> [round(float(each.fidelity[0]), 4) for each in in_between({1.0: at(0.0), 2.0: at(1.0), 4.0: at(2.0)})]
        [0.0625, 0.25, 0.5625, 1.5625, 2.25, 3.0625]
    """
    widths = sorted(blurs)
    places = [math.log(width) for width in widths]
    found = []
    for number, (start, end) in enumerate(pairwise(places)):
        near = slice(max(0, number - 1), number + 3)
        stability = np.stack([blurs[width].stability for width in widths[near]])
        fidelity = np.stack([blurs[width].fidelity for width in widths[near]])
        for share in SHARES:
            weights = _lagrange(places[near], start + share * (end - start))
            found.append(Point(weights @ stability, weights @ fidelity))
    return found


def _lagrange(places: Sequence[float], place: float) -> Array:
    """Return the weights of values at some places, in the value at another of the polynomial through them."""
    weights = [math.prod((place - other) / (each - other) for other in places if other != each) for each in places]
    return np.asarray(weights, np.float64)


def upper_hulls(blurs: Sequence[Point]) -> list[Hull]:
    """Return the upper concave hull of blurs in each resample, from the most stable blur to the most faithful one.

    Args:
        blurs: points of B draws each; one with a missing number is left out where it is missing.

    Returns:
        B hulls; empty where no blur has both numbers.
    """
    if not blurs:
        return []
    stability = np.stack([blur.stability for blur in blurs], 1)
    fidelity = np.stack([blur.fidelity for blur in blurs], 1)
    return [_upper_hull(*both) for both in zip(stability.tolist(), fidelity.tolist(), strict=True)]


def _upper_hull(stability: Sequence[float], fidelity: Sequence[float]) -> Hull:
    chain: list[tuple[float, float]] = []
    known = [pair for pair in zip(fidelity, stability, strict=True) if math.isfinite(pair[0] + pair[1])]
    for level, excess in sorted(known, reverse=True):
        # who asks for less fidelity has to get more stability for it
        if chain and excess <= chain[-1][1]:
            continue
        while len(chain) > 1 and _is_below(chain[-2], chain[-1], (level, excess)):
            chain.pop()
        chain.append((level, excess))
    return [level for level, _ in reversed(chain)], [excess for _, excess in reversed(chain)]


def _is_below(start: tuple[float, float], point: tuple[float, float], end: tuple[float, float]) -> bool:
    """Whether a point is not above the line of two others."""
    return (point[1] - start[1]) * (start[0] - end[0]) <= (end[1] - start[1]) * (start[0] - point[0])


def best_excess(fidelity: Array, hulls: Sequence[Hull]) -> Array:
    """Return the largest excess that blurs reach with at least some fidelity, resample by resample.

    A mixture, which takes one of two blurs image by image at random, has the mean of their numbers and needs nothing
    but the blurs, so that all of their concave hull can be reached. As the largest of noisy numbers it is too high on
    average, which makes claims of a gain conservative.

    Args:
        fidelity: (B,) the least fidelity; higher is better.
        hulls: B hulls of `upper_hulls`, or none.

    Returns:
        (B,), which do not increase with the fidelity; where no blur is as faithful the excess of the most faithful one;
        NaN without any blur or fidelity.

    Example:
        >>> at = lambda excess, fidelity: Point(np.array([excess]), np.array([fidelity]))
        >>> hulls = upper_hulls([at(0.25, 0.5), at(0.75, 0.25)])
        >>> [best_excess(np.array([each]), hulls).tolist() for each in (0.125, 0.375, 0.5, 0.625)]
        [[0.75], [0.5], [0.25], [0.25]]
    """
    if not hulls:
        return np.full(fidelity.shape, np.nan)
    # beyond both ends of a hull `interp` goes on with the number at its end
    found = [
        np.interp(level, *hull) if hull[0] and np.isfinite(level) else np.nan
        for level, hull in zip(fidelity, hulls, strict=True)
    ]
    return np.asarray(found, np.float64)
