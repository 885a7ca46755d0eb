"""Intervals over trainings: against slow loops, Student's t, quadrature and simulated studies."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from lightning_spx.evaluation.statistics.bootstrap import Array, bootstrap_weights, weighted_mean
from lightning_spx.evaluation.statistics.cells import Cell
from lightning_spx.evaluation.statistics.components import components_of, halving_trainings
from lightning_spx.evaluation.statistics.draws import draws_of
from lightning_spx.evaluation.statistics.influence import excess_influence, influence_of
from lightning_spx.evaluation.statistics.round_robin import pseudovalues
from lightning_spx.evaluation.statistics.trainings import (
    OTHER_MODELS,
    THESE_MODELS,
    Design,
    Spread,
    interval,
    p_value,
    spread_of,
)
from lightning_spx.runs.blocks import VARIANTS


def pairs_of(num_models: int) -> list[str]:
    return [f"{first}-{second}" for first, second in combinations(range(num_models), 2)]


def cell_of(shape: tuple[int, int, int], seed: int = 0) -> Cell:
    draw = np.random.default_rng(seed)
    values = {name: draw.uniform(low, low + 0.4, shape) for name, low in zip(VARIANTS, (0.4, 0.1, 0.15), strict=True)}
    missing = draw.uniform(size=shape) < 0.2
    values = {name: np.where(missing, np.nan, value) for name, value in values.items()}
    agree = draw.uniform(size=shape) < 0.6
    return Cell(values, agree, ~agree, agree, np.zeros(shape, bool), np.ones(shape[-1]))


def slow_number(metric: str, cell: Cell, weights: Array, name: str = "value") -> float:
    """The number with a weight for each repeat, pair and image, by definition."""
    values = cell.variants[name]
    kept = ~np.isnan(values)
    if metric == "reco":
        same, other = cell.agree & kept, cell.differ & kept
        lead = [
            weights[same & (np.where(kept, values, 9) <= level)].sum() / weights[same].sum()
            - weights[other & (np.where(kept, values, 9) <= level)].sum() / weights[other].sum()
            for level in values[kept]
        ]
        return float(max(lead))
    kept &= cell.agree if metric == "mege" else True
    mean = float((weights[kept] * values[kept]).sum() / weights[kept].sum())
    return 1 / (1 + mean) if metric == "mege" else mean


@pytest.mark.parametrize("metric", ["saliency_ssim", "mege", "reco"])
def test_influences_are_the_derivatives_by_weight(metric: str) -> None:
    cell = cell_of((2, 3, 5))
    influence, of_excess = influence_of(metric, cell, "value"), None
    draws = draws_of(metric, cell, np.ones((1, 5)))
    of_excess = excess_influence(metric, cell, draws)
    step = 1e-6
    for place in np.ndindex(2, 3, 5):
        weights = np.ones((2, 3, 5))
        weights[place] += step
        changed = {name: slow_number(metric, cell, weights, name) for name in VARIANTS}
        same = {name: slow_number(metric, cell, np.ones((2, 3, 5)), name) for name in VARIANTS}
        assert (changed["value"] - same["value"]) / step == pytest.approx(influence[place], abs=1e-5)
        excess = [
            (each["value"] - max(each["permuted"], each["mismatched"]))
            / (1 - max(each["permuted"], each["mismatched"]))
            for each in (changed, same)
        ]
        assert (excess[0] - excess[1]) / step == pytest.approx(of_excess[place], abs=2e-5)


def test_items_of_an_image_have_its_influence_together() -> None:
    cell = cell_of((1, 1, 4))
    alone = influence_of("saliency_ssim", cell, "value")[0, 0]
    together = influence_of("saliency_ssim", Cell(**{**vars(cell), "image": np.array([0, 0, 1, 2])}), "value")
    assert together[0, 0] == pytest.approx([alone[0] + alone[1], alone[2], alone[3]], abs=1e-15)


def test_pseudovalues_equal_a_jackknife_that_leaves_models_out() -> None:
    of_pairs = np.random.default_rng(0).normal(size=(6, 3))
    members = list(combinations(range(4), 2))
    for model in range(4):
        without = np.mean([value for pair, value in zip(members, of_pairs, strict=True) if model not in pair], axis=0)
        expected = 4 * of_pairs.mean(0) - 3 * without
        assert pseudovalues(of_pairs, members)[model] == pytest.approx(expected, abs=1e-12)


def made_cell(values: Array) -> Cell:
    """A cell of means without floors from values (R, P, N)."""
    zeros, flags = np.zeros_like(values), np.zeros(values.shape, bool)
    nulls = {"value": values, "permuted": zeros, "mismatched": zeros}
    return Cell(nulls, flags, flags, flags, flags, np.ones(values.shape[-1]))


def limits_of(
    values: Array, design: Design, num_resamples: int = 400, seed: int = 0, wants_level: bool = True
) -> tuple[float, float, float]:
    """The interval of the mean of values (R, P, N), and the p-value that it is not above zero, if wanted."""
    draws = weighted_mean(values, bootstrap_weights(values.shape[-1], num_resamples, seed))
    influence = influence_of("saliency_ssim", made_cell(values), "value")
    spread = spread_of(influence, design, values.shape[-1])
    return (*interval(draws, spread), p_value(draws, spread) if wants_level else np.nan)


@pytest.mark.parametrize("num_repeats", [2, 3, 5, 10])
def test_where_images_do_not_vary_the_interval_is_students(num_repeats: int) -> None:
    means = np.random.default_rng(1).normal(0.3, 0.1, num_repeats)
    values = np.repeat(means[:, None, None], 20, axis=2)
    low, high, level = limits_of(values, Design(num_repeats, ["0-1"]))
    expected = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-9)
    assert level == pytest.approx(stats.ttest_1samp(means, 0.0, alternative="greater").pvalue, abs=3e-3)


def test_models_that_share_pairs_have_the_interval_of_their_effects() -> None:
    effects = np.array([0.1, -0.05, 0.2, 0.02])
    members = list(combinations(range(4), 2))
    values = np.array([[np.full(9, 0.5 + effects[first] + effects[second]) for first, second in members]])
    low, high, _ = limits_of(values, Design(1, pairs_of(4)))
    # the mean of all pairs is 0.5 + 2 * mean(effects), and Student's interval of that mean has three degrees of freedom
    reach = 2 * stats.t.ppf(0.975, 3) * effects.std(ddof=1) / 2
    assert (low, high) == pytest.approx((0.5 + 2 * effects.mean() - reach, 0.5 + 2 * effects.mean() + reach), abs=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 9, 19, 29])
def test_coverage_by_quadrature_is_nominal_whatever_the_share_of_trainings(degrees: int) -> None:
    """The number is the sum of a normal of known variance and one whose variance has a chi-squared estimate."""
    steps = (np.arange(4000) + 0.5) / 4000
    quantiles = stats.chi2.ppf(steps, degrees) / degrees
    for true in (0.0, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 30.0, 1000.0):
        reach = [Spread(50, 1.0, 1.0, true * quantile, degrees).reach(0.025) for quantile in quantiles]
        squared = stats.norm.ppf(0.975) ** 2 + np.array(reach)
        assert 0.93 <= stats.chi2.cdf(squared / (1 + true), 1).mean() <= 0.971, true


def study_of(
    draw: np.random.Generator, num_repeats: int, num_models: int, num_images: int, spread: float, pair_noise: float
) -> Array:
    """Values (R, P, N) about zero; `spread` is the trainings' standard error relative to that of the images."""
    members = list(combinations(range(num_models), 2))
    of_images = draw.normal(size=num_images) * 0.1
    unit = 0.1 / np.sqrt(num_images)
    repeats = draw.normal(size=(num_repeats, 1, 1)) * spread * unit * np.sqrt(num_repeats)
    models = np.zeros((num_repeats, num_models))
    if num_repeats == 1:
        repeats = 0.0 * repeats
        models = draw.normal(size=models.shape) * spread * unit * np.sqrt(num_models) / 2
    own = draw.normal(size=(num_repeats, num_models, num_images)) * 0.03
    shared = np.stack([models[:, i, None] + models[:, j, None] + own[:, i] + own[:, j] for i, j in members], axis=1)
    rest = draw.normal(size=(num_repeats, len(members), num_images)) * pair_noise
    values: Array = of_images + repeats + shared + rest
    return values


