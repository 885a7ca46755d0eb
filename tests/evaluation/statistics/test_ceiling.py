"""The ceiling of random methods: how far a model's map agrees with its own under other seeds."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient, SmoothGrad, saliency_map
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.reseed import is_random
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.superpixels import Grid

NUM_MODELS, NUM_IMAGES, SIZE = 3, 24, 24


def noise(seed: int) -> Tensor:
    shape = (NUM_MODELS, NUM_IMAGES, 3, SIZE, SIZE)
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def compared(maps: Tensor, again: Tensor | None, is_random: bool | None) -> pd.DataFrame:
    permutation = derangement(NUM_IMAGES, 0)
    preds = torch.zeros(NUM_MODELS, NUM_IMAGES, dtype=torch.int64)
    images = ImageFacts(torch.arange(NUM_IMAGES), preds[0], preds, None, permutation)
    segments = Grid(n_segments=16)(torch.zeros(NUM_IMAGES, 3, SIZE, SIZE))
    poolings = make_poolings({"Grid": segments}, images.index, permutation, 0)
    settings = ComparisonSettings(["after"], has_one_order=False, seed=0, is_random=is_random)
    return compare(maps, poolings, images, settings, ["l2"], again).assign(method="M", repeat=0)


def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    results = summarize(frame, dataset="d", models="m", num_resamples=200)
    return results[(results["pair"] == "all") & (results["condition"] == "all")]


def test_the_ceiling_is_the_mean_agreement_of_both_models_with_themselves() -> None:
    maps, again = noise(0), noise(1)
    frame = compared(maps, again, is_random=True)
    saliency = [
        saliency_map(each.flatten(0, 1)).view(NUM_MODELS, NUM_IMAGES, SIZE, SIZE).numpy() for each in (maps, again)
    ]
    reference: Callable[..., float] = structural_similarity
    own = [
        reference(
            saliency[0][model][5],
            saliency[1][model][5],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
        )
        for model in range(NUM_MODELS)
    ]
    chosen = frame[(frame["superpixels"] == "pixel") & (frame["metric"] == "saliency_ssim") & (frame["index"] == 5)]
    found = chosen.set_index("pair")["ceiling"]
    for pair, expected in {"0-1": own[:2], "0-2": [own[0], own[2]], "1-2": own[1:]}.items():
        assert found[pair] == pytest.approx(np.mean(expected), abs=1e-5)


def test_pure_noise_has_a_ceiling_at_its_floor_and_no_normalised_number() -> None:
    frame = compared(noise(0), noise(1), is_random=True)
    ssim = frame[frame["metric"] == "saliency_ssim"]
    for _, rows in ssim.groupby("superpixels"):
        # images are independent, pairs of models are not
        apart = (rows["ceiling"] - rows["mismatched"]).groupby(rows["index"]).mean()
        assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(NUM_IMAGES)
    results = rows_of(frame)
    assert results.loc[results["metric"] == "saliency_ssim", "normalised"].isna().sum() >= 5


def test_models_that_differ_by_noise_alone_reach_their_ceiling() -> None:
    signal = ndimage.gaussian_filter(
        np.random.default_rng(9).normal(size=(1, NUM_IMAGES, 3, SIZE, SIZE)), (0, 0, 0, 2, 2)
    )
    shared = torch.from_numpy(signal / signal.std()).float()
    rows = rows_of(compared(shared + 0.5 * noise(0), shared + 0.5 * noise(1), is_random=True))
    for _, row in rows[rows["metric"].isin(["saliency_ssim", "topk_overlap", "mege"])].iterrows():
        assert row["ceiling"] == pytest.approx(row["value"], abs=0.02)
        assert row["normalised_low"] <= 1.0 <= row["normalised_high"] + 0.02
        assert row["excess"] < row["normalised"]


def test_what_is_not_random_has_the_ceiling_of_equal_maps_and_what_nobody_knows_has_none() -> None:
    rows = rows_of(compared(noise(0), None, is_random=False))
    with_ceiling = rows[rows["metric"] != "reco"]
    assert (with_ceiling["ceiling"] == 1).all()
    assert with_ceiling["normalised"].to_numpy(float) == pytest.approx(
        with_ceiling["excess"].to_numpy(float), abs=1e-12
    )
    assert rows_of(compared(noise(0), None, is_random=None))["ceiling"].isna().all()


class Own(Attribution):
    """A user's method that does not say whether it is random."""

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        return inputs


def test_methods_say_whether_they_are_random() -> None:
    assert [is_random(each) for each in (Gradient(), SmoothGrad(), Own())] == [False, True, None]
