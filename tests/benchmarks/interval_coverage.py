"""How often intervals cover the truth, and gains are claimed, in simulated studies; beside the bootstrap of repeats.

    python -m tests.benchmarks.interval_coverage [STUDIES]

Each study has 100 images and two models a repeat, or one repeat of several models. An image moves the number by 0.1, an
image in one repeat by 0.1, so that images alone have a standard error of about 0.01; repeats, or models, move it by
`spread`. The bootstrap of repeats draws repeats, then images within each, and takes percentiles; with fewer than three
it draws images alone. This package took its intervals that way before, and claimed gains of nothing too often.
"""

import sys

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array, bootstrap_weights, weighted_mean
from lightning_spx.evaluation.statistics.trainings import Design, interval, spread_of

NUM_IMAGES, NUM_RESAMPLES = 100, 500
SPREADS = (0.0, 0.01, 0.02, 0.04)
GAIN = 0.05


def main() -> None:
    """Print shares of studies, in percent."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(
        f"{number} studies a cell; coverage of 95 % intervals / gains of 0 claimed / gains of {GAIN} found, in percent"
    )
    print("| repeats x models | spread | Howe, Student's t | bootstrap of repeats |")
    print("|---|---|---|---|")
    for num_repeats, num_models in ((2, 2), (3, 2), (5, 2), (10, 2), (1, 3), (1, 5), (1, 8)):
        for spread in SPREADS:
            draw = np.random.default_rng([num_repeats, num_models, int(100 * spread)])
            found = np.array([_one(draw, num_repeats, num_models, spread, seed) for seed in range(number)])
            words = [" / ".join(f"{100 * share:.1f}" for share in each) for each in found.mean(0)]
            print(f"| {num_repeats} x {num_models} | {spread:g} | {' | '.join(words)} |", flush=True)


def _one(draw: np.random.Generator, num_repeats: int, num_models: int, spread: float, seed: int) -> Array:
    """Simulate a study about zero, and return what each interval says: (2, 3) flags."""
    pairs = [(i, j) for i in range(num_models) for j in range(i + 1, num_models)]
    values = draw.normal(size=NUM_IMAGES) * 0.1 + draw.normal(size=(num_repeats, len(pairs), NUM_IMAGES)) * 0.1
    if num_repeats > 1:
        values = values + spread * draw.normal(size=(num_repeats, 1, 1))
    else:
        models = spread * draw.normal(size=num_models)
        values = values + np.array([models[i] + models[j] for i, j in pairs])[:, None]
    influence = (values - values.mean()) / values.size
    of_study = spread_of(influence, Design(num_repeats, [f"{i}-{j}" for i, j in pairs]), NUM_IMAGES)
    ours = interval(weighted_mean(values, bootstrap_weights(NUM_IMAGES, NUM_RESAMPLES, seed)), of_study)
    found = [ours, tuple(np.percentile(_bootstrap_of_repeats(values, seed), [2.5, 97.5]))]
    return np.array([[low <= 0 <= high, low > 0, low + GAIN > 0] for low, high in found], float)


def _bootstrap_of_repeats(values: Array, seed: int) -> Array:
    """Return draws of the mean, as this package made them before."""
    draw = np.random.default_rng(seed)
    num_repeats, _, num_images = values.shape
    of_repeats, uniform = values.mean(1), np.full(num_images, 1 / num_images)
    if num_repeats < 3:
        weights = draw.multinomial(num_images, uniform, size=NUM_RESAMPLES)[:, None].repeat(num_repeats, axis=1)
    else:
        repeats = draw.multinomial(num_repeats, np.full(num_repeats, 1 / num_repeats), size=NUM_RESAMPLES)
        weights = draw.multinomial(repeats * num_images, uniform)
    means: Array = (weights * of_repeats).sum((1, 2)) / (num_repeats * num_images)
    return means


if __name__ == "__main__":
    main()