SHORT = [(2, 2), (3, 2), (1, 3), (1, 5)]
LONG = [*SHORT, (5, 2), (10, 2), (2, 3), (1, 4), (1, 8)]
EVERY_SPREAD = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0)


@pytest.mark.parametrize(
    ("num_repeats", "num_models", "number", "spreads"),
    [
        *((*case, 200, (0.0, 5.0)) for case in SHORT),
        *(pytest.param(*case, 3000, EVERY_SPREAD, marks=pytest.mark.soak) for case in LONG),
    ],
)
def test_intervals_cover_what_they_claim(
    num_repeats: int, num_models: int, number: int, spreads: Sequence[float]
) -> None:
    design = Design(num_repeats, pairs_of(num_models))
    assert design.scope == OTHER_MODELS
    for spread in spreads:
        draw = np.random.default_rng([num_repeats, num_models, int(100 * spread)])
        covered, claimed = 0, 0
        for repetition in range(number):
            values = study_of(draw, num_repeats, num_models, 60, spread, 0.02)
            low, high, _ = limits_of(values, design, 200, repetition, wants_level=False)
            covered += low <= 0 <= high
            claimed += low > 0
        # four standard errors of a share of 95 and 2.5 % wide
        error = 4 * np.sqrt(0.05 * 0.95 / number)
        assert 0.93 - error <= covered / number <= 0.97 + error, (spread, covered / number)
        assert claimed / number <= 0.035 + error / 2, (spread, claimed / number)


