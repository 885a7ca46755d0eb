"""The callback in every loop of Lightning: what it logs, when, and what it refuses."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar, TQDMProgressBar
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient, saliency_map
from lightning_spx.attribution.method import Model
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.metrics import mege, saliency_ssim, topk_overlap
from lightning_spx.superpixels import Grid, Segmenter, segment_pool
from tests.evaluation.callbacks.evaluator_cases import (
    MEAN,
    QUIET,
    STD,
    Stranger,
    evaluator,
    fit,
    loader,
    normalized,
    pictures,
    reference,
)


@dataclass(frozen=True)
class CountedGrid(Segmenter):
    """A grid that counts its calls."""

    calls: ClassVar[list[int]] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.calls.append(len(images))
        return Grid(9)(images)


@dataclass(frozen=True)
class CountedGradient(Attribution):
    """The gradient, noting the images that it explains."""

    calls: ClassVar[list[Tensor]] = []

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        self.calls.append(inputs.clone())
        return Gradient().attribute(model, inputs, target)


@dataclass(frozen=True)
class Expensive(CountedGradient):
    """One that is left to the end."""

    calls: ClassVar[list[Tensor]] = []


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for counted in (CountedGrid, CountedGradient, Expensive):
        counted.calls.clear()


def as_if_explained(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the module behind the loader's normalization, in image space, by autograd alone."""
    module.eval()
    inputs = images.clone().requires_grad_()
    module(normalized(inputs)).gather(1, labels[:, None]).sum().backward()
    assert inputs.grad is not None
    return inputs.grad


def other_module(path: str) -> Stranger:
    module = Stranger()
    module.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    return module


def first_images(count: int = 12) -> tuple[Tensor, Tensor]:
    images, labels = pictures()
    return images[:count], labels[:count]


def test_the_logged_numbers_are_those_of_a_computation_by_hand(tmp_path: Path) -> None:
    path = reference(tmp_path)
    module, trainer = Stranger(), Trainer(**{**QUIET, "callbacks": [evaluator(references=[path])]})
    logged = trainer.validate(module, loader(), verbose=False)[0]
    images, labels = first_images()
    maps = [as_if_explained(model, images, labels) for model in (module, other_module(path))]
    preds = torch.stack([model(normalized(images)).argmax(1) for model in (module, other_module(path).eval())])
    segments = Grid(9)(images)
    for name, pooled in (("Gradient", maps), ("S-Gradient/Grid", [segment_pool(each, segments) for each in maps])):
        first, second = (saliency_map(each) for each in pooled)
        assert logged[f"val/saliency_ssim/{name}/value"] == pytest.approx(
            saliency_ssim(first, second).mean().item(), abs=1e-5
        )
        overlap = topk_overlap(first, second, k=0.1).mean().item()
        assert logged[f"val/topk_overlap/{name}/value"] == pytest.approx(overlap, abs=1e-5)
        if (preds == labels).all(0).any():
            magnitudes = torch.stack([each.abs().sum(1) for each in pooled])
            expected = mege(magnitudes, preds, labels, distance="l2").item()
            assert logged[f"val/mege/{name}/value"] == pytest.approx(expected, abs=1e-5)


def test_the_floor_is_below_a_model_compared_with_itself_and_excess_is_one(tmp_path: Path) -> None:
    path = reference(tmp_path)
    logged = Trainer(**{**QUIET, "callbacks": [evaluator(references=[path])]}).validate(
        other_module(path), loader(), verbose=False
    )[0]
    for name in ("Gradient", "S-Gradient/Grid"):
        assert logged[f"val/saliency_ssim/{name}/value"] == pytest.approx(1.0, abs=1e-6)
        assert logged[f"val/saliency_ssim/{name}/excess"] == pytest.approx(1.0, abs=1e-5)
        assert logged[f"val/saliency_ssim/{name}/floor"] < 0.7


