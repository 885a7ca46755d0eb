"""Per-image values of pairs against direct calls, one image at a time."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics import comparison
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.floors import permute_pixels
from lightning_spx.evaluation.statistics.image_facts import ImageFacts, check_pairs
from lightning_spx.superpixels import Voronoi, segment_pool

NUM_MODELS, NUM_IMAGES, SIZE = 3, 5, 14


def attributions() -> Tensor:
    return torch.randn(NUM_MODELS, NUM_IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def segments() -> Tensor:
    return Voronoi(20)(torch.rand(NUM_IMAGES, 3, SIZE, SIZE))


def poolings() -> list[Pooling]:
    return make_poolings({"Voronoi": segments()}, torch.arange(NUM_IMAGES), derangement(NUM_IMAGES, 0), seed=0)


def study_images(held_out: Tensor | None = None) -> ImageFacts:
    label = torch.tensor([0, 1, 0, 1, 0])
    preds = torch.tensor([[0, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    return ImageFacts(torch.arange(NUM_IMAGES), label, preds, held_out, derangement(NUM_IMAGES, 0))


def compared(held_out: Tensor | None = None, non_negative: bool = False) -> pd.DataFrame:
    return compare(
        attributions().abs() if non_negative else attributions(),
        poolings(),
        study_images(held_out),
        ComparisonSettings(magnitudes=["after", "before"], has_one_order=non_negative, seed=0),
        distances=["l2", "spearman"],
    )


def skimage_ssim(first: Tensor, second: Tensor) -> float:
    reference: Callable[..., float] = structural_similarity
    return float(
        reference(
            first.double().numpy(),
            second.double().numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
        )
    )


@pytest.mark.parametrize("order", ["after", "before"])
def test_values_and_nulls_equal_a_loop_over_images(order: str) -> None:
    frame = compared()
    maps = attributions()
    permutation = derangement(NUM_IMAGES, 0)

    def saliency(attribution: Tensor, image: int) -> Tensor:
        signed = attribution if order == "after" else attribution.abs()
        return saliency_map(segment_pool(signed[None], segments()[image : image + 1]))[0]

    for first, second in combinations(range(NUM_MODELS), 2):
        for image in range(NUM_IMAGES):
            row = frame.query(
                "pair == @pair and superpixels == 'Voronoi' and magnitude == @order and index == @image",
                local_dict={"pair": f"{first}-{second}", "order": order, "image": image},
            ).set_index("metric")
            own = saliency(maps[first, image], image), saliency(maps[second, image], image)
            permuted = [
                saliency(permute_pixels(maps[model, image : image + 1], [image], model, 0)[0], image)
                for model in (first, second)
            ]
            other = saliency(maps[second, int(permutation[image])], image)
            ssim = row.loc["saliency_ssim"]
            assert ssim["value"] == pytest.approx(skimage_ssim(*own), abs=1e-5)
            assert ssim["permuted"] == pytest.approx(skimage_ssim(*permuted), abs=1e-5)
            assert ssim["mismatched"] == pytest.approx(skimage_ssim(own[0], other), abs=1e-5)
            spearman = row[row["setting"] == "distance=spearman"].iloc[0]
            rho = spearmanr(own[0].flatten(), own[1].flatten()).statistic
            assert spearman["value"] == pytest.approx(np.sqrt(1 - abs(rho)), abs=1e-6)


def test_images_in_chunks_give_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compared()
    monkeypatch.setattr(comparison, "CHUNK_ELEMENTS", 1)
    pd.testing.assert_frame_equal(compared(), whole, rtol=1e-6)


def test_one_row_stands_for_both_orders_where_they_coincide() -> None:
    signed = compared().groupby("superpixels")["magnitude"].unique()
    assert list(signed["pixel"]) == ["either"]
    assert sorted(signed["Voronoi"]) == ["after", "before"]
    assert set(compared(non_negative=True)["magnitude"]) == {"either"}


def test_under_folds_only_images_that_one_of_the_pair_did_not_see_count() -> None:
    held_out = torch.tensor(
        [[True, False, False, False, False], [False, True, False, False, True], [False, False, True, True, False]]
    )
    frame = compared(held_out).query("superpixels == 'pixel' and metric == 'saliency_ssim'")
    counting = {pair: set(rows.loc[rows["value"].notna(), "index"]) for pair, rows in frame.groupby("pair")}
    assert counting == {"0-1": {0, 1, 4}, "0-2": {0, 2, 3}, "1-2": {1, 2, 3, 4}}
    agree = {pair: set(rows.loc[rows["agree"], "index"]) for pair, rows in frame.groupby("pair")}
    assert agree == {"0-1": {0, 1, 4}, "0-2": {0, 2}, "1-2": set()}


def test_a_pair_without_a_counting_image_is_refused() -> None:
    with pytest.raises(ValueError, match="images that count for every pair of models, got none for pair 0"):
        check_pairs(torch.zeros(NUM_MODELS, NUM_IMAGES, dtype=torch.bool))


def test_a_constant_map_is_counted() -> None:
    maps = attributions()
    maps[1, 3] = 0.0
    settings = ComparisonSettings(magnitudes=["after"], has_one_order=False, seed=0)
    frame = compare(maps, poolings(), study_images(), settings, distances=["l2"])
    pixel = frame.query("superpixels == 'pixel' and metric == 'saliency_ssim' and constant")
    assert set(zip(pixel["pair"], pixel["index"], strict=True)) == {("0-1", 3), ("1-2", 3)}
