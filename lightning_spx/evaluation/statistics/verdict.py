"""Sums a study up in a sentence: each method's best row is chosen on half of the images and reported on the rest.

The best of many rows looks better than it is on the images that it was chosen on. The p-values are corrected over the
methods that the sentence names (Holm 1979). If models explain findings, a verdict is about all of them together, and
all findings of an image are in the same half.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import Flags, weight_slabs
from lightning_spx.evaluation.statistics.cells import Cell, Layout, cells_of
from lightning_spx.evaluation.statistics.draws import draws_of, draws_of_all
from lightning_spx.evaluation.statistics.gains import gain_over
from lightning_spx.evaluation.statistics.halves import LEVEL, choosing_half, holm
from lightning_spx.evaluation.statistics.influence import excess_influence
from lightning_spx.evaluation.statistics.results import controls_of, results_table, rows_of
from lightning_spx.evaluation.statistics.trainings import THESE_MODELS, Design, p_value, spread_of
from lightning_spx.reporting.reasons import BLANK, NO_CHANCE
from lightning_spx.reporting.rows import is_control_of

METRIC_WORDS = {"saliency_ssim": "SSIM", "topk_overlap": "Top-k overlap"}


@dataclass(frozen=True)
class Verdict:
    """Whether super-pixels make a method more stable than smoothing does.

    Args:
        method: the method's name in tables.
        superpixels: super-pixels of the chosen S- row.
        magnitude: order of that row.
        gain: gain of that row over its best control, on the reporting half.
        low: lower limit of the gain's 95 % interval, on the reporting half and not corrected.
        high: upper limit of that interval.
        best_control: name of the best control.
        p_value: one-sided p-value of no gain over some control, corrected over the methods.
        excess: excess of the row over its floor, on the reporting half.
        num_images: number of images in the reporting half.
        scope: what the interval covers.
        why_none: why the method's maps allow no verdict, which leaves the numbers NaN; empty if there is a verdict.
    """

    method: str
    superpixels: str
    magnitude: str
    gain: float
    low: float
    high: float
    best_control: str
    p_value: float
    excess: float
    num_images: int
    scope: str
    why_none: str = ""

    @property
    def has_gain(self) -> bool:
        """Return whether the row beats every control, and chance."""
        return not self.why_none and self.p_value <= LEVEL and self.excess > 0


def verdicts(
    per_image: pd.DataFrame,
    metric: str = "saliency_ssim",
    setting: str = "",
    num_resamples: int = 2000,
    seed: int = 0,
) -> list[Verdict]:
    """Choose each method's best S- row on one half of the images and measure its gain on the other.

    Args:
        per_image: the rows of `compare` for all methods, with the columns `method` and `repeat`.
        metric: `saliency_ssim` or `topk_overlap`.
        setting: setting of the metric.
        num_resamples: number of bootstrap resamples.
        seed: seeds the halves and the bootstrap.

    Returns:
        One verdict for each method, in the methods' order; none if there are fewer than 8 images or no S- rows.
    """
    rows = per_image[(per_image["metric"] == metric) & (per_image["setting"] == setting)]
    return verdicts_of((of_method for _, of_method in rows.groupby("method", sort=False)), num_resamples, seed)


def verdicts_of(methods: Iterable[pd.DataFrame], num_resamples: int = 2000, seed: int = 0) -> list[Verdict]:
    """Give the same verdicts as `verdicts` from the rows of one metric and setting, method by method.

    Args:
        methods: the rows of each method, not empty; each is used before the next one is requested.
        num_resamples: number of bootstrap resamples.
        seed: seeds the halves and the bootstrap.
    """
    return corrected_verdicts(
        [verdict for rows in methods if (verdict := verdict_of(rows, num_resamples, seed)) is not None]
    )


def corrected_verdicts(found: Sequence[Verdict]) -> list[Verdict]:
    """Correct the p-values over the methods that claim something (Holm 1979)."""
    # a method without a verdict claims nothing, so the correction does not count it
    corrected = iter(holm([verdict.p_value for verdict in found if not verdict.why_none]))
    return [verdict if verdict.why_none else replace(verdict, p_value=next(corrected)) for verdict in found]


def verdict_of(rows: pd.DataFrame, num_resamples: int = 2000, seed: int = 0) -> Verdict | None:
    """Give one method's verdict, with a p-value that is not corrected yet.

    Args:
        rows: the rows of one method, metric and setting, not empty.
        num_resamples: number of bootstrap resamples.
        seed: seeds the halves and the bootstrap.
    """
    layout = Layout.of(rows)
    choosing = choosing_half(layout.images, seed)
    if choosing is None:
        return None
    method, metric = str(rows["method"].iloc[0]), str(rows["metric"].iloc[0])
    cells = cells_of([rows], layout)
    candidates = _candidates(metric, cells, choosing, layout.design)
    if candidates.empty:
        return None
    blank = candidates["num_constant"] == candidates["num_images"]
    possible = candidates[~blank & candidates["gain"].notna()]
    if possible.empty:
        return _without(method, BLANK if blank.all() else NO_CHANCE)
    best = possible.iloc[int(possible["gain"].astype(float).to_numpy().argmax())]
    superpixels, magnitude = str(best["superpixels"]), str(best["magnitude"])
    reporting = {
        (name, order): (metric, cell.of_images(~choosing))
        for (name, order), cell in cells.items()
        if order == magnitude and (name == superpixels or is_control_of(name, superpixels))
    }
    num_images = int((~choosing).sum())
    draws = draws_of_all(reporting, weight_slabs(num_images, num_resamples, seed, layout.num_items))
    influences = {key[0]: excess_influence(metric, reporting[key][1], draw) for key, draw in draws.items()}
    own, controls = draws[superpixels, magnitude], controls_of(draws, superpixels, magnitude)
    spreads = {
        name: spread_of(influences[superpixels] - influences[name], layout.design, num_images) for name in controls
    }
    gain = gain_over(own, controls, spreads)
    return Verdict(
        method=method,
        superpixels=superpixels,
        magnitude=magnitude,
        gain=gain.gain,
        low=gain.low,
        high=gain.high,
        best_control=gain.best_control,
        p_value=max(p_value(own.excess - control.excess, spreads[name]) for name, control in controls.items()),
        excess=float(own.excess[0]),
        num_images=num_images,
        scope=layout.design.scope,
    )


def _candidates(metric: str, cells: Mapping[tuple[str, str], Cell], choosing: Flags, design: Design) -> pd.DataFrame:
    """Return the S- rows with their gains on the images of the choosing half."""
    here = {key: cell.of_images(choosing) for key, cell in cells.items()}
    unit = np.ones((1, int(choosing.sum())))
    draws = {key: draws_of(metric, cell, unit) for key, cell in here.items()}
    rows = results_table(rows_of(metric, here, draws, design), dataset="", models="")
    return rows[rows["best_control"].notna()]


def _without(method: str, why: str) -> Verdict:
    return Verdict(method, "", "", np.nan, np.nan, np.nan, "", 1.0, np.nan, 0, THESE_MODELS, why)


def sentence(found: Sequence[Verdict], metric: str = "saliency_ssim") -> str:
    """Say in plain words whether super-pixels help beyond smoothing, and for which methods.

    Args:
        found: verdicts for one metric.
        metric: name of the metric.

    Example:
        >>> one = Verdict("Gradient", "Slic", "after", -0.01, -0.03, 0.006, "blur", 0.7, 0.2, 50, THESE_MODELS)
        >>> sentence([one])
        'Super-pixels (SSIM): no gain over smoothing for Gradient.'
    """
    word = METRIC_WORDS.get(metric, metric)
    if not found:
        return f"Super-pixels ({word}): too few images, or no S- rows, for a verdict."
    gains = [
        f"{verdict.method} by {verdict.gain:.2f} [{verdict.low:.2f}, {verdict.high:.2f}] with {verdict.superpixels}"
        for verdict in found
        if verdict.has_gain
    ]
    others = [verdict.method for verdict in found if not verdict.has_gain and not verdict.why_none]
    silent: dict[str, list[str]] = {}
    for verdict in found:
        if verdict.why_none:
            silent.setdefault(verdict.why_none, []).append(verdict.method)
    parts = [f"more stable than the best smoothing control for {joined(gains)}"] if gains else []
    parts += [f"no gain over smoothing for {joined(others)}"] if others else []
    parts += [f"no verdict for {joined(names)} ({why})" for why, names in silent.items()]
    return f"Super-pixels ({word}): {'; '.join(parts)}."


def scope_sentence(
    scopes: Sequence[str], num_images: int, num_models: int, num_methods: int, num_plans: int = 1
) -> str:
    """Say how the numbers of the other sentences were chosen and measured.

    Args:
        scopes: what the intervals of each plan cover.
        num_images: number of images in the reporting half.
        num_models: number of models that were compared, in each repeat; of one plan.
        num_methods: number of methods, in all plans, that the p-values are corrected over.
        num_plans: number of plans.

    Example:
        >>> scope_sentence([THESE_MODELS], 50, 3, 1).partition(";")[0]
        'Methods and rows are chosen on one half of the images and measured on the other 50'
    """
    if len(set(scopes)) > 1:
        covered = "images, and in each plan what its tables say"
    elif THESE_MODELS in scopes:
        # plans may have different numbers of models
        covered = f"images, for these {f'{num_models} ' if num_plans == 1 else ''}models"
    else:
        covered = f"images and {scopes[0]}"
    plans = f" in {num_plans} plans" if num_plans > 1 else ""
    return (
        f"Methods and rows are chosen on one half of the images and measured on the other {num_images}; 95 % intervals "
        f"cover {covered}; Holm's correction over {num_methods} "
        f"method{'' if num_methods == 1 else 's'}{plans}."
    )


def joined(parts: Sequence[str]) -> str:
    """Join names with commas and a last `and`.

    Example:
        >>> joined(["a"]), joined(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
