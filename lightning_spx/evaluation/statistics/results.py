"""Summarizes a study's per-image values for `results.csv`: numbers with interval, floor, excess and gain."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.gains import gain_over
from lightning_spx.reporting.rows import ALL_PAIRS, KEYS, PIXEL, VALUES, is_control_of
from lightning_spx.runs.blocks import VARIANTS

K = TypeVar("K", bound=Hashable)
OVER_IMAGES = "over images, for these models"
OVER_REPEATS = "over repeats and images"
# images that an interval needs: resampling a single image gives the same number every time
LEAST_FOR_INTERVAL = 2


@dataclass(frozen=True)
class Cell:
    """The per-image values of one (method, superpixels, magnitude, metric, setting) over repeats, pairs and images."""

    variants: dict[str, Array]  # each (R, P, N)
    agree: Flags
    differ: Flags
    constant: Flags  # which pairs of maps contain a constant map
    mean_segments: float

    def pair(self, position: int) -> "Cell":
        """Return the values of one pair."""
        here = slice(position, position + 1)
        values = {name: value[:, here] for name, value in self.variants.items()}
        agree, differ, constant = (each[:, here] for each in (self.agree, self.differ, self.constant))
        return Cell(values, agree, differ, constant, self.mean_segments)

    def of_images(self, chosen: Flags) -> "Cell":
        """Return the values of the images that (N,) flags choose; `mean_segments` stays that of all images."""
        values = {name: value.compress(chosen, -1) for name, value in self.variants.items()}
        agree, differ, constant = (each.compress(chosen, -1) for each in (self.agree, self.differ, self.constant))
        return Cell(values, agree, differ, constant, self.mean_segments)


@dataclass(frozen=True)
class Layout:
    """The repeats, pairs and images that a study's per-image values cover.

    Args:
        repeats: numbers of the repeats, sorted.
        pairs: names of the pairs, sorted.
        images: the images' numbers in the data set, sorted.
    """

    repeats: NDArray[np.int64]
    pairs: list[str]
    images: NDArray[np.int64]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Layout":
        """Return the layout of rows that are in memory."""
        return cls(np.sort(rows["repeat"].unique()), sorted(rows["pair"].unique()), np.sort(rows["index"].unique()))


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
        One row per number with the columns `KEYS` and `VALUES`; the distance rows become MeGe and ReCo.
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
        layout: the study's repeats, pairs and images.
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
    chosen = {
        pair: cells if pair == ALL_PAIRS else {key: cell.pair(pairs.index(pair)) for key, cell in cells.items()}
        for pair in selections
    }
    wanted = {
        (name, pair, *key): (name, cell) for name in names for pair in selections for key, cell in chosen[pair].items()
    }
    draws = draws_of_all(wanted, weight_slabs(num_repeats, len(layout.images), num_resamples, seed))
    for name in names:
        for pair in selections:
            own = {key: draws[name, pair, *key] for key in cells}
            for row in rows_of(name, chosen[pair], own):
                row |= {"pair": pair, "method": method, "setting": setting}
                row["interval"] = OVER_REPEATS if num_repeats >= MIN_REPEATS else OVER_IMAGES
                yield row


def results_table(rows: Iterable[Mapping[str, object]], dataset: str, models: str) -> pd.DataFrame:
    """Make the table of `results.csv` from the rows of `summarize_metric`."""
    return pd.DataFrame([{"dataset": dataset, "models": models, **row} for row in rows], columns=[*KEYS, *VALUES])


def cells_of(frames: Iterable[pd.DataFrame], layout: Layout) -> dict[tuple[str, str], Cell]:
    """Arrange per-image values by repeat, pair and image, for each (superpixels, magnitude).

    Args:
        frames: rows of one method, metric and setting, some images at a time.
        layout: which repeats, pairs and images there are; where rows are missing, values are NaN.
    """
    shape = (len(layout.repeats), len(layout.pairs), len(layout.images))
    cells: dict[tuple[str, str], Cell] = {}
    sizes: dict[tuple[str, str], list[float]] = {}
    for frame in frames:
        for (superpixels, magnitude), group in frame.groupby(["superpixels", "magnitude"], sort=False):
            key = (str(superpixels), str(magnitude))
            if key not in cells:
                flags = np.zeros((3, *shape), bool)
                empty = {name: np.full(shape, np.nan) for name in VARIANTS}
                cells[key] = Cell(empty, flags[0], flags[1], flags[2], np.nan)
                sizes[key] = [0.0, 0.0]
            place = (
                np.searchsorted(layout.repeats, group["repeat"].to_numpy()),
                np.searchsorted(layout.pairs, group["pair"].to_numpy().astype(str)),
                np.searchsorted(layout.images, group["index"].to_numpy()),
            )
            for name, values in cells[key].variants.items():
                values[place] = group[name].to_numpy()
            for name in ("agree", "differ"):
                getattr(cells[key], name)[place] = group[name].to_numpy()
            if "constant" in group:
                # only rows about maps have this column
                cells[key].constant[place] = group["constant"].to_numpy()
            sizes[key][0] += float(group["num_segments"].sum())
            sizes[key][1] += len(group)
    return {key: replace(cell, mean_segments=sizes[key][0] / sizes[key][1]) for key, cell in cells.items()}


def draws_of(metric: str, cell: Cell, weights: Array) -> Draws:
    """Compute a number and its nulls in every resample."""
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
        Rows without the columns that name the study, the method and the setting.
    """
    for (superpixels, magnitude), draw in draws.items():
        cell = cells[superpixels, magnitude]
        counted = _counted(metric, cell)
        images = counted.any((0, 1))
        has_value = ~np.isnan(cell.variants["value"]).all((0, 1))
        num_images = int(images.sum())
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
            "num_dropped": cell.agree.shape[-1] - num_images,
            "floor": float(draw.floor[0]),
            "excess": float(draw.excess[0]),
            "mean_segments": cell.mean_segments,
            "num_wrong": int((has_value & ~images).sum()),
            "num_constant": int((images & (cell.constant | ~counted).all((0, 1))).sum()),
        }
        controls = controls_of(draws, superpixels, magnitude)
        if superpixels != PIXEL and controls and has_interval:
            gain = gain_over(draw, controls)
            row |= {"best_control": gain.best_control, "gain": gain.gain, "gain_low": gain.low, "gain_high": gain.high}
        yield row
