"""Sums up the values of an ensemble study: rows of `results.csv` and `ensemble.csv`, and what pooling is worth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from lightning_spx.evaluation.ensemble.estimates import Estimate, estimate
from lightning_spx.evaluation.ensemble.group_maps import METRICS
from lightning_spx.evaluation.ensemble.study import EnsembleStudy
from lightning_spx.evaluation.ensemble.worth import Worth, bracket, worth_of
from lightning_spx.evaluation.statistics.bootstrap import Array, bootstrap_weights
from lightning_spx.evaluation.statistics.gains import Gain, gain_over
from lightning_spx.evaluation.statistics.reliability import spearman_brown
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, as_results, is_control, is_control_of

AVERAGED = "models_averaged="
# superpixels, magnitude and number of models averaged
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Summary:
    """What an ensemble study has measured.

    Args:
        results: the rows of `results.csv`.
        curves: the rows of `ensemble.csv`: excess by number of models averaged, with Spearman and Brown's prediction.
        worths: what pooling is worth, for each method, metric and S- row.
    """

    results: pd.DataFrame
    curves: pd.DataFrame
    worths: list[Worth]


def summarize_ensemble(study: EnsembleStudy, dataset: str, models: str, num_resamples: int) -> Summary:
    """Summarize the values of a study that is measured.

    Args:
        study: a study whose files are all on disk.
        dataset: name of the data set in tables.
        models: words for the models in tables.
        num_resamples: number of bootstrap resamples.

    Raises:
        ValueError: a file is damaged; the error names it.
    """
    weights = bootstrap_weights(len(study.drawn), num_resamples, study.seed)
    results: list[dict[str, object]] = []
    curves: list[dict[str, object]] = []
    worths: list[Worth] = []
    for method in study.methods:
        for metric, setting in METRICS.items():
            found = estimates_of(study.values(method, metric, setting), weights)
            named: dict[str, object] = {"method": method, "metric": metric}
            of_study = {"dataset": dataset, "models": models, "pair": ALL_PAIRS, **named}
            results += [{**of_study, **row} for row in result_rows(found, setting)]
            curves += [{**named, **row} for row in curve_rows(found)]
            worths += worths_of(found, method, metric)
    columns = ["method", "superpixels", "magnitude", "metric", "m", "excess", "low", "high"]
    columns += ["predicted", "predicted_low", "predicted_high"]
    return Summary(as_results(results), pd.DataFrame(curves, columns=columns), worths)


def estimates_of(values: pd.DataFrame, weights: Array) -> dict[Key, Estimate]:
    """Estimate the numbers of every row and size of groups.

    Args:
        values: rows of `compare_groups` for one method and metric.
        weights: (B, N), how often each image counts in each resample, in the order of their index.
    """
    return {
        (str(superpixels), str(magnitude), int(str(averaged))): estimate(rows, weights)
        for (superpixels, magnitude, averaged), rows in values.groupby(
            ["superpixels", "magnitude", "averaged"], sort=False
        )
    }


def result_rows(found: Mapping[Key, Estimate], setting: str) -> Iterator[dict[str, object]]:
    """Yield a row of `results.csv` for each estimate, with its gain over its controls if it has any."""
    for (superpixels, magnitude, averaged), own in found.items():
        low, high = own.value_limits()
        excess_low, excess_high = own.excess_limits()
        row: dict[str, object] = {
            "superpixels": superpixels,
            "magnitude": magnitude,
            "setting": ";".join(filter(None, [setting, f"{AVERAGED}{averaged}"])),
            "value": float(own.draws.value[0]),
            "ci_low": low,
            "ci_high": high,
            "interval": own.scope,
            "num_images": own.num_images,
            "num_dropped": own.num_dropped,
            "floor": float(own.draws.floor[0]),
            "excess": own.excess,
            "excess_low": excess_low,
            "excess_high": excess_high,
            "mean_segments": own.mean_segments,
            "num_wrong": 0,
            "num_constant": own.num_constant,
        }
        controls = controls_of(found, (superpixels, magnitude, averaged))
        if controls:
            gain = gain_over_controls(own, controls)
            row |= {"best_control": gain.best_control, "gain": gain.gain, "gain_low": gain.low, "gain_high": gain.high}
        yield row


def controls_of(found: Mapping[Key, Estimate], key: Key) -> dict[str, Estimate]:
    """Select the controls of an S- row, by their names."""
    superpixels, *rest = key
    return {name: each for (name, *other), each in found.items() if is_control_of(name, superpixels) and other == rest}


def gain_over_controls(own: Estimate, controls: Mapping[str, Estimate]) -> Gain:
    """Compare a row's excess with every control's.

    Args:
        own: of the row.
        controls: of its controls, by name; not empty.
    """
    draws = {name: each.draws for name, each in controls.items()}
    spreads = {name: own.spread(own.of_excess - each.of_excess) for name, each in controls.items()}
    return gain_over(own.draws, draws, spreads)


def curve_rows(found: Mapping[Key, Estimate]) -> Iterator[dict[str, object]]:
    """Yield the rows of `ensemble.csv`, each with the prediction from the row's own excess of single models."""
    for (superpixels, magnitude, averaged), own in found.items():
        single = found[superpixels, magnitude, 1]
        low, high = own.excess_limits()
        first = [single.excess, *single.excess_limits()]
        names = ("predicted", "predicted_low", "predicted_high")
        yield {
            "superpixels": superpixels,
            "magnitude": magnitude,
            "m": averaged,
            "excess": own.excess,
            "low": low,
            "high": high,
            **{name: spearman_brown(r, averaged) for name, r in zip(names, first, strict=True)},
        }


def worths_of(found: Mapping[Key, Estimate], method: str, metric: str) -> Iterator[Worth]:
    """Yield what each S- row of single models is worth, in averaged pixel maps of the same order."""
    for (superpixels, magnitude, averaged), own in found.items():
        if averaged != 1 or superpixels == PIXEL or is_control(superpixels):
            continue
        pixel = {m: each for (name, order, m), each in found.items() if (name, order) == (PIXEL, magnitude)}
        controls = controls_of(found, (superpixels, magnitude, 1))
        gain = gain_over_controls(own, controls)
        models, low, high = worth_of(own, pixel[1])
        yield Worth(
            method=method,
            superpixels=superpixels,
            magnitude=magnitude,
            metric=metric,
            models=models,
            low=low,
            high=high,
            measured=bracket(own.excess, {m: each.excess for m, each in pixel.items()}),
            best_control=gain.best_control,
            control=worth_of(controls[gain.best_control], pixel[1])[0] if gain.best_control else float("nan"),
            more_than_smoothing=gain.low > 0 and own.excess > 0,
        )
