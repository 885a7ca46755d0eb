"""Sums up the accuracies of all trainings in rows of `results.csv`, with the gain over controls, and in sentences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t

from lightning_spx.evaluation.roar.orders import RANDOM, SOBEL, Order
from lightning_spx.evaluation.roar.retraining import UNTOUCHED, Retraining
from lightning_spx.evaluation.statistics.bootstrap import CONFIDENCE
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, as_results, is_control, is_control_of
from lightning_spx.runs.folder import RunFolder

OVER_SEEDS = "over seeds of retraining, for one explained model"
ONE_SEED = "none: one seed"
SEEDS = "Each percentage has its interval over seeds in the table."


def roar_results(
    run: RunFolder, retrainings: Sequence[Retraining], dataset: str, network: str, num_images: int, removal: str
) -> pd.DataFrame:
    """Tabulate accuracies, a row for each order and percentage; the order `none` stands for the untouched data.

    The gain of an S- row says how far its accuracy is below the best control's (`kar`: above it), paired by seed.

    Args:
        run: holds the results of the trainings.
        retrainings: all of the study, finished.
        dataset: name of the data set.
        network: name of the network.
        num_images: number of test images.
        removal: `roar` or `kar`.

    Returns:
        Rows with the columns of `results.csv`; intervals are Student's over seeds, and missing with one seed.
    """
    sign = 1 if removal == "kar" else -1
    accuracies: dict[tuple[Order, float], list[float]] = {}
    for retraining in retrainings:
        accuracies.setdefault((retraining.order, retraining.percentage), []).append(retraining.accuracy(run))
    rows = []
    for (order, percentage), values in accuracies.items():
        mean, low, high = mean_interval(values)
        row: dict[str, object] = {
            "dataset": dataset,
            "models": network,
            "pair": ALL_PAIRS,
            "method": order.method,
            "superpixels": order.superpixels,
            "magnitude": order.magnitude,
            "metric": f"{removal}_accuracy",
            "setting": f"percentage={percentage:g}",
            "value": mean,
            "ci_low": low,
            "ci_high": high,
            "interval": OVER_SEEDS if len(values) > 1 else ONE_SEED,
            "num_images": num_images,
            "num_dropped": 0,
        }
        controls = {
            other.superpixels: same
            for (other, share), same in accuracies.items()
            if share == percentage
            and other.method == order.method
            and is_control_of(other.superpixels, order.superpixels)
        }
        if order.superpixels != PIXEL and controls:
            gains = {name: mean_interval(sign * (np.array(values) - np.array(same))) for name, same in controls.items()}
            best = min(gains, key=lambda name: gains[name][0])
            row |= {"best_control": best, "gain": gains[best][0]}
            # to be better than each control, the smallest lower limit must be above zero
            row |= {"gain_low": min(gain[1] for gain in gains.values())}
            row |= {"gain_high": min(gain[2] for gain in gains.values())}
        rows.append(row)
    return as_results(rows)


def mean_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Return the mean and Student's 95 % interval, which is NaN for a single value.

    Example:
        >>> [round(value, 3) for value in mean_interval([0.4, 0.5, 0.6])]
        [0.5, 0.252, 0.748]
    """
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, float("nan"), float("nan")
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))
    return mean, mean - reach, mean + reach


def roar_sentences(results: pd.DataFrame, num_classes: int) -> list[str]:
    """Say what accuracy each order leaves, and what the S- maps add to their controls.

    Args:
        results: rows as `roar_results` gives them.
        num_classes: number of classes in the data.
    """
    kar = str(results["metric"].iloc[0]).startswith("kar")
    word = "kept (high is good)" if kar else "removed (low is good)"
    mean = results.groupby(["method", "superpixels"], sort=False)["value"].mean()
    clean, chance = mean[UNTOUCHED.method, PIXEL], mean[RANDOM, PIXEL]
    one_seed = bool((results["interval"] == ONE_SEED).all())
    said = [
        f"Accuracy of the untouched data {clean:.1%} (guessing {1 / num_classes:.1%}); mean over percentages with "
        f"pixels {word} by chance {chance:.1%}, by Sobel edges {mean[SOBEL, PIXEL]:.1%}. "
        + ("There is one seed: no interval, and no test against controls." if one_seed else SEEDS)
    ]
    if clean < 1.5 / num_classes:
        said.append("The network hardly learns the untouched data: these numbers say nothing of the orders.")
    methods = [method for method in results["method"].unique() if method not in (UNTOUCHED.method, RANDOM, SOBEL)]
    for method in methods:
        of_method = mean[method]
        own = [name for name in of_method.index if not is_control(name) and name != PIXEL]
        parts = [f"pixel {of_method[PIXEL]:.1%}"]
        for name in own:
            controls = of_method[[other for other in of_method.index if is_control_of(other, name)]]
            best = controls.max() if kar else controls.min()
            rows = results[(results["method"] == method) & (results["superpixels"] == name)]
            gains = int((rows["gain_low"] > 0).sum())
            tested = "" if one_seed else f"; beats all controls at {gains} of {len(rows)} percentages"
            parts.append(f"S- with {name} {of_method[name]:.1%} (its best control {best:.1%}{tested})")
        said.append(f"{method}: {'; '.join(parts)}.")
    return said
