"""The summary of a study's per-image values against loops over images and resamples."""

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_spx.evaluation.statistics.bootstrap import Array
from lightning_spx.evaluation.statistics.trainings import OTHER_MODELS, THESE_MODELS
from lightning_spx.metrics import mege_from_distances, reco_from_distances
from tests.evaluation.statistics.result_cases import CONTROLS, POOLINGS, per_image, resampled_means, row_of, summary
from tests.evaluation.statistics.slow_limits import expanded

KEYS = [
    *("dataset", "models", "plan", "pair", "method", "superpixels", "magnitude", "metric", "setting", "condition"),
]
COLUMNS = [
    *KEYS,
    *("value", "ci_low", "ci_high", "interval", "num_images", "num_dropped", "floor", "excess"),
    *("best_control", "gain", "gain_low", "gain_high", "mean_segments", "num_wrong", "num_constant"),
    *("excess_low", "excess_high", "ceiling", "normalised", "normalised_low", "normalised_high"),
    *("var_image", "var_repeat", "var_model", "var_pair", "var_rest", "halving_trainings"),
    *("forward_passes", "backward_passes"),
]


def slow_excess(frame: pd.DataFrame, superpixels: str, magnitude: str) -> Array:
    value, permuted, mismatched = (
        np.array(resampled_means(frame, superpixels, magnitude, column))
        for column in ("value", "permuted", "mismatched")
    )
    floor = np.maximum(permuted, mismatched)
    excess: Array = (value - floor) / (1 - floor)
    return excess


def test_columns_are_the_keys_then_the_values() -> None:
    assert list(summary(per_image()).columns) == COLUMNS


@pytest.mark.parametrize("num_repeats", [1, 3])
def test_value_interval_floor_and_excess_equal_a_slow_bootstrap(num_repeats: int) -> None:
    frame = per_image(num_repeats=num_repeats)
    row = row_of(summary(frame), "Grid", "before", "saliency_ssim")
    value, *draws = resampled_means(frame, "Grid", "before", "value")
    assert row["value"] == pytest.approx(value, abs=1e-12)
    limits = expanded(draws, 9)
    if num_repeats == 1:
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(limits), abs=1e-12)
    else:
        assert row["ci_low"] < limits[0]
        assert row["ci_high"] > limits[1]
    nulls = [resampled_means(frame, "Grid", "before", column)[0] for column in ("permuted", "mismatched")]
    assert row["floor"] == pytest.approx(max(nulls), abs=1e-12)
    assert row["excess"] == pytest.approx((value - max(nulls)) / (1 - max(nulls)), abs=1e-12)


@pytest.mark.parametrize(("higher", "lower"), [("permuted", "mismatched"), ("mismatched", "permuted")])
def test_the_floor_is_the_mean_of_the_larger_null(higher: str, lower: str) -> None:
    frame = per_image().assign(**{higher: 0.3, lower: 0.1})
    assert row_of(summary(frame), "Grid", "after", "saliency_ssim")["floor"] == pytest.approx(0.3)


@pytest.mark.parametrize("magnitude", ["after", "before"])
def test_gain_is_the_excess_above_the_best_control_of_the_same_order(magnitude: str) -> None:
    frame = per_image()
    row = row_of(summary(frame), "Grid", magnitude, "saliency_ssim")
    own = slow_excess(frame, "Grid", magnitude)
    controls = {name: slow_excess(frame, name, magnitude) for name in CONTROLS}
    best = max(controls, key=lambda name: controls[name][0])
    limits = [expanded((own - other)[1:], 9) for other in controls.values()]
    assert row["best_control"] == best
    assert row["gain"] == pytest.approx(own[0] - controls[best][0], abs=1e-12)
    assert row["gain_low"] == pytest.approx(min(low for low, _ in limits), abs=1e-12)
    assert row["gain_high"] == pytest.approx(min(high for _, high in limits), abs=1e-12)


def test_only_rows_of_segmenters_have_a_gain() -> None:
    results = summary(per_image())
    assert set(results.loc[results["gain"].notna(), "superpixels"]) == {"Grid"}
    assert set(results.loc[results["best_control"].notna(), "superpixels"]) == {"Grid"}


