"""Tabulates stability and fidelity of every row of a trade-off, and its gain over blurs that are as faithful."""

from collections.abc import Iterator, Mapping

import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import bootstrap_weights
from lightning_spx.evaluation.statistics.trainings import THESE_MODELS, Spread, interval
from lightning_spx.evaluation.tradeoff.blur_front import upper_hulls
from lightning_spx.evaluation.tradeoff.matched_gain import MatchedGain, matched_gains
from lightning_spx.evaluation.tradeoff.summary import (
    STABILITY,
    Point,
    Row,
    fidelity_draws,
    on_front,
    points_of,
    stability_draws,
)
from lightning_spx.reporting.matched import FIDELITY, MATCHED_GAIN, SAME_ORDER, is_blur_of_a_width
from lightning_spx.reporting.reference_rows import is_candidate
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, as_results

ROW = ["superpixels", "magnitude"]


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
        number of segments, how many images have both numbers and how many do not, and whether it is on the front of its
        method's rows without controls. `matched_gain` with its limits is the gain over all blurs and the pixel map at
        matched fidelity, `beyond` whether no blur is as faithful, `matched_same` the same gain over blurs of the row's
        order alone, and `on_hull` whether a blur or the pixel map is a corner of the hull of those that were measured.
        Gains are NaN for methods without blurs of all widths.
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
        sizes = of_method.groupby(ROW)["num_segments"].mean()
        counts = images_with_both(same, of_method)
        spreads = {row: Spread(counts.get(row, 0)) for row in points}
        over_all, over_same = (matched_gains(points, spreads, same_order) for same_order in (False, True))
        hull = _on_hull(points)
        for row, point in points.items():
            (x_low, x_high), (y_low, y_high) = interval(point.stability, spread), interval(point.fidelity, spread)
            rows.append(
                {
                    "method": method,
                    "superpixels": row[0],
                    "magnitude": row[1],
                    "mean_segments": float(sizes[row]),
                    "num_images": counts.get(row, 0),
                    "num_dropped": num_images - counts.get(row, 0),
                    "excess": float(point.stability[0]),
                    "excess_low": x_low,
                    "excess_high": x_high,
                    "fidelity": float(point.fidelity[0]),
                    "fidelity_low": y_low,
                    "fidelity_high": y_high,
                    "on_front": row in front,
                    **_matched("matched_gain", "matched", over_all.get(row)),
                    "beyond": row in over_all and over_all[row].beyond,
                    **_matched("matched_same", "matched_same", over_same.get(row)),
                    "on_hull": row in hull,
                }
            )
    return pd.DataFrame(rows)


def images_with_both(stability: pd.DataFrame, fidelity: pd.DataFrame) -> dict[Row, int]:
    """Count the images on which each of a method's rows has both numbers.

    Args:
        stability: rows of `compare`.
        fidelity: rows of `fidelity_of`, of one metric and setting.
    """
    ssim = stability[(stability["metric"] == STABILITY[0]) & (stability["setting"] == STABILITY[1])]
    first, second = (each.dropna(subset="value")[[*ROW, "index"]].drop_duplicates() for each in (ssim, fidelity))
    both = first.astype({name: str for name in ROW}).merge(second.astype({name: str for name in ROW}))
    return {(str(name), str(order)): len(group) for (name, order), group in both.groupby(ROW)}


def matched_rows(front: pd.DataFrame, against: str, dataset: str, models: str) -> pd.DataFrame:
    """Make rows of `results.csv` of the gains at matched fidelity.

    Args:
        front: rows of `front_table`.
        against: the fidelity metric, a key of `FIDELITY`.
        dataset: name of the data set.
        models: name of the models.

    Returns:
        Two rows for each row of a method with blurs of all widths; they have no floor, and no gain over controls.
    """
    return as_results({"dataset": dataset, "models": models, **row} for row in _rows_of(front, against))


def _rows_of(front: pd.DataFrame, against: str) -> Iterator[dict[str, object]]:
    of_blurs = set(front.loc[front["superpixels"].map(is_blur_of_a_width), "method"])
    columns = {"": ("matched_gain", "matched"), f";{SAME_ORDER}": ("matched_same", "matched_same")}
    for same_order, (value, limits) in columns.items():
        for _, row in front[front["method"].isin(of_blurs)].iterrows():
            yield {
                **{name: row[name] for name in ("method", *ROW, "mean_segments", "num_images", "num_dropped")},
                "pair": ALL_PAIRS,
                "metric": MATCHED_GAIN,
                "setting": f"against={against}{same_order}",
                "value": row[value],
                "ci_low": row[f"{limits}_low"],
                "ci_high": row[f"{limits}_high"],
                "interval": THESE_MODELS,
            }


def _matched(value: str, limits: str, gain: MatchedGain | None) -> dict[str, float]:
    numbers = (float("nan"),) * 3 if gain is None else (gain.gain, gain.low, gain.high)
    return dict(zip((value, f"{limits}_low", f"{limits}_high"), numbers, strict=True))


def _on_hull(points: Mapping[Row, Point]) -> set[Row]:
    """Return the corners of the hull of the pixel map and the blurs that were measured."""
    blurs = {row: Point(point.stability[:1], point.fidelity[:1]) for row, point in points.items() if _is_smooth(row[0])}
    if not any(is_blur_of_a_width(name) for name, _ in blurs):
        return set()
    (corners,) = upper_hulls(list(blurs.values()))
    known = set(zip(*corners, strict=True))
    return {row for row, point in blurs.items() if (float(point.fidelity[0]), float(point.stability[0])) in known}


def _is_smooth(name: str) -> bool:
    return name == PIXEL or is_blur_of_a_width(name)
