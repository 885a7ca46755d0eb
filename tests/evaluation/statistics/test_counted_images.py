"""Which images a summary counts, which it leaves out, and what is said where too few are left for a verdict."""

import numpy as np
import pytest
import torch

from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.verdict import sentence, verdicts
from lightning_spx.reporting import Page, render_page, stability_table, why_no_verdict
from lightning_spx.reporting.answer import Answer
from lightning_spx.superpixels import Grid
from tests.evaluation.statistics.result_cases import (
    per_image,
    resampled_means,
    row_of,
    summary,
)


def test_images_without_a_value_are_dropped_and_counted() -> None:
    frame = per_image()
    frame.loc[frame["index"].isin([0, 40]), ["value", "permuted", "mismatched"]] = np.nan
    row = row_of(summary(frame), "Grid", "after", "saliency_ssim")
    assert (row["num_images"], row["num_dropped"]) == (7, 2)
    assert row["value"] == pytest.approx(resampled_means(frame, "Grid", "after", "value")[0], abs=1e-12)


def test_mege_counts_images_that_agree_and_reco_those_that_agree_or_differ() -> None:
    results = summary(per_image())
    mege, reco = (row_of(results, "Grid", "after", metric) for metric in ("mege", "reco"))
    assert (mege["num_images"], mege["num_dropped"]) == (6, 3)
    assert (reco["num_images"], reco["num_dropped"]) == (8, 1)


def test_what_is_left_out_and_what_is_constant_is_counted() -> None:
    frame = per_image(num_images=12)
    # image 20 has no value; images 0 to 40 are constant
    frame.loc[frame["index"] == 20, ["value", "permuted", "mismatched"]] = np.nan
    results = summary(frame.assign(constant=frame["index"] <= 40))
    ssim, mege, reco = (row_of(results, "Grid", "after", metric) for metric in ("saliency_ssim", "mege", "reco"))
    # by hand, of rows n = 0 to 11: both are right for n % 3 != 0, one for 0 and 6, none for 3 and 9; 9 has no value,
    # and 7, 8, 10 and 11 are constant
    assert ssim[["num_images", "num_dropped", "num_wrong", "num_constant"]].tolist() == [11, 1, 0, 4]
    assert mege[["num_images", "num_dropped", "num_wrong", "num_constant"]].tolist() == [8, 4, 3, 4]
    assert reco[["num_images", "num_dropped", "num_wrong", "num_constant"]].tolist() == [10, 2, 1, 4]


@pytest.mark.parametrize("blank", [[0, 1], [1]])
def test_a_study_of_blank_maps_has_numbers_and_no_verdict(blank: list[int]) -> None:
    attributions = torch.rand(2, 10, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    attributions[blank] = 0
    cells = Grid(n_segments=16)(torch.zeros(10, 3, 16, 16))
    permutation, preds = derangement(10, 0), torch.tensor([[0] * 10, [1] * 10])
    images = ImageFacts(torch.arange(10), torch.tensor([0, 1] * 5), preds, None, permutation)
    poolings = make_poolings({"Grid": cells}, images.index, permutation, 0)
    settings = ComparisonSettings(magnitudes=["after"], has_one_order=False, seed=0)
    compared = compare(attributions, poolings, images, settings, distances=["l2"])
    compared = compared.assign(method="Gradient", repeat=0)
    results = summary(compared)
    assert results[["value", "floor"]].dtypes.tolist() == [float, float]
    for metric, setting in (("saliency_ssim", ""), ("topk_overlap", "k=0.1"), ("mege", "distance=l2")):
        table = stability_table(results, metric, setting)
        expected = "no image counts: no two models are right on one" if metric == "mege" else "blank maps"
        assert [str(cell) for cell in list(table.columns)[-1].cells] == [expected] * 2
        assert "nan" not in str([[str(cell) for cell in column.cells] for column in table.columns])
    shown = render_page(Page(Answer("birds", []), results, {}, None, {}, "", ""))
    # SSIM, overlap and ReCo, by pixel and pooled
    assert shown.count(">blank maps<") == 6
    assert "0 of 10 images (left out: 10 that no two models are right on)." in shown
    assert sentence(verdicts(compared)) == "Super-pixels (SSIM): no verdict for Gradient (blank maps)."


@pytest.mark.parametrize("num_repeats", [1, 3])
def test_a_single_image_has_a_value_but_no_interval_and_no_verdict(num_repeats: int) -> None:
    frame = per_image(num_repeats=num_repeats)
    # one image on which both models are right, and some on which one is
    frame["agree"] = frame["index"] == 10
    results = summary(frame[frame["agree"]])
    for metric in ("mege", "saliency_ssim"):
        row = row_of(results, "Grid", "after", metric)
        assert (row["num_images"], why_no_verdict(row)) == (1, "one image counts")
        assert row[["ci_low", "ci_high", "gain", "gain_low", "gain_high"]].isna().all()
    assert row_of(summary(frame), "Grid", "after", "saliency_ssim")[["ci_low", "gain_low"]].notna().all()
    lines = list(
        zip(*(column.cells for column in stability_table(results, "mege", "distance=l2").columns), strict=True)
    )
    assert all(" [" not in str(line[3]) and str(line[-1]) == "one image counts" for line in lines), lines
