"""The statistics against loops and cases solved by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_spx.evaluation.statistics import bootstrap
from lightning_spx.evaluation.statistics.bootstrap import (
    Array,
    Flags,
    bootstrap_weights,
    weight_slabs,
    weighted_mean,
)
from lightning_spx.evaluation.statistics.cells import Cell
from lightning_spx.evaluation.statistics.draws import draws_of
from lightning_spx.evaluation.statistics.reco import ResampledReco
from lightning_spx.evaluation.statistics.trainings import Spread, interval
from lightning_spx.metrics import mege_from_distances, reco_from_distances
from lightning_spx.runs.blocks import VARIANTS


def ones(images: int) -> Array:
    return np.ones((1, images))


def number(metric: str, values: Array, agree: Flags, differ: Flags, weights: Array) -> Array:
    """A study's number in resamples of its images."""
    flags = np.zeros_like(agree)
    cell = Cell(dict.fromkeys(VARIANTS, values), agree, differ, flags, flags, np.ones(values.shape[-1]))
    return draws_of(metric, cell, weights).value


def test_a_resample_draws_as_many_images_as_there_are() -> None:
    weights = bootstrap_weights(10, 500, seed=1)
    assert (weights.sum(1) == 10).all()
    assert (weights[1:] == 0).mean() == pytest.approx(0.9**10, abs=0.02)  # chance that ten draws miss an image


def test_the_interval_of_a_mean_has_the_width_of_the_normal_theory() -> None:
    values = np.random.default_rng(0).normal(size=(1, 1, 400))
    low, high = interval(weighted_mean(values, bootstrap_weights(400, 4000, seed=0)), Spread(400))
    standard_error = values.std() / 20
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.06)
    assert low < values.mean() < high


def test_weights_count_like_repeated_images() -> None:
    generator = np.random.default_rng(0)
    values = generator.uniform(size=(2, 3, 7))
    values[generator.uniform(size=values.shape) < 0.3] = np.nan
    agree = generator.uniform(size=values.shape) < 0.5
    differ = ~agree & (generator.uniform(size=values.shape) < 0.8)
    weights = generator.integers(0, 4, size=(5, 7)).astype(float)
    for resample, mean, mege, reco in zip(
        weights,
        number("saliency_ssim", values, agree, differ, weights),
        number("mege", values, agree, differ, weights),
        number("reco", values, agree, differ, weights),
        strict=True,
    ):
        repeated: dict[str, list[float]] = {"all": [], "agree": [], "differ": []}
        for repeat, pair, image in np.ndindex(values.shape):
            copies = [float(values[repeat, pair, image])] * int(resample[image])
            if np.isnan(values[repeat, pair, image]):
                continue
            repeated["all"] += copies
            if agree[repeat, pair, image]:
                repeated["agree"] += copies
            elif differ[repeat, pair, image]:
                repeated["differ"] += copies
        lead = 0.0
        for threshold in repeated["agree"] + repeated["differ"]:
            same = np.mean([value <= threshold for value in repeated["agree"]])
            lead = max(lead, float(same - np.mean([value <= threshold for value in repeated["differ"]])))
        assert mean == pytest.approx(np.mean(repeated["all"]), abs=1e-12)
        assert mege == pytest.approx(1 / (1 + np.mean(repeated["agree"])), abs=1e-12)
        assert reco == pytest.approx(lead, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 30), st.integers(2, 5))
def test_unit_weights_give_the_metric(seed: int, num_images: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    distances = generator.integers(0, levels, size=(1, 3, num_images)) / levels  # full of ties
    agree = generator.uniform(size=distances.shape) < 0.5
    differ = ~agree
    agree[0, 0, 0], differ[0, 0, 0] = True, False
    agree[0, 0, 1], differ[0, 0, 1] = False, True
    tensors = [torch.from_numpy(array[0]) for array in (distances, agree, differ)]
    weights = ones(num_images)
    mege, reco = (number(name, distances, agree, differ, weights)[0] for name in ("mege", "reco"))
    assert mege == pytest.approx(float(mege_from_distances(tensors[0], tensors[1])), abs=1e-6)
    assert reco == pytest.approx(float(reco_from_distances(*tensors)), abs=1e-6)


def test_separated_sets_have_reco_one_and_an_empty_set_none() -> None:
    distances = np.array([[[0.1, 0.2, 0.7, 0.8]]])
    agree = np.array([[[True, True, False, False]]])
    assert ResampledReco(distances, agree, ~agree).of(ones(4))[0] == 1
    assert ResampledReco(distances, ~agree, agree).of(ones(4))[0] == 0
    assert np.isnan(ResampledReco(distances, np.ones_like(agree), np.zeros_like(agree)).of(ones(4))[0])


def every_threshold(distances: Array, agree: Flags, differ: Flags, weights: Array) -> Array:
    """ReCo of resamples, with every threshold looked at."""
    kept = (agree | differ) & ~np.isnan(distances)
    item, ordered, in_agree = np.nonzero(kept)[2], distances[kept], agree[kept]
    leads = [np.zeros(len(weights))]
    for threshold in np.unique(ordered):
        below = ordered <= threshold
        same = weights[:, item[below & in_agree]].sum(1) / weights[:, item[in_agree]].sum(1)
        leads.append(same - weights[:, item[below & ~in_agree]].sum(1) / weights[:, item[~in_agree]].sum(1))
    found: Array = np.max(leads, axis=0)
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 60), st.sampled_from([1, 3, 40, 10**6]), st.sampled_from([-0.2, 0.0, 0.2]))
def test_no_threshold_that_could_be_the_best_is_left_out(seed: int, images: int, levels: int, lead: float) -> None:
    generator = np.random.default_rng(seed)
    agree = generator.uniform(size=(2, 3, images)) < 0.6
    differ = ~agree & (generator.uniform(size=agree.shape) < 0.9)
    distances = generator.integers(0, levels, size=agree.shape) / levels + lead * agree
    distances[generator.uniform(size=agree.shape) < 0.05] = np.nan
    weights = bootstrap_weights(images, 9, seed)
    found = ResampledReco(distances, agree, differ).of(weights)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(found, every_threshold(distances, agree, differ, weights), equal_nan=True)


def test_draws_that_are_kept_are_the_same_as_those_that_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [list(weight_slabs(30, 20, seed=3, num_items=items)) for items in (0, 2**18)]
    monkeypatch.setattr(bootstrap, "KEPT_ELEMENTS", 0)
    drawn = list(weight_slabs(30, 20, seed=3))
    assert [len(slabs) for slabs in kept] == [1, 5]
    assert np.array_equal(np.concatenate(kept[0]), np.concatenate(drawn))
    assert np.array_equal(np.concatenate(kept[1]), np.concatenate(drawn))
