"""Filters in the place of segmenters in the callback: the same maps, numbers, pictures and files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from lightning_spx.attribution import input_gradient, saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.evaluation.callbacks.agreement import agreement_scalars, compare_with, pooled_maps
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.callbacks.map_pictures import picture_cells
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.metrics import saliency_ssim
from lightning_spx.superpixels import Grid, GuidedFilter, ImagePooling, JointBilateral
from tests.evaluation.callbacks import finding_cases
from tests.evaluation.callbacks.agreement_cases import LABEL, METHODS, NUM_IMAGES, SEED, SIZE, model
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, fit, loader, pictures
from tests.filters import Fading, NoPooling

FILTERS: Mapping[str, ImagePooling] = {"JointBilateral": JointBilateral(), "Grid": Grid(9), "Fading": Fading()}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def explained(channels: int, batch_size: int = 4) -> ExplainedImages:
    images = torch.rand(NUM_IMAGES, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(9))
    return ExplainedImages.segment(ChosenImages(images, LABEL, None), images, FILTERS, batch_size, SEED)


@pytest.mark.parametrize("channels", [1, 3, 10])
@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize("magnitude", ["after", "before"])
def test_maps_are_those_of_the_filter(channels: int, batch_size: int, magnitude: Magnitude) -> None:
    images = explained(channels, batch_size)
    assert list(images.segments) == ["Grid"]
    attribution = model(0, channels=channels).attributions["Gradient"]
    maps = pooled_maps(attribution, images, magnitude)
    assert list(maps) == ["pixel", *FILTERS]
    values = attribution.abs() if magnitude == "before" else attribution
    for name, pooling in FILTERS.items():
        expected = saliency_map(pooling.pool(values, images.images))
        torch.testing.assert_close(maps[name], expected, rtol=0, atol=1e-5)
    # an image may be there several times, once for each of its findings
    items = Items(torch.tensor([5, 0, 5]), torch.tensor([0, 1, 1]), ("wing", "crest"))
    some = pooled_maps(attribution[items.image], images, magnitude, items)
    for name in FILTERS:
        torch.testing.assert_close(some[name], maps[name][items.image], rtol=0, atol=1e-5)


def test_numbers_are_those_of_filtered_maps_and_controls_need_no_segments() -> None:
    images, own, other = explained(3), model(0), model(1)
    rows = compare_with(own, {"other": other}, METHODS, images, magnitude="after", distance="l2", controls=True)
    controls = {"control:borrowed(JointBilateral)", "control:blur(JointBilateral)"}
    assert {name for name in rows["superpixels"] if "JointBilateral" in name} == {"JointBilateral", *controls}
    first, second = (
        saliency_map(JointBilateral().pool(each.attributions["Gradient"], images.images)) for each in (own, other)
    )
    value = agreement_scalars(rows)["saliency_ssim/S-Gradient/JointBilateral/value"]
    assert value == pytest.approx(saliency_ssim(first, second).mean().item(), abs=1e-5)


def test_pictures_show_borders_of_segments_only() -> None:
    cells = picture_cells(model(0), explained(3), "after")
    assert list(cells)[:5] == ["image", "Grid", "Gradient", "S-Gradient/JointBilateral", "S-Gradient/Grid"]


def test_a_training_logs_draws_and_keeps_filters(tmp_path: Path) -> None:
    one = evaluator(superpixels=[JointBilateral(), JointBilateral(sigma_color=0.3)], out="results", num_resamples=20)
    fit([one])
    names = ["JointBilateral(sigma_color=0.1)", "JointBilateral(sigma_color=0.3)"]
    for name in names:
        assert f"saliency_ssim/S-Gradient/{name}" in one.history[-1]
    assert list((tmp_path / "results/panels").glob("*.png"))
    (file,) = (tmp_path / "results").glob("*_results.csv")
    results = file.read_text()
    assert all(f"control:borrowed({name})" in results for name in names)
    assert "grid" not in results


def predictions(one: SaliencyEvaluator, module: LightningModule, data: DataLoader[Any]) -> list[dict[str, Any]]:
    batches = Trainer(**{**QUIET, "callbacks": [one]}).predict(module, data)
    return [batch for batch in batches or [] if isinstance(batch, dict)]


class Predicting(Stranger):
    def predict_step(self, batch: list[Tensor], batch_idx: int) -> dict[str, Tensor]:
        return {"logits": self(batch[0])}


def test_predicted_maps_are_filtered_and_files_hold_segments_of_segmenters_alone() -> None:
    module = Predicting(dropout=0.0)
    one = evaluator(superpixels=[JointBilateral(), Grid(9)], mean=None, std=None, out="results", batch_size=2)
    found = predictions(one, module, loader(8, batch_size=4, normalize=False))
    images, _ = pictures(8)
    gradient = input_gradient(module.eval(), images, module(images).argmax(1))
    expected = saliency_map(JointBilateral().pool(gradient, images))
    maps = torch.cat([batch["saliency"]["S-Gradient/JointBilateral"] for batch in found])
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-4)
    kept = np.load(sorted(Path("results/predictions").glob("*.npz"))[0])
    assert [name for name in kept.files if name.startswith("segments/")] == ["segments/Grid"]
    np.testing.assert_allclose(kept["S-Gradient/JointBilateral"], expected[:4], atol=1e-4)


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_predicted_findings_are_filtered_on_their_own_images_even_if_there_are_none(shift: float) -> None:
    module = finding_cases.Several()
    with torch.no_grad():
        last = module.net[4]
        assert isinstance(last, torch.nn.Linear)
        last.bias.sub_(shift)
    one = finding_cases.plain(superpixels=[GuidedFilter(radius=2), Grid(9)])
    images, _ = finding_cases.pictures()
    start = 0
    for batch in predictions(one, module, finding_cases.loader()):
        found, here = batch["saliency"], images[start : start + 6]
        start += 6
        assert len(found["S-Gradient/GuidedFilter"]) == len(found["image"])
        if shift:
            assert not len(found["image"])
        for number, (image, finding) in enumerate(zip(found["image"].tolist(), found["finding"].tolist(), strict=True)):
            given = here[image : image + 1]
            gradient = input_gradient(module.eval(), given, torch.tensor([finding]))
            expected = saliency_map(GuidedFilter(radius=2).pool(gradient, given))
            torch.testing.assert_close(found["S-Gradient/GuidedFilter"][number], expected[0], rtol=0, atol=1e-4)


def test_what_does_not_pool_is_refused_when_the_callback_is_made() -> None:
    wrong: Any = [NoPooling()]
    with pytest.raises(TypeError, match=r"to be segmenters or filters, got NoPooling: derive a class"):
        SaliencyEvaluator(superpixels=wrong)
