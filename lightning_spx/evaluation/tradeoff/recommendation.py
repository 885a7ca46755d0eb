"""Recommends a row for each method in a sentence: chosen on one half of the images, reported on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import bootstrap_weights
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.gains import gain_over
from lightning_spx.evaluation.statistics.halves import LEAST_IMAGES, LEVEL, holm
from lightning_spx.evaluation.statistics.results import controls_of
from lightning_spx.evaluation.statistics.trainings import Spread, p_value
from lightning_spx.evaluation.tradeoff.matched_gain import MatchedGain, matched_gains
from lightning_spx.evaluation.tradeoff.summary import (
    Point,
    Row,
    fidelity_draws,
    on_front,
    points_of,
    stability_draws,
)
from lightning_spx.reporting.matched import FIDELITY
from lightning_spx.reporting.reasons import NO_CHANCE
from lightning_spx.reporting.reference_rows import is_candidate
from lightning_spx.reporting.rows import EITHER, OWN, PIXEL, control_kind

PIXEL_ROW = (PIXEL, EITHER)
# the only row of a method that explains by segments of its own, beside its controls
OWN_ROW = (OWN, EITHER)


@dataclass(frozen=True)
class Comparison:
    """A number of the recommended row on the reporting half.

    Args:
        value: the row's number; higher is better.
        pixel: the pixel row's number.
        gain: the row's gain over its best control, or over all blurs that are as faithful.
        low: lower limit of the gain's 95 % interval.
        high: upper limit of that interval.
        best_control: kind of the best control.
        p_value: one-sided p-value of no gain over some control, or over the blurs, corrected over all numbers that the
            recommendations name.
    """

    value: float
    pixel: float
    gain: float
    low: float
    high: float
    best_control: str
    p_value: float

    @property
    def has_gain(self) -> bool:
        """Return whether the row beats every control, or all blurs that are as faithful."""
        return self.p_value <= LEVEL


@dataclass(frozen=True)
class Recommendation:
    """The row that balances stability and fidelity best for a method.

    Args:
        method: the method's name in tables.
        row: super-pixels and order; the pixel row if no S- row was on the front.
        stability: excess of the row's SSIM; None for the pixel row.
        fidelity: fidelity of the row by the chosen metric; None for the pixel row.
        num_images: number of images in the reporting half.
        matched: excess of the row, with its gain over blurs of all widths at matched fidelity; None for the pixel row,
            and for a method without such blurs.
        beyond: whether no blur is as faithful as the row, so that this gain is a lower bound.
        why_none: why the method's maps allow no recommendation; else empty.
    """

    method: str
    row: Row
    stability: Comparison | None
    fidelity: Comparison | None
    num_images: int
    matched: Comparison | None = None
    beyond: bool = False
    why_none: str = ""

    @property
    def numbers(self) -> list[Comparison]:
        """Return all numbers that the recommendation names."""
        return [each for each in (self.stability, self.fidelity, self.matched) if each is not None]


def recommend(
    stability: pd.DataFrame, fidelity: pd.DataFrame, against: str, num_resamples: int = 2000, seed: int = 0
) -> list[Recommendation]:
    """Choose each method's best S- row on half of the images and measure it on the other half.

    The choice is the S- row on the front with the largest sum of both numbers, after each number is scaled to [0, 1]
    over the method's own rows (pixel and S-).

    Args:
        stability: rows of `compare` with the column `method`.
        fidelity: rows of `fidelity_of` with the columns `method`, `model` and `index`.
        against: the fidelity metric, a key of `FIDELITY`.
        num_resamples: number of bootstrap resamples.
        seed: seeds the halves and the bootstrap.

    Returns:
        One recommendation for each method, with p-values that Holm's method corrects over all numbers of all methods;
        none if there are fewer than 8 images.
    """
    metric, setting = FIDELITY[against]
    of_axis = fidelity[(fidelity["metric"] == metric) & (fidelity["setting"] == setting)]
    images = np.sort(of_axis["index"].unique())
    if len(images) < LEAST_IMAGES:
        return []
    choosing = np.random.default_rng(seed).permutation(images)[: len(images) // 2]
    found = []
    for method, rows in of_axis.groupby("method", sort=False):
        same = stability[stability["method"] == method]
        halves = [same["index"].isin(choosing), rows["index"].isin(choosing)]
        unit = np.ones((1, len(choosing)))
        first = points_of(stability_draws(same[halves[0]], unit), fidelity_draws(rows[halves[1]], unit))
        num_images = len(images) - len(choosing)
        given = OWN_ROW if OWN_ROW in first else PIXEL_ROW
        if np.isnan(first[given].stability[0]):
            found.append(Recommendation(str(method), given, None, None, num_images, why_none=NO_CHANCE))
            continue
        row = choose(first) if given == PIXEL_ROW else OWN_ROW
        weights = bootstrap_weights(num_images, num_resamples, seed)
        second = stability_draws(same[~halves[0]], weights), fidelity_draws(rows[~halves[1]], weights)
        if row == PIXEL_ROW:
            found.append(Recommendation(str(method), row, None, None, num_images))
            continue
        both = [_compared(draws, row, num_images) for draws in second]
        matched = matched_gains(points_of(*second), {row: Spread(num_images)}).get(row)
        over_blurs = None if matched is None else _over_blurs(matched, both[0], num_images)
        beyond = matched is not None and matched.beyond
        found.append(Recommendation(str(method), row, both[0], both[1], num_images, over_blurs, beyond))
    return _corrected(found)


def choose(points: dict[Row, Point]) -> Row:
    """Return the S- row on the front with the largest scaled sum of both numbers, or the pixel row if there is none."""
    own = {row: point for row, point in points.items() if is_candidate(row[0])}
    candidates = [row for row in own if row in on_front(own) and row != PIXEL_ROW]
    if not candidates:
        return PIXEL_ROW
    total = np.zeros(len(own))
    for numbers in ([p.stability[0] for p in own.values()], [p.fidelity[0] for p in own.values()]):
        values = np.asarray(numbers)
        total += (values - np.nanmin(values)) / max(np.nanmax(values) - np.nanmin(values), 1e-12)
    scores = dict(zip(own, total, strict=True))
    return max(candidates, key=lambda row: scores[row])


def _compared(draws: dict[Row, Draws], row: Row, num_images: int) -> Comparison:
    controls = controls_of(draws, *row)
    spread = Spread(num_images)
    gain = gain_over(draws[row], controls, dict.fromkeys(controls, spread))
    p_values = [p_value(draws[row].excess - other.excess, spread) for other in controls.values()]
    return Comparison(
        value=float(draws[row].excess[0]),
        pixel=float(draws[PIXEL_ROW].excess[0]) if PIXEL_ROW in draws else float("nan"),
        gain=gain.gain,
        low=gain.low,
        high=gain.high,
        best_control=control_kind(gain.best_control),
        p_value=max(p_values, default=1.0),
    )


def _over_blurs(matched: MatchedGain, stability: Comparison, num_images: int) -> Comparison:
    return replace(
        stability,
        gain=matched.gain,
        low=matched.low,
        high=matched.high,
        best_control="blurs",
        p_value=p_value(matched.draws, Spread(num_images)),
    )


def _corrected(found: Sequence[Recommendation]) -> list[Recommendation]:
    corrected = iter(holm([each.p_value for item in found for each in item.numbers]))

    def with_p_value(number: Comparison | None) -> Comparison | None:
        return None if number is None else replace(number, p_value=next(corrected))

    # in the order of `numbers`
    return [
        replace(
            item,
            stability=with_p_value(item.stability),
            fidelity=with_p_value(item.fidelity),
            matched=with_p_value(item.matched),
        )
        for item in found
    ]
