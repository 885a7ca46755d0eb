"""What is made of the values: known reliability, pure noise, intervals over models, gains and worths."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.evaluation.ensemble.answer import ensemble_answer
from lightning_spx.evaluation.ensemble.assignments import assign, group_sizes
from lightning_spx.evaluation.ensemble.estimates import Estimate, estimate
from lightning_spx.evaluation.ensemble.group_maps import NO_MODEL, compare_groups
from lightning_spx.evaluation.ensemble.summary import (
    Key,
    Summary,
    curve_rows,
    estimates_of,
    result_rows,
    worths_of,
)
from lightning_spx.evaluation.ensemble.worth import worth_of
from lightning_spx.evaluation.maps.pooling_lists import pixel_pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.bootstrap import bootstrap_weights
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.reliability import spearman_brown
from lightning_spx.evaluation.statistics.trainings import OTHER_MODELS, THESE_MODELS, Spread, interval
from lightning_spx.reporting.rows import as_results

MODELS, IMAGES, SIDE = 8, 24, 16


def noisy(signal: float) -> Tensor:
    """Maps of one signal per image with that variance, and noise of variance 1 for each model."""
    generator = torch.Generator().manual_seed(1)
    shared = torch.randn(IMAGES, 1, SIDE, SIDE, generator=generator) * math.sqrt(signal)
    return shared + torch.randn(MODELS, IMAGES, 1, SIDE, SIDE, generator=generator)


def measured(maps: Tensor, metric: str) -> dict[Key, Estimate]:
    pooling = pixel_pooling(torch.zeros(IMAGES, SIDE, SIDE, dtype=torch.long))
    sizes = {size: assign(MODELS, size, 20, seed=0) for size in group_sizes(MODELS)}
    other = derangement(IMAGES, seed=0)
    rows = compare_groups(maps, [(pooling, "after")], torch.arange(IMAGES), other, sizes, seed=0)
    return estimates_of(rows[rows["metric"] == metric], bootstrap_weights(IMAGES, 200, seed=0))


@pytest.mark.parametrize("signal", [0.25, 1.0])
def test_maps_of_known_reliability_follow_spearman_and_brown(signal: float) -> None:
    rows = list(curve_rows(measured(noisy(signal), "correlation")))
    assert [row["m"] for row in rows] == [1, 2, 4]
    for row in rows:
        m, low, high = (float(str(row[name])) for name in ("m", "low", "high"))
        assert low < spearman_brown(signal / (1 + signal), m) < high
        assert low < float(str(row["predicted"])) < high
        assert float(str(row["predicted_low"])) < float(str(row["predicted"])) < float(str(row["predicted_high"]))


@pytest.mark.parametrize("metric", ["saliency_ssim", "topk_overlap", "correlation"])
def test_pure_noise_is_at_chance_however_many_maps_are_averaged(metric: str) -> None:
    for found in measured(noisy(0.0), metric).values():
        low, high = found.excess_limits()
        assert abs(found.excess) < 0.02
        assert low < 0.01
        assert high > -0.01


def test_equal_models_match_perfectly_at_every_size() -> None:
    for metric in ("saliency_ssim", "topk_overlap", "correlation"):
        for found in measured(noisy(1.0)[:1].repeat(MODELS, 1, 1, 1, 1), metric).values():
            assert found.excess == pytest.approx(1.0, abs=1e-6)


def test_intervals_cover_models_where_some_are_left_out() -> None:
    found = measured(noisy(1.0), "correlation")
    scopes = {averaged: each.scope for (_, _, averaged), each in found.items()}
    assert scopes == {1: OTHER_MODELS, 2: OTHER_MODELS, 4: THESE_MODELS}
    assert {row["setting"]: row["interval"] for row in result_rows(found, "k=0.1")} == {
        f"k=0.1;models_averaged={averaged}": scope for averaged, scope in scopes.items()
    }


def test_the_spread_over_models_is_that_of_the_jackknife() -> None:
    rng = np.random.default_rng(0)
    k, num_images = 5, 30
    values = {name: rng.normal(level, 0.1, (1 + k, num_images)) for name, level in LEVELS.items()}
    keys = [(left_out, index) for left_out in range(-1, k) for index in range(num_images)]
    frame = pd.DataFrame(keys, columns=["left_out", "index"]).assign(num_segments=9, constant=False)
    frame = frame.assign(**{name: each.ravel() for name, each in values.items()})
    found = estimate(frame.sample(frac=1, random_state=0), bootstrap_weights(num_images, 100, seed=0))

    def jackknife(left: NDArray[np.float64]) -> float:
        return float((k - 1) / k * np.sum((left - left.mean()) ** 2))

    means = {name: each.mean(1) for name, each in values.items()}
    assert found.spread(found.of_value).trainings == pytest.approx(jackknife(means["value"][1:]))
    # the excess is linear in small changes
    near = {name: each[0] + 1e-6 * (each - each[0]) for name, each in means.items()}
    excess = (near["value"] - near["permuted"]) / (1 - near["permuted"])
    assert found.excess == pytest.approx(excess[0])
    assert found.spread(found.of_excess).trainings == pytest.approx(jackknife(excess[1:]) * 1e12, rel=1e-3)
    narrow = interval(found.draws.excess, Spread(num_images))
    low, high = found.excess_limits()
    assert low < narrow[0] < narrow[1] < high


LEVELS = {"value": 0.6, "permuted": 0.2, "mismatched": 0.0}


def table(levels: Mapping[str, float]) -> pd.DataFrame:
    """Values of single models at a level for each kind of map, and of means of two at level + 0.1; floors are 0."""
    rows = []
    for superpixels, level in levels.items():
        for averaged in (1, 2):
            for left_out in (NO_MODEL, 0, 1, 2, 3, 4):
                for index in range(4):
                    jitter = 0.01 * (index - 1.5) + 0.002 * (left_out % 2)
                    value = level + 0.1 * (averaged - 1) + jitter
                    rows.append((superpixels, "after", averaged, left_out, index, value, 0.0, 0.0, 9, False))
    columns = ["superpixels", "magnitude", "averaged", "left_out", "index", "value", "permuted", "mismatched"]
    return pd.DataFrame(rows, columns=[*columns, "num_segments", "constant"])


CONTROLS = ("control:grid(Slic)", "control:blur(Slic)")


def test_worth_is_the_number_that_spearman_and_brown_need_and_the_control_stands_beside() -> None:
    weights = bootstrap_weights(4, 50, seed=0)
    found = estimates_of(table({"pixel": 0.2, "Slic": 0.25, CONTROLS[0]: 0.24, CONTROLS[1]: 0.5}), weights)
    (worth,) = worths_of(found, "Gradient", "saliency_ssim")
    single, pooled = found["pixel", "after", 1].excess, found["Slic", "after", 1].excess
    assert spearman_brown(single, worth.models) == pytest.approx(pooled)
    assert spearman_brown(single, worth.control) == pytest.approx(found[CONTROLS[1], "after", 1].excess)
    assert worth.low < worth.models < worth.high
    assert worth.best_control == CONTROLS[1]
    assert not worth.more_than_smoothing
    assert worth.measured == "between 1 and 2 models"
    gain = next(row for row in result_rows(found, "") if row["superpixels"] == "Slic")
    assert gain["gain"] == pytest.approx(pooled - found[CONTROLS[1], "after", 1].excess)
    better = estimates_of(table({"pixel": 0.2, "Slic": 0.6, CONTROLS[0]: 0.24, CONTROLS[1]: 0.5}), weights)
    (worth,) = worths_of(better, "Gradient", "saliency_ssim")
    assert worth.more_than_smoothing
    assert worth.measured == "more than 2 models"


def test_blank_maps_have_no_numbers_and_are_said() -> None:
    blank = table({"pixel": 1.0, "Slic": 0.5, CONTROLS[0]: 0.1}).assign(constant=True)
    of_pixel = blank["superpixels"] == "pixel"
    blank.loc[of_pixel, ["value", "permuted"]] = 1.0
    found = estimates_of(blank, bootstrap_weights(4, 50, seed=0))
    named = {"method": "Blank", "metric": "saliency_ssim"}
    results = as_results([{**named, "dataset": "birds", "models": "5 x Net", **row} for row in result_rows(found, "")])
    curves = pd.DataFrame([{**named, **row} for row in curve_rows(found)])
    worths = list(worths_of(found, "Blank", "saliency_ssim"))
    answer = ensemble_answer(Summary(results, curves, worths))
    assert answer.sentences[0] == "Averaging: no numbers for Blank (no excess: the floor is 1)."
    assert "pooling over Slic has no worth in models" in answer.sentences[1]
    assert "100.0% of the images have a blank (constant) map in every pair" in answer.warnings[1]


def test_a_worth_that_may_be_anything_is_refused() -> None:
    def level(values: list[float]) -> Estimate:
        zeros = np.zeros(len(values))
        none = np.zeros((0, 4))
        return Estimate(Draws(np.array(values), zeros, zeros), none, none, 4, 0, 0, 9.0)

    pooled = level([0.3, 0.3, 0.3])
    assert worth_of(pooled, level([0.2, 0.1, 0.2]))[0] == pytest.approx((0.3 / 0.7) / (0.2 / 0.8))
    # a resample without agreement by pixel
    assert np.isnan(worth_of(pooled, level([0.2, -0.01, 0.2]))).all()
    assert np.isnan(worth_of(level([-0.1, 0.1, 0.1]), level([0.2, 0.1, 0.2]))).all()
