"""Summarizes a study's per-image values for `results.csv`: numbers with interval, floor, excess and gain."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import Array, Flags, weight_slabs
from lightning_spx.evaluation.statistics.cells import Cell, Layout, cells_of
from lightning_spx.evaluation.statistics.components import components_of, halving_trainings
from lightning_spx.evaluation.statistics.draws import draws_of_all
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.gains import gain_over
from lightning_spx.evaluation.statistics.influence import excess_influence, influence_of, normalised_influence
from lightning_spx.evaluation.statistics.trainings import Design, Spread, interval, spread_of
from lightning_spx.reporting.rows import (
    ALL_IMAGES,
    ALL_PAIRS,
    CONDITIONS,
    PIXEL,
    as_results,
    is_control_of,
    with_finding,
)

# the least value of a metric, where it is not 0
LEAST_VALUES = {"saliency_ssim": -1.0, "sanity_ssim": -1.0, "correlation": -1.0, "residual_correlation": -1.0}
# metrics with rows for the images on which models agree about the answer
CONDITIONED = (
    *("saliency_ssim", "topk_overlap", "correlation", "residual_correlation"),
    *("mass_accuracy", "pointing_game", "mask_auc", "mask_auprc"),
)
# images that an interval needs: resampling a single image gives the same number every time
LEAST_FOR_INTERVAL = 2


def summarize(
    per_image: pd.DataFrame,
    *,
    dataset: str,
    models: str,
    num_resamples: int = 2000,
    seed: int = 0,
    over_trainings: bool = True,
) -> pd.DataFrame:
    """Summarize the per-image values of a study.

    Args:
        per_image: the rows of `compare` for all methods, with the columns `method` and `repeat`.
        dataset: name of the data set.
        models: name of the models.
        num_resamples: number of bootstrap resamples.
        seed: seeds the bootstrap.
        over_trainings: whether intervals cover other trainings too, if there are enough of them.

    Returns:
        One row per number with the columns `KEYS` and `VALUES`; the distance rows become MeGe and ReCo. With findings
        there is a row over all of them and one for each, over all pairs of models, which names it in `setting`.
    """
    layout = Layout.of(per_image)
    layout = replace(layout, one_architecture=layout.one_architecture and over_trainings)
    rows = [
        row
        for (method, metric, setting), group in per_image.groupby(["method", "metric", "setting"], sort=False)
        for row in summarize_metric(
            [group], layout, str(method), str(metric), str(setting), num_resamples=num_resamples, seed=seed
        )
    ]
    return results_table(rows, dataset, models)


def summarize_metric(
    frames: Iterable[pd.DataFrame],
    layout: Layout,
    method: str,
    metric: str,
    setting: str,
    *,
    num_resamples: int,
    seed: int,
) -> Iterator[dict[str, object]]:
    """Summarize the per-image values of one metric of one method.

    Args:
        frames: rows with the values, some images at a time.
        layout: the study's repeats, pairs and images, with their items if models explain findings.
        method: the method's name in tables.
        metric: name of the metric.
        setting: setting of the metric.
        num_resamples: number of bootstrap resamples.
        seed: seeds the bootstrap.

    Yields:
        One row per number, without the columns `dataset` and `models`.
    """
    cells = cells_of(frames, layout)
    names = ("mege", "reco") if metric == "distance" else (metric,)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in names}
    for together in _selections(metric, cells, layout):
        selections = [selection.with_values() for selection in together]
        wanted = {
            (name, number, *key): (name, cell)
            for name in names
            for number, selection in enumerate(selections)
            for key, cell in selection.cells.items()
        }
        slabs = weight_slabs(len(layout.images), num_resamples, seed, layout.num_items)
        draws = draws_of_all(wanted, slabs)
        for name in names:
            for number, selection in enumerate(selections):
                own = {key: draws[name, number, *key] for key in cells}
                for row in rows_of(name, selection.cells, own, selection.design):
                    row |= {"pair": selection.pair, "method": method, "condition": selection.condition}
                    row |= {"setting": with_finding(setting, selection.finding), "interval": selection.design.scope}
                    rows[name].append(row)
    yield from chain.from_iterable(rows.values())


@dataclass(frozen=True)
class _Selection:
    """The values that some rows are computed from: of one pair or all, of one finding or all, under a condition."""

    cells: Mapping[tuple[str, str], Cell]
    design: Design
    pair: str = ALL_PAIRS
    finding: str = ""
    condition: str = ALL_IMAGES

    def with_values(self) -> "_Selection":
        """Leave out repeats and pairs without any value: they are no trainings that an interval could rest on."""
        counted = np.logical_or.reduce([~np.isnan(cell.variants["value"]) for cell in self.cells.values()])
        repeats, pairs = counted.any((1, 2)), counted.any((0, 2))
        if (repeats.all() and pairs.all()) or not counted.any():
            return self
        names = [name for name, kept in zip(self.design.pairs, pairs, strict=True) if kept]
        return replace(
            self,
            cells={key: cell.of_trainings(repeats, pairs) for key, cell in self.cells.items()},
            design=replace(self.design, num_repeats=int(repeats.sum()), pairs=names),
        )


def _selections(metric: str, cells: Mapping[tuple[str, str], Cell], layout: Layout) -> Iterator[list[_Selection]]:
    """Yield selections that are computed together; memory holds one of those that copy values."""
    design = layout.design
    together = [_Selection(cells, design)]
    # MeGe and ReCo are defined for all pairs together
    if metric != "distance" and len(layout.pairs) > 1:
        for position, pair in enumerate(layout.pairs):
            own = {key: cell.pair(position) for key, cell in cells.items()}
            together.append(_Selection(own, replace(design, pairs=[pair]), pair=pair))
    yield together
    for number, finding in enumerate(layout.findings):
        chosen = layout.finding_of_item == number
        yield [_Selection({key: cell.of_items(chosen) for key, cell in cells.items()}, design, finding=finding)]
    if metric in CONDITIONED:
        for condition in CONDITIONS[1:]:
            # values of earlier versions do not say which predictions are the same
            if any(cell.counts(condition).any() for cell in cells.values()):
                own = {key: cell.given(condition) for key, cell in cells.items()}
                yield [_Selection(own, design, condition=condition)]


def results_table(rows: Iterable[Mapping[str, object]], dataset: str, models: str) -> pd.DataFrame:
    """Make the table of `results.csv` from the rows of `summarize_metric`."""
    return as_results({"dataset": dataset, "models": models, **row} for row in rows)


def controls_of(draws: Mapping[tuple[str, str], Draws], superpixels: str, magnitude: str) -> dict[str, Draws]:
    """Select the draws of an S- row's controls from the draws of all rows, keyed by (superpixels, magnitude)."""
    return {
        name: other for (name, order), other in draws.items() if is_control_of(name, superpixels) and order == magnitude
    }


