"""Findings that are predicted, models of one number, and what is refused of both before training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_spx.attribution import input_gradient, saliency_map
from lightning_spx.metrics import saliency_ssim
from tests.evaluation.callbacks.evaluator_cases import QUIET
from tests.evaluation.callbacks.finding_cases import FINDINGS, Several, checkpoint, loader, pictures, plain


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


def test_predictions_hold_the_findings_that_are_predicted_or_named() -> None:
    images, _ = pictures(6)
    module = Several()
    for targets, place in (("present", 0), (["crest"], 1)):
        one = plain(targets=targets, findings=FINDINGS, out=f"out{place}")
        (batch,) = Trainer(**{**QUIET, "callbacks": [one]}).predict(module, DataLoader(TensorDataset(images), 6)) or []
        assert isinstance(batch, dict)
        kept = batch["saliency"]
        wanted = (module(images) > 0).nonzero() if targets == "present" else torch.tensor([[n, 1] for n in range(6)])
        assert torch.stack([kept["image"], kept["finding"]], 1).tolist() == wanted.tolist()
        expected = saliency_map(input_gradient(module, images[wanted[:, 0]], wanted[:, 1]))
        torch.testing.assert_close(kept["Gradient"], expected, atol=1e-5, rtol=0)
        file = np.load(f"out{place}/predictions/batch_0_000000_0.npz")
        assert file["findings"].tolist() == FINDINGS
        assert np.array_equal(file["S-Gradient/Grid"], kept["S-Gradient/Grid"])


def test_one_number_per_image_is_explained_and_has_no_classes(tmp_path: Path) -> None:
    module, other = Several(1), Several(1)
    images, _ = pictures()
    one = plain(head="scalar", references=[checkpoint(tmp_path / "other.ckpt", other)])
    ages = torch.rand(len(images)) * 90
    trainer = Trainer(**{**QUIET, "callbacks": [one]})
    logged = trainer.test(module, loader(ages, images), verbose=False)[0]
    flat = [nn.Sequential(each.net, nn.Flatten(0)) for each in (module, other)]
    first, second = (saliency_map(input_gradient(each, images[:10], None)) for each in flat)
    expected = saliency_ssim(first, second).mean().item()
    assert logged["test/saliency_ssim/Gradient/value"] == pytest.approx(expected, abs=1e-5)
    assert not any("mege" in name for name in logged)
    values = pd.read_csv("results/test_per_image.csv")
    assert list(values.columns[:2]) == ["position", "output"]
    assert np.allclose(values["output"], module(images[:10])[:, 0].detach(), atol=1e-5)


REFUSED: list[tuple[Several, Tensor, dict[str, Any], str]] = [
    (Several(), torch.full((18, 3), 2.0), {}, r"labels of findings to be 0, 1 or NaN, got 2"),
    (Several(), torch.full((18, 3), -1.0), {}, "got -1"),
    (Several(), pictures()[1][:, :2], {}, r"labels \(N, 3\) beside the 3 logits of Several .*, got \(N, 2\)"),
    (Several(), pictures()[1], {"head": "single_label"}, "Labels of several findings need `head` multi_label"),
    (Several(), torch.zeros(18).long(), {"head": "scalar"}, r"one number per image, .* scalar, got \(3, 3\)"),
    (Several(), pictures()[1], {"findings": ["a", "b"]}, r"to name the 3 columns of the labels .*, got 2 names: a, b"),
    (Several(), pictures()[1], {"targets": ["wing"]}, "`targets` to be present, predicted or .* got"),
    (Several(), pictures()[1], {"targets": [3]}, "`targets` to number findings from 0 to 2, got 3"),
    (Several(), pictures()[1], {"output": "logit"}, "Expected `output` to name what the model returns, got 'logit'"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[3][:30])
def test_what_does_not_fit_is_refused_before_any_step_of_training(
    case: tuple[Several, Tensor, dict[str, Any], str],
) -> None:
    module, label, settings, message = case
    with pytest.raises((ValueError, TypeError), match=message) as error:
        Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [plain(**settings)]}).fit(
            module, loader(label), loader(label)
        )
    assert (module.steps, "\n" in str(error.value)) == (0, False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"findings": ["a/b", "a-b"]}, "different keys, got 'a/b' and 'a-b', both 'a-b'"),
        ({"findings": ["floor"]}, "to be names other than floor, .* got 'floor'"),
        ({"findings": ["a"], "targets": ["b"]}, "a list of findings among a, got"),
        ({"head": "single_label", "findings": ["a"]}, r"`head` multi_label with `findings` \['a'\], got single_label"),
        ({"head": "scalar", "targets": [0]}, r"`head` multi_label with `targets` \[0\], got scalar"),
        ({"target": "prediction"}, "`target` prediction with `head` single_label, got multi_label: set `targets`"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plain(**settings)
