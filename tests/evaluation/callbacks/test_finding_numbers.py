"""Models of several findings, and of one number: what is explained, logged and written for each."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import LightningDataModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader

from lightning_spx.attribution import SmoothGrad, input_gradient, saliency_map
from lightning_spx.evaluation.callbacks.agreement import common_items
from lightning_spx.evaluation.callbacks.chosen_images import ImageChooser
from lightning_spx.evaluation.callbacks.finding_names import FindingTargets, finding_keys, name_findings, name_targets
from lightning_spx.evaluation.callbacks.map_pictures import captions
from lightning_spx.evaluation.callbacks.named_batch import NamedBatch
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.metrics import saliency_ssim
from tests.evaluation.callbacks.evaluator_cases import QUIET
from tests.evaluation.callbacks.finding_cases import FINDINGS, Several, checkpoint, loader, pictures, plain, validate

SSIM = "val/saliency_ssim/Gradient"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


@pytest.mark.parametrize("targets", ["present", "predicted", ["crest", "beak/bill"], [2, 0]], ids=str)
def test_numbers_are_means_over_findings_of_images(targets: FindingTargets, tmp_path: Path) -> None:
    module, other = Several(), Several()
    for each in (module, other):
        with torch.no_grad():
            # so that some logits of both are no probabilities
            next(iter(each.net[4].parameters())).mul_(20)
    one = plain(targets=targets, findings=FINDINGS, references=[checkpoint(tmp_path / "other.ckpt", other)])
    logged = validate(one, module, loader())
    explained = one._pipeline.explained
    assert explained is not None
    images, label = explained.images.clone(), explained.label
    values: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for image, row in zip(images, label, strict=True):
        for number in range(3):
            predicted = [bool(each(image[None])[0, number] > 0) for each in (module, other)]
            wanted = {"present": bool(row[number] == 1), "predicted": all(predicted)}
            if not (wanted[targets] if isinstance(targets, str) else {number, FINDINGS[number]} & set(targets)):
                continue
            target = torch.tensor([number])
            first, second = (saliency_map(input_gradient(each, image[None], target)) for each in (module, other))
            values[number].append(saliency_ssim(first, second).item())
    every = [value for own in values.values() for value in own]
    assert logged[f"{SSIM}/value"] == pytest.approx(np.mean(every), abs=1e-5)
    for number, key in enumerate(["wing", "crest", "beak-bill"]):
        name = f"{SSIM}/{key}"
        assert (f"{name}/value" in logged) == bool(values[number])
        if values[number]:
            assert logged[f"{name}/value"] == pytest.approx(np.mean(values[number]), abs=1e-5)
            assert {f"{name}/floor", f"{name}/excess"} <= logged.keys()


def test_one_finding_gives_the_numbers_of_a_binary_classifier_bit_for_bit(tmp_path: Path) -> None:
    images, label = pictures(num_findings=1)
    other = checkpoint(tmp_path / "other.ckpt", Several(1))
    found = []
    forms: list[tuple[bool, Tensor, dict[str, Any]]] = [
        (True, label[:, 0].long(), {"head": "single_label"}),
        (False, label.long(), {"head": "single_label"}),
        (False, label, {"targets": ["defect"], "findings": ["defect"]}),
        (True, label[:, 0], {"targets": [0], "findings": ["defect"]}),
    ]
    for place, (flat, own, settings) in enumerate(forms):
        torch.manual_seed(1)
        module = Several(1, flat=flat)
        one = plain(
            references=[other, "previous"],
            final_methods=[SmoothGrad(num_samples=2)],
            **{**settings, "out": f"out{place}"},
        )
        trainer = Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [one], "num_sanity_val_steps": 0})
        trainer.fit(module, loader(own, images), loader(own, images))
        results = pd.read_csv(f"out{place}/val_results.csv", keep_default_na=False)
        found.append((one.history, results[~results["setting"].str.contains("finding=")].reset_index(drop=True)))
    (history, results), *rest = found
    assert any(name.startswith("mege/Gradient") for name in history[-1])
    for own_history, own_results in rest:
        common = [{key: row[key] for key in expected} for row, expected in zip(own_history, history, strict=True)]
        assert common == history
        pd.testing.assert_frame_equal(own_results, results)
    # a finding alone has the numbers over all
    last = found[2][0][-1]
    assert last["saliency_ssim/Gradient/defect"] == last["saliency_ssim/Gradient"]


def test_a_fit_logs_and_writes_a_row_for_each_finding_of_the_data_module(tmp_path: Path) -> None:
    class Data(LightningDataModule):
        findings = FINDINGS

        def train_dataloader(self) -> DataLoader[Any]:
            return loader()

        def val_dataloader(self) -> DataLoader[Any]:
            return loader()

        def test_dataloader(self) -> DataLoader[Any]:
            return loader()

    one = plain(out=None, references=[checkpoint(tmp_path / "other.ckpt", Several())])
    logger = CSVLogger(tmp_path)
    trainer = Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [one], "logger": logger})
    module = Several()
    trainer.fit(module, datamodule=Data())
    trainer.test(module, datamodule=Data(), verbose=False)
    folder = Path(logger.log_dir or "", "saliency")
    for stage in ("val", "test"):
        results = pd.read_csv(folder / f"{stage}_results.csv", keep_default_na=False)
        results = results[results["condition"] == "all"]
        rows = results[(results["metric"] == "saliency_ssim") & (results["superpixels"] == "pixel")]
        assert list(rows["setting"]) == ["", "finding=wing", "finding=crest", "finding=beak/bill"]
    values = pd.read_csv(folder / "val_per_image.csv")
    explained = one._pipeline.explained
    assert explained is not None
    assert len(values) == int((explained.label == 1).sum())
    assert set(values["label"]) == {1}
    assert set(values["finding"]) == set(FINDINGS)
    ssim = values["saliency_ssim/Gradient/other"].mean()
    row = results[(results["metric"] == "saliency_ssim") & (results["superpixels"] == "pixel")].iloc[0]
    assert ssim == pytest.approx(float(row["value"]), abs=0.2)  # of the fit, not of the test
    logged = pd.read_csv(Path(logger.log_dir or "", "metrics.csv"))
    assert {f"{SSIM}/beak-bill/value", f"{SSIM}/wing/ci_low", f"{SSIM}/ci_low"} <= set(logged.columns)
    assert len(list((folder / "panels").iterdir())) == 2


def test_labels_that_are_not_said_count_for_no_set() -> None:
    images, label = pictures()
    label[:, 1] = torch.nan
    one = plain(targets=[0, 1])
    validate(one, Several(), loader(label, images))
    explained = one._pipeline.explained
    assert explained is not None
    assert explained.findings == ("finding 0", "finding 1", "finding 2")
    items = explained.items(torch.zeros(10, 3, dtype=torch.long))
    assert set(items.labels(explained.label)[items.finding == 1].tolist()) == {-1}


def test_images_are_spread_over_the_sets_of_findings() -> None:
    label = torch.tensor([[1.0, 0.0]] * 5 + [[0.0, 1.0], [1.0, 1.0], [0.0, torch.nan]])
    chooser = ImageChooser(4)
    chooser.add(NamedBatch(torch.rand(8, 1, 4, 4), label, None))
    chosen = chooser.chosen()
    assert chosen is not None
    torch.testing.assert_close(chosen.label, label[[0, 5, 6, 7]], equal_nan=True)


def test_too_few_images_with_a_finding_are_a_warning() -> None:
    images, label = pictures()
    label[:] = 0
    label[3, 1] = 1
    with pytest.warns(UserWarning, match="needs at least 2 images with a finding to explain, and of 10 1 have one"):
        validate(plain(), Several(), loader(label, images))


def test_what_no_model_predicts_has_no_number() -> None:
    module = Several()
    with torch.no_grad():
        list(module.parameters())[-1].fill_(-999)
    one = plain(targets="predicted")
    trainer = Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [one]})
    trainer.fit(module, loader(), loader())
    assert [set(row) for row in one.history] == [{"epoch", "step"}] * 2


def test_names_and_keys() -> None:
    assert name_findings(None, 2) == ("finding 0", "finding 1")
    assert finding_keys(["a b", " c/d "]) == {"a b": "a b", " c/d ": "c-d"}
    assert name_targets("present", ["a"]) == "present"
    assert captions(["a very long name of a finding that needs lines", ""]).shape == (2, 3, 128, 128)


def test_common_items_are_those_of_both() -> None:
    draw = np.random.default_rng(0)
    first, second = (np.unique(draw.integers(0, 12, 8)) for _ in range(2))
    of = [Items(torch.from_numpy(each // 3), torch.from_numpy(each % 3), ("a", "b", "c")) for each in (first, second)]
    items, rows, rows_of_second = common_items(*of)
    both = sorted(set(first.tolist()) & set(second.tolist()))
    assert (items.image * 3 + items.finding).tolist() == both
    assert first[rows.numpy()].tolist() == second[rows_of_second.numpy()].tolist() == both
