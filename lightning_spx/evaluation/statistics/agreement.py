"""Says how far the maps of each method agree over chance: the method is chosen on one half, measured on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import weight_slabs
from lightning_spx.evaluation.statistics.cells import Layout, cells_of
from lightning_spx.evaluation.statistics.draws import draws_of_all
from lightning_spx.evaluation.statistics.halves import LEVEL, choosing_half, holm
from lightning_spx.evaluation.statistics.influence import excess_influence
from lightning_spx.evaluation.statistics.trainings import THESE_MODELS, interval, p_value, spread_of
from lightning_spx.reporting.reasons import BLANK, NO_CHANCE
from lightning_spx.reporting.rows import PIXEL, is_as_given, said_of

# the least excess, by the lower limit of its interval, for which each word stands
WORDS = ((0.9, "Yes"), (0.6, "Largely"), (0.2, "Partly"))
LEAST_WORD = "Hardly"


@dataclass(frozen=True)
class Agreement:
    """How far a method's maps, as it gives them, agree between models.

    Args:
        method: the method's name in tables.
        chosen_by: excess on the half of the images on which the best method is chosen.
        excess: excess on the other half.
        low: lower limit of that excess's 95 % interval.
        high: upper limit of that interval.
        p_value: one-sided p-value of no agreement over chance, corrected over the methods.
        num_images: number of images in the half that measures.
        scope: what the interval covers.
        why_none: why the method's maps have no excess, which leaves the numbers NaN; else empty.
        superpixels: what gives the maps their values, as in the column `superpixels`.
    """

    method: str
    chosen_by: float
    excess: float
    low: float
    high: float
    p_value: float
    num_images: int
    scope: str = THESE_MODELS
    why_none: str = ""
    superpixels: str = PIXEL

    @property
    def above_chance(self) -> bool:
        """Return whether the maps agree more than chance would have it."""
        return not self.why_none and self.p_value <= LEVEL and self.excess > 0


def agreement_of(rows: pd.DataFrame, num_resamples: int = 2000, seed: int = 0) -> Agreement | None:
    """Measure how far one method's maps, as it gives them, agree, with a p-value that is not corrected yet.

    Args:
        rows: the rows of `compare` for one method, metric and setting, with the columns `method` and `repeat`.
        num_resamples: number of bootstrap resamples.
        seed: seeds the halves and the bootstrap.

    Returns:
        None if there are no pixel maps, or too few images for two halves.
    """
    rows = rows[rows["superpixels"].map(is_as_given)]
    layout = Layout.of(rows)
    choosing = choosing_half(layout.images, seed)
    if choosing is None:
        return None
    method, metric = str(rows["method"].iloc[0]), str(rows["metric"].iloc[0])
    # both orders of a pixel map are one map
    cell = next(iter(cells_of([rows], layout).values()))
    num_images = int((~choosing).sum())
    if cell.constant.all():
        return Agreement(method, np.nan, np.nan, np.nan, np.nan, 1.0, num_images, why_none=BLANK)
    unit = np.ones((1, int(choosing.sum())))
    chosen_by = draws_of_all({"half": (metric, cell.of_images(choosing))}, [unit])["half"].excess[0]
    measuring = cell.of_images(~choosing)
    slabs = weight_slabs(num_images, num_resamples, seed, layout.num_items)
    draws = draws_of_all({"half": (metric, measuring)}, slabs)["half"]
    excess = draws.excess
    if np.isnan([chosen_by, excess[0]]).any():
        return Agreement(method, np.nan, np.nan, np.nan, np.nan, 1.0, num_images, why_none=NO_CHANCE)
    spread = spread_of(excess_influence(metric, measuring, draws), layout.design, num_images)
    limits, level = interval(excess, spread), p_value(excess, spread)
    return Agreement(
        method,
        float(chosen_by),
        float(excess[0]),
        low=limits[0],
        high=min(limits[1], 1.0),
        p_value=level,
        num_images=num_images,
        scope=layout.design.scope,
        superpixels=str(rows["superpixels"].iloc[0]),
    )


def corrected_agreements(found: Sequence[Agreement]) -> list[Agreement]:
    """Correct the p-values over the methods that have one (Holm 1979)."""
    p_values = iter(holm([each.p_value for each in found if not each.why_none]))
    return [each if each.why_none else replace(each, p_value=next(p_values)) for each in found]


def best_agreement(known: Sequence[Agreement]) -> Agreement:
    """Return the agreement that is largest on the choosing half, among those above chance if there are any."""
    above = [each for each in known if each.above_chance]
    return max(above or known, key=lambda each: each.chosen_by)


def agreement_sentence(found: Sequence[Agreement], metric: str = "SSIM") -> str:
    """Answer whether another model would have shown the same maps, by the method whose maps agree best.

    The word is chosen by the lower limit of that method's interval: `Yes` from an excess of 0.9, `Largely` from 0.6,
    `Partly` from 0.2, else `Hardly`. `No` if no method's maps agree more than chance would have it, and `Not shown` if
    the best one's interval is above zero, but not after the correction for the number of methods, or holds chance as
    well as what would be `Partly`, as intervals over few trainings do.

    Args:
        found: agreements with corrected p-values.
        metric: name of the number in the sentence.

    Example:
        >>> one = Agreement("SmoothGrad", 0.5, 0.43, 0.41, 0.45, p_value=0.001, num_images=50)
        >>> agreement_sentence([one])
        "Partly: SmoothGrad's maps agree, excess 0.43 [0.41, 0.45] in SSIM by pixel; 0 is chance, 1 a perfect match."
    """
    known = [each for each in found if not each.why_none]
    if not known:
        why = "; ".join(dict.fromkeys(each.why_none for each in found)) or "too few images, or no maps"
        return f"No answer: {why}."
    above = [each for each in known if each.above_chance]
    best = best_agreement(known)
    own = f"{best.method}'" if best.method.endswith("s") else f"{best.method}'s"
    numbers = f"excess {best.excess:.2f} [{best.low:.2f}, {best.high:.2f}] in {metric} {said_of(best.superpixels)}"
    scale = "0 is chance, 1 a perfect match"
    agree = "agree best" if len(known) > 1 else "agree"
    if not above and best.low > 0:
        return f"Not shown: {own} maps agree best, {numbers}; after Holm's correction that could be chance; {scale}."
    if not above and best.high >= WORDS[-1][0]:
        return f"Not shown: {own} maps {agree}, {numbers}, which holds chance as well as agreement; {scale}."
    if not above:
        whose = "no method's maps agree" if len(known) > 1 else f"{own} maps do not agree"
        named = f"{own}, " if len(known) > 1 else ""
        return f"No: {whose} more than chance would have it, {named}{numbers}; {scale}."
    word = next((word for least, word in WORDS if best.low >= least), LEAST_WORD)
    chance = [each.method for each in known if not each.above_chance]
    rest = f"; not above chance: {', '.join(chance)}" if chance else ""
    return f"{word}: {own} maps {agree}, {numbers}; {scale}{rest}."