@pytest.mark.parametrize(
    ("num_models", "of_models"),
    [(5, 1.0), *(pytest.param(k, sd, marks=pytest.mark.soak) for k in (4, 5, 8) for sd in (0.0, 0.25, 0.5, 1.0))],
)
def test_intervals_cover_models_whose_pairs_differ_by_themselves(num_models: int, of_models: float) -> None:
    """All images are alike, so that nothing else widens an interval; subtracting the whole excess covers 91 %."""
    draw = np.random.default_rng([num_models, int(100 * of_models)])
    members = np.array(list(combinations(range(num_models), 2)))
    design, covered, number = Design(1, pairs_of(num_models)), 0, 2000
    for _ in range(number):
        models = of_models * draw.normal(size=num_models)
        means = models[members].sum(1) + draw.normal(size=len(members))
        influence = np.repeat((means - means.mean())[None, :, None], 2, axis=2) / (2 * len(members))
        covered += means.mean() ** 2 <= spread_of(influence, design, 50).reach(0.025)
    error = 2 * np.sqrt(0.05 * 0.95 / number)
    assert 0.93 - error <= covered / number <= 0.97 + error


def test_no_interval_is_narrower_than_that_over_images_alone() -> None:
    for seed in range(40):
        values = study_of(np.random.default_rng(seed), 1, 3, 40, 0.0, 0.3)
        low, high, _ = limits_of(values, Design(1, pairs_of(3)))
        alone = interval(weighted_mean(values, bootstrap_weights(40, 400, 0)), Spread(40))
        assert low <= alone[0] + 1e-12
        assert high >= alone[1] - 1e-12


def test_one_pair_or_named_networks_cover_these_models_alone() -> None:
    assert Design(1, ["0-1"]).scope == THESE_MODELS
    assert Design(1, pairs_of(5), one_architecture=False).scope == THESE_MODELS
    assert Design(1, ["previous", "ema"]).scope == THESE_MODELS
    # two models by themselves are too few to tell how models vary
    assert Design(1, ["model 0", "model 1"]).scope == THESE_MODELS
    assert Design(1, ["model 0", "model 1", "model 2"]).scope == OTHER_MODELS


