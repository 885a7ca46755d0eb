"""Summarizes a study's per-image values for `results.csv`: numbers with interval, floor, excess and gain."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import (
    MIN_REPEATS,
    Array,
    Flags,
    interval,
    weight_slabs,
    weighted_mean,
    weighted_mege,
    weighted_reco,
)
from lightning_spx.evaluation.statistics.cells import Cell, Layout, cells_of
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.gains import gain_over
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, as_results, is_control_of, with_finding
from lightning_spx.runs.blocks import VARIANTS

K = TypeVar("K", bound=Hashable)
OVER_IMAGES = "over images, for these models"
OVER_REPEATS = "over repeats and images"
# images that an interval needs: resampling a single image gives the same number every time
LEAST_FOR_INTERVAL = 2


def summarize(
    per_image: pd.DataFrame, *, dataset: str, models: str, num_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Summarize the per-image values of a study.

    Args:
        per_image: the rows of `compare` for all methods, with the columns `method` and `repeat`.
        dataset: name of the data set.
        models: name of the models.
        num_resamples: number of bootstrap resamples.
        seed: seeds the bootstrap.

    Returns:
        One row per number with the columns `KEYS` and `VALUES`; the distance rows become MeGe and ReCo. With findings
        there is a row over all of them and one for each, over all pairs of models, which names it in `setting`.
    """
    layout = Layout.of(per_image)
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
    pairs, num_repeats = layout.pairs, len(layout.repeats)
    names = ("mege", "reco") if metric == "distance" else (metric,)
    # MeGe and ReCo are defined for all pairs together
    selections = [ALL_PAIRS] if metric == "distance" or len(pairs) == 1 else [ALL_PAIRS, *pairs]
    # by the pair and the finding that rows have, which is empty over all findings
    chosen: dict[tuple[str, str], dict[tuple[str, str], Cell]] = {
        (pair, ""): cells if pair == ALL_PAIRS else {key: cell.pair(pairs.index(pair)) for key, cell in cells.items()}
        for pair in selections
    }
    for number, finding in enumerate(layout.findings):
        own = layout.finding_of_item == number
        chosen[ALL_PAIRS, finding] = {key: cell.of_items(own) for key, cell in cells.items()}
    wanted = {
        (name, *selection, *key): (name, cell)
        for name in names
        for selection, selected in chosen.items()
        for key, cell in selected.items()
    }
    slabs = weight_slabs(num_repeats, len(layout.images), num_resamples, seed, layout.num_items)
    draws = draws_of_all(wanted, slabs)
    for name in names:
        for (pair, finding), selected in chosen.items():
            for row in rows_of(name, selected, {key: draws[name, pair, finding, *key] for key in cells}):
                row |= {"pair": pair, "method": method, "setting": with_finding(setting, finding)}
                row["interval"] = OVER_REPEATS if num_repeats >= MIN_REPEATS else OVER_IMAGES
                yield row


def results_table(rows: Iterable[Mapping[str, object]], dataset: str, models: str) -> pd.DataFrame:
    """Make the table of `results.csv` from the rows of `summarize_metric`."""
    return as_results({"dataset": dataset, "models": models, **row} for row in rows)


def draws_of(metric: str, cell: Cell, weights: Array) -> Draws:
    """Compute a number and its nulls in every resample.

    Args:
        metric: `mege`, `reco`, or a metric that is a mean.
        cell: the per-image values.
        weights: (B, R, N), how often each image counts in each resample; all its items count as often.
    """
    weights = cell.weights(weights)
    if metric == "mege":
        return Draws(*(weighted_mege(cell.variants[name], cell.agree, weights) for name in VARIANTS))
    if metric == "reco":
        return Draws(*(weighted_reco(cell.variants[name], cell.agree, cell.differ, weights) for name in VARIANTS))
    return Draws(*(weighted_mean(cell.variants[name], weights) for name in VARIANTS))


def draws_of_all(wanted: Mapping[K, tuple[str, Cell]], slabs: Iterable[Array]) -> dict[K, Draws]:
    """Compute the numbers of several metrics and cells, and their nulls, in the same resamples, slab by slab."""
    parts: dict[K, list[Draws]] = {key: [] for key in wanted}
    for weights in slabs:
        for key, (metric, cell) in wanted.items():
            parts[key].append(draws_of(metric, cell, weights))
    return {
        key: Draws(*(np.concatenate([getattr(part, name) for part in own]) for name in VARIANTS))
        for key, own in parts.items()
    }


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
    metric: str, cells: Mapping[tuple[str, str], Cell], draws: Mapping[tuple[str, str], Draws]
) -> Iterator[dict[str, object]]:
    """Yield a row of numbers for every (superpixels, magnitude), with its gain over its controls if it has any.

    Args:
        metric: `mege`, `reco`, or a metric that is a mean.
        cells: the per-image values by (superpixels, magnitude).
        draws: the bootstrap draws by the same keys, whose order the rows have.

    Yields:
        Rows without the columns that name the study, the method and the setting. All their counts are of images: an
        image counts if any of its items does, and is constant if all of its items that count are.
    """
    for (superpixels, magnitude), draw in draws.items():
        cell = cells[superpixels, magnitude]
        counted = _counted(metric, cell)
        num_images = cell.num_images(counted)
        num_valued = cell.num_images(~np.isnan(cell.variants["value"]))
        num_lively = cell.num_images(counted & ~cell.constant)
        has_interval = num_images >= LEAST_FOR_INTERVAL
        low, high = interval(draw.value) if has_interval else (np.nan, np.nan)
        row: dict[str, object] = {
            "superpixels": superpixels,
            "magnitude": magnitude,
            "metric": metric,
            "value": float(draw.value[0]),
            "ci_low": low,
            "ci_high": high,
            "num_images": num_images,
            "num_dropped": cell.num_images(np.ones_like(counted)) - num_images,
            "floor": float(draw.floor[0]),
            "excess": float(draw.excess[0]),
            "mean_segments": cell.mean_segments,
            # what counts has a value
            "num_wrong": num_valued - num_images,
            "num_constant": num_images - num_lively,
        }
        controls = controls_of(draws, superpixels, magnitude)
        if superpixels != PIXEL and controls and has_interval:
            gain = gain_over(draw, controls)
            row |= {"best_control": gain.best_control, "gain": gain.gain, "gain_low": gain.low, "gain_high": gain.high}
        yield row