def test_a_segmenters_controls_are_not_those_of_another() -> None:
    frame = per_image()
    # of a namesake: its own name ends with the other's, and its controls are far better
    other = frame[frame["superpixels"] != "pixel"].copy()
    other["superpixels"] = other["superpixels"].str.replace("Grid", "My(Grid)")
    other["value"] = 0.99
    both = summary(pd.concat([frame, other], ignore_index=True))
    alone = summary(frame)
    for magnitude in ("after", "before"):
        together = row_of(both, "Grid", magnitude, "saliency_ssim")
        assert together["best_control"] == row_of(alone, "Grid", magnitude, "saliency_ssim")["best_control"]
        assert row_of(both, "My(Grid)", magnitude, "saliency_ssim")["best_control"].endswith("(My(Grid))")


def test_mege_and_reco_equal_the_metrics() -> None:
    frame = per_image(num_models=3)
    results = summary(frame)
    for superpixels, magnitude in POOLINGS:
        rows = frame.query("superpixels == @superpixels and magnitude == @magnitude and metric == 'distance'")
        distance, agree, differ = (
            torch.from_numpy(rows.pivot(index="pair", columns="index", values=column).to_numpy(copy=True))
            for column in ("value", "agree", "differ")
        )
        mege = row_of(results, superpixels, magnitude, "mege")
        reco = row_of(results, superpixels, magnitude, "reco")
        # the metrics return float32
        assert np.float32(mege["value"]) == mege_from_distances(distance, agree).numpy()
        assert np.float32(reco["value"]) == reco_from_distances(distance, agree, differ).numpy()
        assert mege["setting"] == reco["setting"] == "distance=l2"


def test_three_models_have_a_row_of_all_pairs_and_one_of_each() -> None:
    frame = per_image(num_models=3)
    results = summary(frame)
    assert list(results.query("metric == 'saliency_ssim'")["pair"].unique()) == ["all", "0-1", "0-2", "1-2"]
    assert list(results.query("metric in ['mege', 'reco']")["pair"].unique()) == ["all"]
    for pair in ("0-1", "0-2", "1-2"):
        alone = resampled_means(frame[frame["pair"] == pair], "Grid", "after", "value")
        row = row_of(results, "Grid", "after", "saliency_ssim", pair)
        assert row["value"] == pytest.approx(alone[0], abs=1e-12)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(expanded(alone[1:], 9)), abs=1e-12)


@pytest.mark.parametrize(
    ("num_repeats", "num_models", "interval"),
    [(1, 2, THESE_MODELS), (2, 2, OTHER_MODELS), (1, 3, OTHER_MODELS), (3, 4, OTHER_MODELS)],
)
def test_the_interval_says_what_it_covers(num_repeats: int, num_models: int, interval: str) -> None:
    frame = per_image(num_models, num_images=4, num_repeats=num_repeats)
    over_all = summary(frame).query("pair == 'all'")
    assert set(over_all["interval"]) == {interval}
    # the networks that a user names are no sample of others
    assert set(summary(frame.assign(plan="models"))["interval"]) == {THESE_MODELS}
    assert (THESE_MODELS, OTHER_MODELS) == ("these models", "models of this data and architecture")


def test_pairs_without_a_counting_image_are_no_trainings() -> None:
    frame = per_image(num_models=3)
    # both models are right only in one of the three pairs, so that this condition knows one pair
    frame["agree"] &= frame["pair"] == "0-2"
    results = summary(frame.assign(same=True)).query("pair == 'all' and metric == 'saliency_ssim'")
    assert set(results.query("condition == 'all'")["interval"]) == {OTHER_MODELS}
    both_right = results.query("condition == 'both_right'")
    assert set(both_right["interval"]) == {THESE_MODELS}
    assert (both_right["excess_high"] - both_right["excess_low"]).min() > 0.01
    alone = summary(frame[frame["pair"] == "0-2"].assign(same=True)).query("metric == 'saliency_ssim'")
    expected = alone.query("condition == 'both_right'")
    for name in ("value", "ci_low", "ci_high", "excess_low", "gain_low", "num_images"):
        assert both_right[name].to_numpy(float) == pytest.approx(expected[name].to_numpy(float), nan_ok=True)


def test_mean_segments_is_the_mean_over_the_images() -> None:
    results = summary(per_image())
    assert row_of(results, "pixel", "either", "saliency_ssim")["mean_segments"] == 1024
    assert row_of(results, "Grid", "after", "saliency_ssim")["mean_segments"] == 8


def test_the_order_of_the_rows_changes_no_number() -> None:
    frame = per_image(num_models=3, num_repeats=3)
    keys = KEYS
    expected = summary(frame).sort_values(keys, ignore_index=True)
    shuffled = summary(frame.sample(frac=1, random_state=1)).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(shuffled, expected, check_exact=False, rtol=1e-12)