def _counted(metric: str, cell: Cell) -> Flags:
    """Return which values (R, P, N) the metric is computed from."""
    used = ~np.isnan(cell.variants["value"])
    if metric == "mege":
        return used & cell.agree
    return used & (cell.agree | cell.differ) if metric == "reco" else used


def rows_of(
    metric: str,
    cells: Mapping[tuple[str, str], Cell],
    draws: Mapping[tuple[str, str], Draws],
    design: Design,
) -> Iterator[dict[str, object]]:
    """Yield a row of numbers for every (superpixels, magnitude), with its gain over its controls if it has any.

    Args:
        metric: `mege`, `reco`, or a metric that is a mean.
        cells: the per-image values by (superpixels, magnitude).
        draws: the bootstrap draws by the same keys, whose order the rows have.
        design: the trainings behind the cells' repeats and pairs.

    Yields:
        Rows without the columns that name the study, the method and the setting. All their counts are of images: an
        image counts if any of its items does, and is constant if all of its items that count are.
    """
    influences = {key: excess_influence(metric, cells[key], draw) for key, draw in draws.items()}
    for (superpixels, magnitude), draw in draws.items():
        cell, influence = cells[superpixels, magnitude], influences[superpixels, magnitude]
        counted = _counted(metric, cell)
        num_images = cell.num_images(counted)
        num_valued = cell.num_images(~np.isnan(cell.variants["value"]))
        num_lively = cell.num_images(counted & ~cell.constant)
        row: dict[str, object] = {
            "superpixels": superpixels,
            "magnitude": magnitude,
            "metric": metric,
            "value": float(draw.value[0]),
            "num_images": num_images,
            "num_dropped": cell.num_images(np.ones_like(counted)) - num_images,
            "floor": float(draw.floor[0]),
            "excess": float(draw.excess[0]),
            "mean_segments": cell.mean_segments,
            # what counts has a value
            "num_wrong": num_valued - num_images,
            "num_constant": num_images - num_lively,
        }
        if draw.ceiling is not None:
            row["ceiling"] = float(draw.ceiling[0])
        if num_images >= LEAST_FOR_INTERVAL:
            spread = spread_of(influence, design, num_images)
            of_value = spread_of(influence_of(metric, cell, "value"), design, num_images)
            row |= _limits("ci", draw.value, of_value, LEAST_VALUES.get(metric, 0.0))
            row |= _limits("excess", draw.excess, spread)
            # a share of a distance that may be zero is no number
            if draw.ceiling is not None and interval(draw.ceiling - draw.floor, Spread(num_images))[0] > 0:
                row["normalised"] = float(draw.normalised[0])
                of_normalised = normalised_influence(metric, cell, draw)
                low, high = interval(draw.normalised, spread_of(of_normalised, design, num_images))
                row |= {"normalised_low": low, "normalised_high": high}
            row |= components_of(influence, design)
            row["halving_trainings"] = halving_trainings(spread, design)
            controls = controls_of(draws, superpixels, magnitude) if superpixels != PIXEL else {}
            if controls:
                against = {
                    name: spread_of(influence - influences[name, magnitude], design, num_images) for name in controls
                }
                gain = gain_over(draw, controls, against)
                row |= {"best_control": gain.best_control, "gain": gain.gain}
                row |= {"gain_low": gain.low, "gain_high": gain.high}
        yield row


def _limits(name: str, draws: Array, spread: Spread, least: float = -np.inf) -> dict[str, float]:
    """Return the limits of a number that is 1 at most; those over few trainings would lie outside of what can be."""
    low, high = interval(draws, spread)
    return {f"{name}_low": float(np.maximum(low, least)), f"{name}_high": float(np.minimum(high, 1.0))}