def test_drift_is_agreement_with_the_weights_of_the_epoch_before(tmp_path: Path) -> None:
    keep = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    one = evaluator(references=["previous"])
    fit([one, keep], settings={"enable_checkpointing": True})
    # the loader shuffles: which images were chosen is known from the callback
    chosen = one._pipeline.explained
    assert chosen is not None
    modules = [other_module(str(tmp_path / f"epoch={epoch}.ckpt")) for epoch in (0, 1)]
    first, second = (saliency_map(as_if_explained(each, chosen.images, chosen.label)) for each in modules)
    assert "saliency_ssim/Gradient" not in one.history[0]
    expected = saliency_ssim(first, second).mean().item()
    assert one.history[1]["saliency_ssim/Gradient"] == pytest.approx(expected, abs=1e-5)


def test_with_checkpoints_the_previous_state_has_names_of_its_own(tmp_path: Path) -> None:
    one = evaluator(references=[reference(tmp_path), "previous"])
    fit([one])
    assert "saliency_ssim/Gradient/previous" not in one.history[0]
    assert {"saliency_ssim/Gradient", "saliency_ssim/Gradient/previous"} <= one.history[1].keys()


def test_the_final_state_is_not_compared_with_itself() -> None:
    one = evaluator(references=["previous"])
    fit([one])
    results = pd.read_csv("saliency/val_results.csv")
    row = results[(results["metric"] == "saliency_ssim") & (results["superpixels"] == "pixel")].iloc[0]
    assert row["value"] == pytest.approx(one.history[1]["saliency_ssim/Gradient"], abs=1e-6)
    assert row["value"] < 1


def test_it_works_on_the_first_try_with_nothing_but_the_normalization() -> None:
    _, trainer = fit([SaliencyEvaluator(mean=MEAN, std=STD)])
    assert "val/saliency_ssim/S-Gradient/Slic/value" in trainer.callback_metrics


def test_what_does_not_change_is_computed_once_and_the_images_stay_the_same(tmp_path: Path) -> None:
    one = evaluator(
        methods=[CountedGradient()],
        superpixels=[CountedGrid()],
        references=[reference(tmp_path)],
        final_methods=[Expensive()],
    )
    # without the sanity check, in which everything is tried on two images
    fit([one], settings={"max_epochs": 4, "num_sanity_val_steps": 0})
    assert CountedGrid.calls == [2, 12]
    # four evaluations and the summary, and the reference once
    assert len(CountedGradient.calls) == 6
    assert all(torch.equal(call, CountedGradient.calls[0]) for call in CountedGradient.calls)
    # two images at the first batch, long before the end, and all at the end
    assert [len(call) for call in Expensive.calls] == [2, 2, 12, 12]
    assert "saliency_ssim/Expensive" not in one.history[-1]
    assert "Expensive" in set(pd.read_csv("saliency/val_results.csv")["method"])


def test_every_other_epoch() -> None:
    one = evaluator(every_n_epochs=2)
    fit([one], settings={"max_epochs": 5})
    assert [row["epoch"] for row in one.history] == [1, 3]


def test_the_sanity_check_logs_nothing_but_tries_two_images_and_refuses_an_unknown_batch_before_training() -> None:
    one = evaluator(methods=[CountedGradient()])
    _, trainer = fit([one], settings={"max_epochs": 0})
    assert [len(call) for call in CountedGradient.calls] == [2]
    assert one.history == []
    assert not any(name.startswith("val/") for name in trainer.callback_metrics)
    with pytest.raises(TypeError, match="Set `batch_to_images` of SaliencyEvaluator"):
        Trainer(**{**QUIET, "callbacks": [evaluator(batch_to_images=lambda batch: "nothing")]}).fit(
            Stranger(), loader(), loader()
        )


def test_a_fast_dev_run_runs_and_writes_nothing(tmp_path: Path) -> None:
    one = evaluator()
    fit([one], settings={"fast_dev_run": True})
    assert len(one.history) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inference_mode", [True, False])
def test_a_trained_module_is_tested_and_summarized(tmp_path: Path, inference_mode: bool) -> None:
    one = evaluator(references=[reference(tmp_path)])
    trainer = Trainer(**{**QUIET, "callbacks": [one], "inference_mode": inference_mode})
    logged = trainer.test(Stranger(), loader(), verbose=False)[0]
    assert {"test/saliency_ssim/Gradient/value", "test/saliency_ssim/S-Gradient/Grid/floor"} <= logged.keys()
    results = pd.read_csv("saliency/test_results.csv")
    assert results.loc[results["superpixels"] == "Grid", "best_control"].str.startswith("control:").all()
    assert (results["num_images"] <= 12).all()


