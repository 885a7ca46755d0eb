"""Computes intervals that cover other trainings as well as other images.

A study's number varies with its images and with its trainings. The images are resampled (`bootstrap`). What trainings
add is estimated from independent repeats, or, in a single repeat of three or more models, from the models by the
jackknife for U-statistics (Arvesen 1969), because pairs share models. The two are joined by approximate limits for a
sum of two independent means (Howe, JASA 69:789, 1974): the squared half width is that of the images plus that of
Student's t over the trainings. With few trainings these limits are too wide where images dominate, so the second part
is damped there; coverage then lies between 93 and 97 % whatever the share of each, as the tests show by quadrature.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from lightning_spx.evaluation.statistics.bootstrap import CONFIDENCE, Array
from lightning_spx.evaluation.statistics.round_robin import pair_variances, pseudovalues

THESE_MODELS = "these models"
OTHER_MODELS = "models of this data and architecture"
# a spread cannot be estimated from fewer models of a single repeat
LEAST_MODELS = 3
DAMPING = 0.4
# of what the jackknife counts too often; all of it, which is a rough estimate, would leave out too much (91 % coverage)
SUBTRACTED = 0.5
# a pair of models, or a model
NAME = re.compile(r"(?:model )?(\d+)(?:-(\d+))?")
BISECTIONS = 30


@dataclass(frozen=True)
class Design:
    """Which trainings a study has, and so what its intervals can cover.

    Args:
        num_repeats: number of independent repeats.
        pairs: names of the pairs, such as `0-1`, or of single models, such as `model 0`.
        one_architecture: whether all models are trainings of one architecture; networks that a user names are no
            sample of others, and intervals cover them alone.
    """

    num_repeats: int
    pairs: Sequence[str]
    one_architecture: bool = True

    @cached_property
    def covers_trainings(self) -> bool:
        """Return whether there are enough trainings for intervals that cover others."""
        if not self.one_architecture:
            return False
        return self.num_repeats > 1 or (self.num_models >= LEAST_MODELS and self.is_complete)

    @cached_property
    def scope(self) -> str:
        """Return what intervals cover, in the words of the column `interval`."""
        return OTHER_MODELS if self.covers_trainings else THESE_MODELS

    @cached_property
    def num_models(self) -> int:
        """Return the number of models in a repeat."""
        return len({model for pair in self.members for model in pair})

    @cached_property
    def members(self) -> list[tuple[int, ...]]:
        """Return the models of each pair, or the one model of an entry that is no pair; of other names none."""
        found = [NAME.fullmatch(name) for name in self.pairs]
        return [tuple(int(model) for model in match.groups() if model) for match in found if match]

    @cached_property
    def has_all_pairs(self) -> bool:
        """Return whether every pair of the models is there once."""
        models = sorted({model for pair in self.members for model in pair})
        return sorted(self.members) == list(combinations(models, 2))

    @cached_property
    def is_complete(self) -> bool:
        """Return whether the entries are all pairs of the models, or the models themselves."""
        singles = len(self.members) == len(self.pairs) and all(len(each) == 1 for each in self.members)
        return singles or self.has_all_pairs


@dataclass(frozen=True)
class Spread:
    """How much a number varies over other images and over other trainings.

    Args:
        num_images: number of images that the number is computed from.
        images: variance of the number over other images, of which no part comes from trainings.
        share: that variance's share of all the variance that resampling images shows, 0 to 1.
        trainings: variance of the number over other trainings; 0 if intervals cover images alone.
        degrees: degrees of freedom of the estimate of `trainings`.
    """

    num_images: int
    images: float = 0.0
    share: float = 1.0
    trainings: float = 0.0
    degrees: int = 1

    def reach(self, tail: float) -> float:
        """Return the squared half width that trainings add to an interval with a tail of some probability."""
        return float(stdtrit(self.degrees, tail)) ** 2 * self.damped

    @property
    def damped(self) -> float:
        """Return the variance over trainings, damped where images dominate it."""
        total = self.trainings + DAMPING / np.sqrt(self.degrees) * self.images
        return float(self.trainings**2 / total) if total > 0 else 0.0

    def of_units(self, count: int) -> "Spread":
        """Return what the spread would be with another number of independent units of training."""
        return replace(self, trainings=self.trainings * (self.degrees + 1) / count, degrees=count - 1)

    def bootstrap_tail(self, tail: float) -> float:
        """Return which tail of the bootstrap's draws an interval leaves out, so that it is right for few images too.

        Resampled means vary less than means of images do, and their quantiles are the normal's instead of Student's;
        the expanded percentile interval corrects both (Hesterberg, The American Statistician 69:371, 2015).

        Example:
            >>> round(Spread(20).bootstrap_tail(0.025), 4), round(Spread(1000).bootstrap_tail(0.025), 4)
            (0.0159, 0.0248)
        """
        count = max(2, self.num_images)
        return float(ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, tail)))


def spread_of(influence: Array, design: Design, num_images: int) -> Spread:
    """Estimate how much a number varies over images and trainings, by an analysis of variance of its influence.

    Args:
        influence: (R, P, N), as `influence_of` gives it.
        design: the trainings behind repeats and pairs.
        num_images: number of images that the number is computed from.

    Returns:
        The spread over images alone if the study has too few trainings, or the number is NaN.

    Example:
        >>> influence = np.array([[[0.25, 0.25]], [[-0.25, -0.25]]])
        >>> spread = spread_of(influence, Design(2, ["0-1"]), num_images=2)
        >>> spread.images, spread.trainings, spread.degrees
        (0.0, 1.0, 1)
    """
    width = influence.shape[-1]
    if not design.covers_trainings or width < 2 or np.isnan(influence).any():
        return Spread(num_images)
    extra, extra_here = 0.0, 0.0
    if design.num_repeats > 1:
        units = influence.sum(1) * len(influence) * width
    else:
        of_pairs = influence[0] * influence[0].size
        units = pseudovalues(of_pairs, design.members)
        if design.has_all_pairs and design.num_models > LEAST_MODELS:
            lasting, passing = pair_variances(of_pairs, design.members)
            # the jackknife counts what belongs to single pairs too often, and by this much
            factor = 2 / ((design.num_models - 1) * (design.num_models - 2))
            extra, extra_here = SUBTRACTED * factor * lasting, factor * passing
    count = len(units)
    of_units, of_images = units.mean(1), units.mean(0)
    rest = units - of_units[:, None] - of_images + units.mean()
    both = float((rest**2).sum() / ((count - 1) * (width - 1)) / units.size)
    resampled = float(of_images.var(ddof=1) / width)
    trainings = float(of_units.var(ddof=1) / count)
    least = trainings
    if extra:
        least = trainings * (design.num_models - 2) / (2 * (design.num_models - 1))
    images = max(0.0, resampled - max(0.0, both - extra_here))
    return Spread(
        num_images=num_images,
        images=images,
        share=images / resampled if resampled > 0 else 0.0,
        trainings=max(trainings - extra, least),
        degrees=count - 1,
    )


def interval(draws: Array, spread: Spread) -> tuple[float, float]:
    """Return the 95 % interval of a number: the bootstrap's percentiles, widened by what other trainings would change.

    Args:
        draws: (B,) the number, then its draws over resampled images.
        spread: of the number.

    Returns:
        The limits; (nan, nan) if no draw is a number.

    Example:
        >>> draws = np.concatenate([[0.5], np.linspace(0.0, 1.0, 1001)])
        >>> [round(limit, 3) for limit in interval(draws, Spread(10000))]
        [0.025, 0.975]
        >>> wide = interval(draws, Spread(10000, images=0.08, trainings=0.04))
        >>> [round(limit, 2) for limit in wide]
        [-1.45, 2.45]
    """
    finite = np.sort(draws[1:][~np.isnan(draws[1:])])
    if not len(finite):
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2
    return _limit(draws[0], finite, spread, tail), _limit(draws[0], finite, spread, 1 - tail)


def p_value(draws: Array, spread: Spread) -> float:
    """Return the one-sided p-value of a number that is not above zero: the level at which its lower limit is zero.

    Args:
        draws: (B,) the number, then its draws over resampled images; a NaN counts as a draw that is not above zero.
        spread: of the number.

    Example:
        >>> draws = np.concatenate([[0.5], np.linspace(0.0, 1.0, 999)])
        >>> p_value(draws, Spread(1000)) < p_value(draws, Spread(1000, images=0.08, trainings=0.01)) < 0.5
        True
    """
    drawn = draws[1:]
    if not draws[0] > 0 or not len(drawn):
        return 1.0
    finite = np.sort(drawn[~np.isnan(drawn)])
    distance = float(ndtri((1 + np.sum(~(drawn > 0))) / (1 + len(drawn))))
    if (drawn > 0).all():
        # the draws cannot tell how rare one below zero is, so their standard deviation has to
        distance = min(distance, -float(draws[0] / finite.std())) if finite.std() > 0 else -np.inf
    count = max(2, spread.num_images)
    # Student's tail at the distance at which the draws have a normal one
    least = float(stdtr(count - 1, distance * np.sqrt((count - 1) / count)))
    if not spread.trainings > 0:
        return least
    low, high = 0.0, 0.5
    for _ in range(BISECTIONS):
        tail = (low + high) / 2
        low, high = (low, tail) if _limit(draws[0], finite, spread, tail) > 0 else (tail, high)
    return max(high, least)


def _limit(number: float, finite: NDArray[np.float64], spread: Spread, tail: float) -> float:
    """Return the limit below which the number lies with a probability, from sorted draws."""
    lower = tail < 0.5
    outside = spread.bootstrap_tail(min(tail, 1 - tail))
    quantile = _quantile(finite, outside if lower else 1 - outside)
    if not spread.trainings > 0:
        return quantile
    distance = max(0.0, number - quantile if lower else quantile - number)
    # other images and other trainings together change no less than other images alone
    reach = max(distance, float(np.sqrt(distance**2 * spread.share + spread.reach(min(tail, 1 - tail)))))
    return float(number - reach if lower else number + reach)


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Return a quantile by linear interpolation, as `numpy.quantile` does, which is slower by ten times."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))
