"""Localization beside its nulls: against loops, and where the answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.localization import localization_values
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.metrics import mask_auc, mask_auprc, mass_accuracy, pointing_game
from lightning_spx.superpixels import Grid, segment_pool

NUM_IMAGES = 12


def values_of(attributions: torch.Tensor, mask: torch.Tensor) -> pd.DataFrame:
    images = torch.rand(NUM_IMAGES, 3, 16, 16)
    index = torch.arange(NUM_IMAGES)
    permutation = derangement(NUM_IMAGES, seed=0)
    poolings = make_poolings({"Grid": Grid(16)(images)}, index, permutation, seed=0)
    preds = torch.zeros(2, NUM_IMAGES, dtype=torch.long)
    known = ImageFacts(index, preds[0], preds, None, permutation)
    settings = ComparisonSettings(magnitudes=["after"], has_one_order=False, seed=0)
    return localization_values(attributions, poolings, known, mask, settings, row_setting="s")


def masks() -> torch.Tensor:
    """A square of 8 x 8 pixels, in another corner for every other image."""
    mask = torch.zeros(NUM_IMAGES, 16, 16, dtype=torch.bool)
    mask[::2, :8, :8] = True
    mask[1::2, 8:, 8:] = True
    return mask


def test_values_are_those_of_the_metrics_on_each_map() -> None:
    torch.manual_seed(0)
    attributions, mask = torch.randn(2, NUM_IMAGES, 3, 16, 16), masks()
    values = values_of(attributions, mask)
    segments = Grid(16)(torch.rand(1, 3, 16, 16))
    for model in range(2):
        for n, other in enumerate(derangement(NUM_IMAGES, seed=0).tolist()):
            for superpixels in ("pixel", "Grid"):
                row = values.query(f"pair == 'model {model}' and superpixels == '{superpixels}' and index == {n}")
                for variant, image in (("value", n), ("mismatched", other)):
                    pooled = attributions[model, image][None]
                    if superpixels == "Grid":
                        pooled = segment_pool(pooled, segments)
                    saliency = saliency_map(pooled)
                    for function in (mass_accuracy, pointing_game, mask_auc, mask_auprc):
                        found = row.loc[row["metric"] == function.__name__, variant].item()
                        assert found == pytest.approx(float(function(saliency, mask[n][None])), abs=1e-6)


def test_noise_is_at_chance_and_a_map_of_the_mask_is_perfect() -> None:
    torch.manual_seed(0)
    mask = masks()
    noise = torch.randn(1, NUM_IMAGES, 3, 16, 16)
    perfect = mask[None, :, None].float().expand(1, -1, 3, -1, -1) * (1 + torch.rand(1, NUM_IMAGES, 1, 16, 16))
    for attributions, excess in ((noise, 0.0), (perfect, 1.0)):
        values = values_of(attributions.contiguous(), mask).assign(method="m", repeat=0)
        results = summarize(values, dataset="d", models="m", num_resamples=50)
        pixel = results[(results["superpixels"] == "pixel") & (results["metric"] != "pointing_game")]
        assert np.allclose(pixel["excess"], excess, atol=0.06)
        assert (results["setting"] == "s").all()


def test_an_image_with_an_empty_mask_is_dropped_and_counted() -> None:
    mask = masks()
    mask[3] = False
    values = values_of(torch.randn(2, NUM_IMAGES, 3, 16, 16), mask).assign(method="m", repeat=0)
    results = summarize(values, dataset="d", models="m", num_resamples=0)
    assert (results["num_images"] == NUM_IMAGES - 1).all()
    assert (results["num_dropped"] == 1).all()


def test_chance_of_an_average_precision_is_the_share_of_the_object() -> None:
    mask = masks()
    mask[3], mask[4] = False, True
    torch.manual_seed(0)
    values = values_of(torch.randn(2, NUM_IMAGES, 3, 16, 16), mask)
    rows = values[values["metric"] == "mask_auprc"].sort_values("index")
    expected = np.full(NUM_IMAGES, 64 / 256)
    expected[[3, 4]] = np.nan
    for _, group in rows.groupby(["pair", "superpixels"]):
        assert np.array_equal(group["permuted"], expected, equal_nan=True)
        assert group["value"].isna().tolist() == np.isnan(expected).tolist()
