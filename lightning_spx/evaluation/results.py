"""Per-image values of a study -> `results.csv`: numbers with interval, floor, excess and gain over controls."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lightning_spx.evaluation.comparison import VARIANTS
from lightning_spx.evaluation.partitions import PIXEL, is_control_of
from lightning_spx.evaluation.statistics import (
    MIN_REPEATS,
    Array,
    Draws,
    Flags,
    bootstrap_weights,
    gain_over,
    interval,
    weighted_mean,
    weighted_mege,
    weighted_reco,
)

KEYS = ["dataset", "models", "pair", "method", "superpixels", "magnitude", "metric", "setting"]
VALUES = [
    *("value", "ci_low", "ci_high", "interval", "num_images", "num_dropped", "floor", "excess"),
    *("best_control", "gain", "gain_low", "gain_high", "mean_segments"),
]
ALL_PAIRS = "all"
OVER_IMAGES = "over images, for these models"
OVER_REPEATS = "over repeats and images"


@dataclass(frozen=True)
class Cell:
    """The per-image values of one (method, superpixels, magnitude, metric, setting) over repeats, pairs and images."""

    variants: dict[str, Array]  # each (R, P, N)
    agree: Flags
    differ: Flags
    mean_segments: float

    def pair(self, position: int) -> "Cell":
        """Restrict to one pair."""
        here = slice(position, position + 1)
        values = {name: value[:, here] for name, value in self.variants.items()}
        return Cell(values, self.agree[:, here], self.differ[:, here], self.mean_segments)


def summarise(
    per_image: pd.DataFrame, *, dataset: str, models: str, num_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Summarise the per-image values of a study.

    Args:
        per_image: the rows of `compare` for all methods, with the columns `method` and `repeat`.
        dataset: name of the data set.
        models: name of the models.
        num_resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        One row per number with the columns `KEYS` and `VALUES`; the distance rows become MeGe and ReCo.
    """
    pairs = sorted(per_image["pair"].unique())
    images = np.sort(per_image["index"].unique())
    num_repeats = per_image["repeat"].nunique()
    weights = bootstrap_weights(num_repeats, len(images), num_resamples, seed)
    rows: list[dict[str, object]] = []
    for method_key, of_method in per_image.groupby(["method", "metric", "setting"], sort=False):
        method, metric, setting = (str(part) for part in method_key)
        cells = {
            (str(superpixels), str(magnitude)): cell_of(group, pairs, images)
            for (superpixels, magnitude), group in of_method.groupby(["superpixels", "magnitude"], sort=False)
        }
        for name in ("mege", "reco") if metric == "distance" else (metric,):
            # MeGe and ReCo are numbers of all pairs together
            selections = [ALL_PAIRS] if metric == "distance" or len(pairs) == 1 else [ALL_PAIRS, *pairs]
            for pair in selections:
                chosen = cells if pair == ALL_PAIRS else {k: cell.pair(pairs.index(pair)) for k, cell in cells.items()}
                for row in _rows(name, chosen, weights):
                    row |= {"dataset": dataset, "models": models, "pair": pair, "method": method, "setting": setting}
                    row["interval"] = OVER_REPEATS if num_repeats >= MIN_REPEATS else OVER_IMAGES
                    rows.append(row)
    return pd.DataFrame(rows, columns=[*KEYS, *VALUES])


def cell_of(group: pd.DataFrame, pairs: list[str], images: np.ndarray) -> Cell:
    """Lay the per-image values of one row of results out by repeat, pair and image."""
    repeats = np.sort(group["repeat"].unique())
    place = (
        np.searchsorted(repeats, group["repeat"].to_numpy()),
        np.searchsorted(pairs, group["pair"].to_numpy().astype(str)),
        np.searchsorted(images, group["index"].to_numpy()),
    )
    shape = (len(repeats), len(pairs), len(images))
    variants = {name: np.full(shape, np.nan) for name in VARIANTS}
    for name, values in variants.items():
        values[place] = group[name].to_numpy()
    agree, differ = np.zeros(shape, bool), np.zeros(shape, bool)
    agree[place], differ[place] = group["agree"].to_numpy(), group["differ"].to_numpy()
    return Cell(variants, agree, differ, float(group["num_segments"].mean()))


def draws_of(metric: str, cell: Cell, weights: Array) -> Draws:
    """Compute a number and its nulls in every resample."""
    if metric == "mege":
        return Draws(*(weighted_mege(cell.variants[name], cell.agree, weights) for name in VARIANTS))
    if metric == "reco":
        return Draws(*(weighted_reco(cell.variants[name], cell.agree, cell.differ, weights) for name in VARIANTS))
    return Draws(*(weighted_mean(cell.variants[name], weights) for name in VARIANTS))


def controls_of(draws: Mapping[tuple[str, str], Draws], superpixels: str, magnitude: str) -> dict[str, Draws]:
    """Select the controls of an S- row from the draws of all rows, by (superpixels, magnitude)."""
    return {
        name: other for (name, order), other in draws.items() if is_control_of(name, superpixels) and order == magnitude
    }


def _counted(metric: str, cell: Cell) -> Flags:
    """Which (R, P, N) values the metric is computed from."""
    used = ~np.isnan(cell.variants["value"])
    if metric == "mege":
        return used & cell.agree
    return used & (cell.agree | cell.differ) if metric == "reco" else used


def _rows(metric: str, cells: dict[tuple[str, str], Cell], weights: Array) -> Iterable[dict[str, object]]:
    draws = {key: draws_of(metric, cell, weights) for key, cell in cells.items()}
    for (superpixels, magnitude), draw in draws.items():
        cell = cells[superpixels, magnitude]
        low, high = interval(draw.value)
        num_images = int(_counted(metric, cell).any((0, 1)).sum())
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
        }
        controls = controls_of(draws, superpixels, magnitude)
        if superpixels != PIXEL and controls:
            gain = gain_over(draw, controls)
            row |= {"best_control": gain.best_control, "gain": gain.gain, "gain_low": gain.low, "gain_high": gain.high}
        yield row
