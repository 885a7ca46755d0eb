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
from lightning_spx.evaluation.tradeoff.summary import (
    FIDELITY,
    Point,
    Row,
    fidelity_draws,
    on_front,
    points_of,
    stability_draws,
)
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
        gain: the row's gain over its best control.
        low: lower limit of the gain's 95 % interval.
        high: upper limit of that interval.
        best_control: kind of the best control.
        p_value: one-sided p-value of no gain over some control, corrected over all numbers that the recommendations
            name.
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
        """Return whether the row beats every control."""
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
        why_none: why the method's maps allow no recommendation; else empty.
    """

    method: str
    row: Row
    stability: Comparison | None
    fidelity: Comparison | None
    num_images: int
    why_none: str = ""


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
        One recommendation for each method, with p-values that Holm's method corrects over both numbers of all methods;
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
        measured = [None, None] if row == PIXEL_ROW else [_compared(draws, row, num_images) for draws in second]
        found.append(Recommendation(str(method), row, measured[0], measured[1], num_images))
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


def _corrected(found: Sequence[Recommendation]) -> list[Recommendation]:
    p_values = [each.p_value for item in found for each in (item.stability, item.fidelity) if each is not None]
    corrected = iter(holm(p_values))
    return [
        replace(
            item,
            stability=None if item.stability is None else replace(item.stability, p_value=next(corrected)),
            fidelity=None if item.fidelity is None else replace(item.fidelity, p_value=next(corrected)),
        )
        for item in found
    ]


def sentences(found: Sequence[Recommendation], against: str) -> list[str]:
    """Say the recommendations in plain words: one sentence for each method, and one on how they were made.

    Example:
        >>> number = Comparison(0.2, 0.1, 0.05, 0.01, 0.09, "blur", 0.02)
        >>> one = Recommendation("Gradient", ("Slic", "after"), number, replace(number, p_value=0.5), 50)
        >>> sentences([one], "road")[0].partition(": ")[2].partition(" (")[0]
        'pool over Slic, order after, which beats smoothing in stability'
    """
    if not found:
        return ["Too few images for a recommendation."]
    said = [_sentence(item, against) for item in found]
    return [
        *said,
        "Rows chosen on one half of the images (of the S- rows on the front the largest scaled sum of both numbers), "
        f"numbers from the other {found[0].num_images}; 95 % intervals over images, for these models; beating "
        "smoothing means beating every control, with Holm's correction over all numbers named here.",
    ]


def _sentence(item: Recommendation, against: str) -> str:
    if item.why_none:
        return f"{item.method}: no recommendation ({item.why_none}), as with blank maps."
    if item.stability is None or item.fidelity is None:
        return f"{item.method}: stay with the pixel map, no S- row is on the front between stability and {against}."
    beaten = [name for name, each in (("stability", item.stability), (against, item.fidelity)) if each.has_gain]
    verdict = f"which beats smoothing in {' and '.join(beaten)}" if beaten else "which does not beat smoothing"
    # deletion's sign was flipped so that higher is better; flip it back to print it
    sign = -1 if against == "deletion" else 1
    by_pixel = item.row != OWN_ROW
    numbers = [
        f"{name} {flip * each.value:.3f}, {f'pixel {flip * each.pixel:.3f}, ' if by_pixel else ''}"
        f"gain over {each.best_control} "
        f"{each.gain:+.3f} [{each.low:+.3f}, {each.high:+.3f}]"
        for name, each, flip in (("excess SSIM", item.stability, 1), (against, item.fidelity, sign))
    ]
    said = f"pool over {item.row[0]}, order {item.row[1]}" if by_pixel else f"a map by {OWN}"
    return f"{item.method}: {said}, {verdict} ({'; '.join(numbers)})."