@pytest.mark.parametrize("num_images", [10, 30, 200])
def test_over_images_alone_the_interval_is_students_for_normal_values(num_images: int) -> None:
    values = np.random.default_rng(0).normal(0.2, 0.4, num_images)
    draws = weighted_mean(values[None, None], bootstrap_weights(num_images, 20000, 0))
    expected = stats.ttest_1samp(values, 0.0, alternative="two-sided").confidence_interval(0.95)
    assert interval(draws, Spread(num_images)) == pytest.approx(tuple(expected), abs=0.15 / np.sqrt(num_images))
    level = stats.ttest_1samp(values, 0.0, alternative="greater").pvalue
    assert p_value(draws, Spread(num_images)) == pytest.approx(level, rel=0.5)
    outside = stats.norm.cdf(stats.t.ppf(0.025, num_images - 1) * np.sqrt(num_images / (num_images - 1)))
    limits = np.quantile(draws[1:], [outside, 1 - outside])
    assert interval(draws, Spread(num_images)) == pytest.approx(tuple(limits), abs=1e-12)


def test_components_recover_planted_variances() -> None:
    draw = np.random.default_rng(0)
    members = list(combinations(range(8), 2))
    found = []
    for _ in range(60):
        models, pairs, images = draw.normal(size=8) * 0.2, draw.normal(size=28) * 0.1, draw.normal(size=40) * 0.3
        own = draw.normal(size=(28, 40)) * 0.4
        values = np.array([models[i] + models[j] for i, j in members])[:, None] + pairs[:, None] + images + own
        influence = influence_of("saliency_ssim", made_cell(values[None]), "value")
        found.append(components_of(influence, Design(1, pairs_of(8))))
    mean = {name: np.mean([each[name] for each in found]) for name in found[0]}
    assert mean["var_image"] == pytest.approx(0.09, rel=0.15)
    assert mean["var_model"] == pytest.approx(0.04, rel=0.2)
    assert mean["var_pair"] == pytest.approx(0.01, rel=0.15)
    assert mean["var_rest"] == pytest.approx(0.16, rel=0.03)
    assert np.isnan(mean["var_repeat"])


def test_repeats_have_a_component_and_one_pair_has_only_images() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(40, 1, 1)) * 0.2 + draw.normal(size=50) * 0.3 + draw.normal(size=(40, 1, 50)) * 0.1
    found = components_of(influence_of("saliency_ssim", made_cell(values), "value"), Design(40, ["0-1"]))
    assert found["var_repeat"] == pytest.approx(0.04, rel=0.4)
    assert found["var_rest"] == pytest.approx(0.01, rel=0.1)
    assert np.isnan(found["var_model"])
    one = components_of(influence_of("saliency_ssim", made_cell(values[:1]), "value"), Design(1, ["0-1"]))
    assert one["var_image"] == pytest.approx(values[0, 0].var(ddof=1), rel=1e-9)
    assert np.isnan([one["var_repeat"], one["var_rest"]]).all()


def test_the_number_of_trainings_that_halves_an_interval_does() -> None:
    spread = Spread(50, share=0.0, trainings=0.01, degrees=2)
    count = halving_trainings(spread, Design(3, ["0-1"]))
    width = [
        each.reach(0.025) for each in (spread, spread.of_units(int(count) // 2), spread.of_units(int(count) // 2 - 1))
    ]
    assert width[1] <= width[0] / 4 < width[2]
    # images alone are wider than half of the interval
    assert np.isnan(halving_trainings(Spread(50, 1.0, 1.0, 0.01, 2), Design(3, ["0-1"])))
    assert np.isnan(halving_trainings(Spread(50), Design(1, ["0-1"])))
