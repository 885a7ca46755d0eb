"""A training with averages of Lightning: it stays the same, and its results name and compare the averages."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, StochasticWeightAveraging
from torch import Tensor, nn

from lightning_spx.attribution import Gradient, saliency_map
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.metrics import saliency_ssim
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, fit, loader, normalized, reference
from tests.evaluation.callbacks.weight_cases import Judge, state_of


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "settings", [{"val_check_interval": 0.5}, {"precision": "bf16-true"}, {"inference_mode": False}]
)
def test_training_with_averages_is_bit_for_bit_the_same(settings: dict[str, Any]) -> None:
    def outcome(with_evaluator: str) -> list[object]:
        averages = EMAWeightAveraging(decay=0.8)
        own = [evaluator(methods=[Gradient()])] if with_evaluator else []
        callbacks = [*own, averages] if with_evaluator == "before" else [averages, *own]
        module, trainer = fit(callbacks, settings=settings)
        assert averages._average_model is not None
        states = [module.state_dict(), averages._average_model.state_dict()]
        moments = [value for state in trainer.optimizers[0].state.values() for value in state.values()]
        tensors = [*states[0].values(), *states[1].values(), *moments]
        counts = [averages._latest_update_step, averages._latest_update_epoch, trainer.global_step]
        return [*(tensor.float().numpy().tobytes() for tensor in tensors), counts, torch.rand(2).tolist()]

    without = outcome("")
    assert outcome("before") == without
    assert outcome("after") == without


def test_a_resumed_training_compares_with_the_averages_that_were_evaluated_last(tmp_path: Path) -> None:
    def train(epochs: int, ckpt_path: str | None = None) -> tuple[SaliencyEvaluator, Trainer]:
        one = evaluator(out=tmp_path / "out")
        keep = ModelCheckpoint(tmp_path / f"{epochs}", save_last=True)
        callbacks = [one, EMAWeightAveraging(decay=0.8), keep]
        trainer = Trainer(**{**QUIET, "max_epochs": epochs, "enable_checkpointing": True}, callbacks=callbacks)
        seed_everything(0, verbose=False)
        # no shuffling: Lightning does not restore the order of a shuffled loader
        trainer.fit(Stranger(dropout=0.0), loader(), loader(), ckpt_path=ckpt_path)
        return one, trainer

    whole, _ = train(4)
    train(2)
    second, _ = train(4, str(tmp_path / "2" / "last.ckpt"))
    assert second.history == whole.history
    assert {row["weights"] for row in second.history} == {"averages of EMAWeightAveraging"}

    file = torch.load(tmp_path / "2" / "last.ckpt", weights_only=True)
    file["state_dict"] = state_of(Stranger())
    torch.save(file, tmp_path / "others.ckpt")
    with pytest.warns(UserWarning, match="the checkpoint does not hold the weights that were evaluated last"):
        third, _ = train(4, str(tmp_path / "others.ckpt"))
    assert "saliency_ssim/Gradient" not in third.history[2]


class Smooth(Stranger):
    """Without batch normalization Lightning never validates the averages of SWA."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(864, 3))


def test_averages_that_only_fit_leaves_behind_are_compared_with_what_was_validated_last() -> None:
    judge, one = Judge(), evaluator()
    averages = StochasticWeightAveraging(0.5, swa_epoch_start=1, annealing_epochs=1)
    module, _ = fit([judge, averages, one], Smooth(), settings={"max_epochs": 4})
    explained = one._pipeline.explained
    assert explained is not None
    maps = []
    for state in (state_of(module), judge.states[-1]):
        plain = Smooth()
        plain.load_state_dict(state)
        inputs = explained.images.clone().requires_grad_()
        plain(normalized(inputs)).gather(1, explained.label[:, None]).sum().backward()
        assert inputs.grad is not None
        maps.append(saliency_map(inputs.grad))
    results = pd.read_csv("saliency/val_results.csv").query("condition == 'all'").set_index(["metric", "superpixels"])
    expected = saliency_ssim(maps[0], maps[1]).mean().item()
    assert results.loc[("saliency_ssim", "pixel"), "value"] == pytest.approx(expected, abs=1e-5)
    assert expected < 0.999


class Predicting(Stranger):
    def predict_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        logits: Tensor = self(batch[0])
        return logits


def test_results_say_whether_weights_are_averaged_and_a_trainer_that_has_fitted_is_warned(tmp_path: Path) -> None:
    def callbacks(out: str) -> list[Callback]:
        return [evaluator(references=[other], out=tmp_path / out), EMAWeightAveraging(decay=0.8)]

    def weights(out: str, stage: str) -> set[str]:
        return set(pd.read_csv(tmp_path / out / f"{stage}_results.csv")["weights"])

    other = reference(tmp_path)
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    module, trainer = fit([*callbacks("a"), keep], Predicting(), settings={"enable_checkpointing": True})
    assert weights("a", "val") == {"averages of EMAWeightAveraging"}
    file = str(tmp_path / "kept" / "last.ckpt")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "SaliencyEvaluator")
        trainer.test(module, loader(), verbose=False)
        assert weights("a", "test") == {"averages of EMAWeightAveraging"}
        Trainer(**{**QUIET, "callbacks": callbacks("b")}).test(Predicting(), loader(), ckpt_path=file, verbose=False)
    assert weights("b", "test") == {"own"}
    with pytest.warns(UserWarning, match="fitted with EMAWeightAveraging does not use its averages in `test`; a new"):
        trainer.test(module, loader(), ckpt_path=file, verbose=False)
    assert weights("a", "test") == {"not averaged by EMAWeightAveraging"}
    values = [pd.read_csv(tmp_path / out / "test_results.csv")["value"][0] for out in ("a", "b")]
    assert values[0] != pytest.approx(values[1], abs=1e-6)
    with pytest.warns(UserWarning, match="does not use its averages in `predict`"):
        trainer.predict(module, loader(), ckpt_path=file)
    saved = np.load(next((tmp_path / "a" / "predictions").iterdir()))
    assert str(saved["weights"]) == "not averaged by EMAWeightAveraging"
