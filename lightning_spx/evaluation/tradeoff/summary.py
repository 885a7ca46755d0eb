"""Sums up per-image stability and fidelity in rows of results, and finds the front between the two."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import Array, bootstrap_weights, weighted_mean
from lightning_spx.evaluation.statistics.cells import Layout, cells_of
from lightning_spx.evaluation.statistics.draws import draws_of
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.gains import gain_over
from lightning_spx.evaluation.statistics.results import controls_of
from lightning_spx.evaluation.statistics.trainings import THESE_MODELS, Spread, interval
from lightning_spx.reporting.reference_rows import is_candidate
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, as_results

STABILITY = ("saliency_ssim", "")
# metric and setting on the front's other axis, by the word that chooses them
FIDELITY = {
    "road": ("road", "order=combined"),
    "insertion": ("insertion", "substrate=blur"),
    "deletion": ("deletion", "substrate=blur"),
}
Row = tuple[str, str]  # superpixels, magnitude


def sign_of(metric: str, setting: str) -> int:
    """Return 1 if higher values are better, or -1 if lower ones are.

    Example:
        >>> sign_of("road", "order=lerf"), sign_of("road", "order=morf"), sign_of("deletion", "substrate=blur")
        (1, -1, -1)
    """
    return -1 if metric in ("deletion", "fidelity_error") or setting == "order=morf" else 1


def fidelity_draws(rows: pd.DataFrame, weights: Array) -> dict[Row, Draws]:
    """Return the bootstrap draws of one method's fidelity, with the sign that makes higher better; there is no floor.

    Args:
        rows: per-image values of one method, metric and setting, for every model.
        weights: (B, N) over the images in the order of their index.
    """
    metric, setting = str(rows["metric"].iloc[0]), str(rows["setting"].iloc[0])
    draws: dict[Row, Draws] = {}
    for (superpixels, order), group in rows.groupby(["superpixels", "magnitude"], sort=False):
        values = group.pivot(index="model", columns="index", values="value").to_numpy()[None]
        mean = sign_of(metric, setting) * weighted_mean(values, weights)
        draws[str(superpixels), str(order)] = Draws(mean, np.zeros_like(mean), np.zeros_like(mean))
    return draws


def stability_draws(rows: pd.DataFrame, weights: Array) -> dict[Row, Draws]:
    """Return the draws of one method's SSIM with its nulls, over the images in the order of their index."""
    rows = rows[(rows["metric"] == STABILITY[0]) & (rows["setting"] == STABILITY[1])]
    cells = cells_of([rows], Layout.of(rows))
    return {key: draws_of(STABILITY[0], cell, weights) for key, cell in cells.items()}


def fidelity_rows(fidelity: pd.DataFrame, *, dataset: str, models: str, num_resamples: int, seed: int) -> pd.DataFrame:
    """Summarize the per-image fidelity of a study; a gain over controls is positive if the row is better.

    Args:
        fidelity: rows of `fidelity_of` with the columns `method`, `model` and `index`.
        dataset: name of the data set.
        models: name of the models.
        num_resamples: number of bootstrap resamples.
        seed: seeds the bootstrap.

    Returns:
        Rows with the columns of `results.csv`; floor and excess are missing, because these numbers have none.
    """
    num_images = fidelity["index"].nunique()
    weights = bootstrap_weights(num_images, num_resamples, seed)
    rows: list[dict[str, object]] = []
    for (method, metric, setting), group in fidelity.groupby(["method", "metric", "setting"], sort=False):
        draws = fidelity_draws(group, weights)
        sign = sign_of(str(metric), str(setting))
        for (superpixels, order), draw in draws.items():
            own = group[(group["superpixels"] == superpixels) & (group["magnitude"] == order)]
            valid = own.dropna(subset="value")["index"].nunique()
            low, high = interval(sign * draw.value, Spread(valid))
            row: dict[str, object] = {
                "dataset": dataset,
                "models": models,
                "pair": ALL_PAIRS,
                "method": method,
                "superpixels": superpixels,
                "magnitude": order,
                "metric": metric,
                "setting": setting,
                "value": sign * float(draw.value[0]),
                "ci_low": low,
                "ci_high": high,
                "interval": THESE_MODELS,
                "num_images": valid,
                "num_dropped": num_images - valid,
                "mean_segments": float(own["num_segments"].mean()),
            }
            controls = controls_of(draws, superpixels, order)
            if superpixels != PIXEL and controls:
                gain = gain_over(draw, controls, dict.fromkeys(controls, Spread(valid)))
                row |= {"best_control": gain.best_control, "gain": gain.gain}
                row |= {"gain_low": gain.low, "gain_high": gain.high}
            rows.append(row)
    return as_results(rows)