def test_fit_then_test_keeps_the_images_of_each_apart() -> None:
    one = evaluator(references=["previous"])
    module, trainer = fit([one])
    trainer.test(module, loader(15), verbose=False)
    explained = one._pipeline.explained
    assert explained is not None
    assert torch.allclose(explained.images, pictures(15)[0][:12], atol=1e-5)


def test_a_number_can_be_monitored(tmp_path: Path) -> None:
    one = evaluator(references=[reference(tmp_path)])
    stop = EarlyStopping("val/saliency_ssim/Gradient/value", mode="max", patience=1, min_delta=2.0)
    keep = ModelCheckpoint(tmp_path / "best", monitor="val/saliency_ssim/Gradient/value", mode="max")
    _, trainer = fit([one, stop, keep], settings={"max_epochs": 9, "enable_checkpointing": True})
    assert trainer.current_epoch == 2
    best = max(float(row["saliency_ssim/Gradient"]) for row in one.history)
    assert float(keep.best_model_score or 0) == pytest.approx(best)


def test_a_resumed_training_continues_the_history_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    def train(epochs: int, ckpt_path: str | None = None) -> tuple[SaliencyEvaluator, Trainer]:
        one = evaluator(out=tmp_path / "out")
        trainer = Trainer(**{**QUIET, "max_epochs": epochs, "callbacks": [one]})
        torch.manual_seed(0)
        module = Stranger(dropout=0.0)
        # no shuffling: Lightning does not restore the order of a shuffled loader
        trainer.fit(module, loader(), loader(), ckpt_path=ckpt_path)
        return one, trainer

    whole, _ = train(4)
    first, trainer = train(2)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    second, _ = train(4, str(tmp_path / "two.ckpt"))
    assert [row["epoch"] for row in second.history] == [0, 1, 2, 3]
    assert second.history[:2] == first.history
    # drift right after the start, too: the weights that were evaluated last are those of the checkpoint
    assert second.history == whole.history
    assert len(pd.read_csv(tmp_path / "out" / "history.csv")) == 4


@pytest.mark.parametrize("bar", [RichProgressBar, TQDMProgressBar])
def test_progress_bars_and_the_summary_get_along(
    bar: type[RichProgressBar | TQDMProgressBar], capsys: pytest.CaptureFixture[str]
) -> None:
    fit([evaluator(), bar()], settings={"enable_progress_bar": True})
    assert "SSIM of saliency maps between models" in capsys.readouterr().out


def test_a_fit_without_validation_gets_one_warning_and_nothing_else(tmp_path: Path) -> None:
    one = evaluator()
    trainer = Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [one]})
    with pytest.warns(UserWarning, match="explains validation images, and this fit has none"):
        trainer.fit(Stranger(), loader())
    assert one.history == []
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverged_goes_on() -> None:
    class Diverged(Stranger):
        def on_train_epoch_end(self) -> None:
            with torch.no_grad():
                next(self.parameters()).fill_(torch.nan)

    one = evaluator()
    with pytest.warns(UserWarning, match="an output or gradient of the model is NaN or infinite: not evaluated"):
        _, trainer = fit([one], Diverged())
    assert trainer.current_epoch == 2


def test_without_a_logger_a_second_run_has_a_folder_of_its_own() -> None:
    fit([evaluator()])
    before = Path("saliency/history.csv").read_bytes()
    fit([evaluator()], settings={"max_epochs": 3})
    assert Path("saliency/history.csv").read_bytes() == before
    assert len(pd.read_csv("saliency-v1/history.csv")) == 3


def test_the_files_hold_what_was_logged() -> None:
    one = evaluator()
    fit([one])
    history = pd.read_csv("saliency/history.csv")
    for row, expected in zip(history.to_dict("records"), one.history, strict=True):
        assert {str(name): value for name, value in row.items() if not np.isnan(value)} == pytest.approx(expected)
    assert sorted(path.name for path in Path("saliency/panels").iterdir()) == [
        "val_epoch0000_Gradient.png",
        "val_epoch0001_Gradient.png",
    ]
    assert len(pd.read_csv("saliency/val_per_image.csv")) == 12