@dataclass(frozen=True)
class Point:
    """Stability and fidelity of one of a method's rows; higher is better for both.

    Args:
        stability: draws of the excess.
        fidelity: draws of the fidelity.
    """

    stability: Array
    fidelity: Array


def points_of(stability: Mapping[Row, Draws], fidelity: Mapping[Row, Draws]) -> dict[Row, Point]:
    """Join a method's draws of stability and fidelity, row by row."""
    return {row: Point(draw.excess, fidelity[row].value) for row, draw in stability.items() if row in fidelity}


def on_front(points: Mapping[Row, Point]) -> set[Row]:
    """Return the rows that no other row beats in one number without losing in the other (Pareto).

    Example:
        >>> at = lambda *value: Point(np.array(value[:1]), np.array(value[1:]))
        >>> sorted(on_front({("a", ""): at(1.0, 0.0), ("b", ""): at(0.0, 1.0), ("c", ""): at(0.0, 0.5)}))
        [('a', ''), ('b', '')]
    """
    numbers = {row: (float(point.stability[0]), float(point.fidelity[0])) for row, point in points.items()}
    finite = {row: pair for row, pair in numbers.items() if np.isfinite(pair).all()}
    return {
        row
        for row, (x, y) in finite.items()
        if not any(u >= x and v >= y and (u > x or v > y) for u, v in finite.values())
    }


def front_table(
    stability: pd.DataFrame, fidelity: pd.DataFrame, against: str, num_resamples: int, seed: int
) -> pd.DataFrame:
    """Tabulate the stability and fidelity of every row of every method.

    Args:
        stability: rows of `compare` with the column `method`.
        fidelity: rows of `fidelity_of` with the columns `method`, `model` and `index`.
        against: the fidelity metric, a key of `FIDELITY`.
        num_resamples: number of bootstrap resamples.
        seed: seeds the bootstrap.

    Returns:
        One row for each method, super-pixels and order: excess and fidelity with intervals (higher is better), the mean
        number of segments, and whether it is on the front of its method's rows without controls.
    """
    metric, setting = FIDELITY[against]
    of_axis = fidelity[(fidelity["metric"] == metric) & (fidelity["setting"] == setting)]
    num_images = fidelity["index"].nunique()
    weights, spread = bootstrap_weights(num_images, num_resamples, seed), Spread(num_images)
    rows: list[dict[str, object]] = []
    for method, of_method in of_axis.groupby("method", sort=False):
        same = stability[stability["method"] == method]
        points = points_of(stability_draws(same, weights), fidelity_draws(of_method, weights))
        front = on_front({row: point for row, point in points.items() if is_candidate(row[0])})
        sizes = of_method.groupby(["superpixels", "magnitude"])["num_segments"].mean()
        for row, point in points.items():
            (x_low, x_high), (y_low, y_high) = interval(point.stability, spread), interval(point.fidelity, spread)
            rows.append(
                {
                    "method": method,
                    "superpixels": row[0],
                    "magnitude": row[1],
                    "mean_segments": float(sizes[row]),
                    "excess": float(point.stability[0]),
                    "excess_low": x_low,
                    "excess_high": x_high,
                    "fidelity": float(point.fidelity[0]),
                    "fidelity_low": y_low,
                    "fidelity_high": y_high,
                    "on_front": row in front,
                }
            )
    return pd.DataFrame(rows)
