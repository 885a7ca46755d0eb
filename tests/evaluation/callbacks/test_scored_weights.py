"""Whose weights are explained where a callback or the module swaps others in: those that a pass has scored."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, StochasticWeightAveraging, WeightAveraging
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient, saliency_map
from lightning_spx.attribution.guards import explaining
from lightning_spx.attribution.method import Model
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.evaluation.callbacks.scored_weights import ScoredWeights, parameter_mark
from lightning_spx.metrics import saliency_ssim
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, fit, loader, normalized, reference

State = dict[str, Tensor]


def state_of(module: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def same(first: State, second: State) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@dataclass(frozen=True)
class Watching(Attribution):
    """The gradient, and a note of the weights and the logits of what it is asked to explain."""

    seen: ClassVar[list[tuple[State, Tensor, Tensor]]] = []

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        module = getattr(model, "network", None)
        assert isinstance(module, nn.Module)
        if len(inputs) > 2:  # two images are tried at first
            with explaining(model, inputs.device, "fp32") as explained, torch.no_grad():
                self.seen.append((state_of(module), inputs.clone(), explained(inputs).clone()))
        return Gradient().attribute(model, inputs, target)


class Judge(Callback):
    """Notes the weights that score: between a step of validation or test and everything after it."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        if not trainer.sanity_checking and rest[2] == 0:
            self.states.append(state_of(pl_module))

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        if rest[2] == 0:
            self.states.append(state_of(pl_module))


class OwnAverages(Callback):
    """A user's average of the weights: in place for a validation and a test, and left behind by fit."""

    def __init__(self, begin: str, end: str, finish: str) -> None:
        self.average: State = {}
        self.kept: State = {}
        self.hooks = {begin: self.swap_in, end: self.swap_out, finish: self.swap_in}
        for hook, function in self.hooks.items():
            setattr(self, hook, function)

    def swap_in(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        if self.average and not trainer.sanity_checking:
            self.kept = state_of(pl_module)
            pl_module.load_state_dict(self.average)

    def swap_out(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        if self.kept and not trainer.sanity_checking:
            pl_module.load_state_dict(self.kept)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        now = state_of(pl_module)
        average = self.average or now
        self.average = {name: torch.lerp(average[name].double(), now[name].double(), 0.3) for name in now}


class SwappingModule(Stranger):
    """A module that validates with weights of its own making."""

    kept: State

    def on_validation_start(self) -> None:
        self.kept = state_of(self)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(0.9)

    def on_validation_epoch_end(self) -> None:
        self.load_state_dict(self.kept)


AVERAGES: dict[str, Callable[[], Callback]] = {
    "EMAWeightAveraging": lambda: EMAWeightAveraging(decay=0.8),
    "without buffers": lambda: EMAWeightAveraging(decay=0.8, use_buffers=False),
    "WeightAveraging": WeightAveraging,
    "SWA": lambda: StochasticWeightAveraging(0.05, swa_epoch_start=1, annealing_epochs=1),
    "epoch to epoch": lambda: OwnAverages("on_validation_epoch_start", "on_validation_epoch_end", "on_train_end"),
    "start to end": lambda: OwnAverages("on_validation_start", "on_validation_end", "on_fit_end"),
}


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Watching.seen.clear()


def check_seen(states: Sequence[State]) -> None:
    """What was explained has these weights, and its logits are those of a plain module with them."""
    assert len(Watching.seen) == len(states)
    for (explained, inputs, logits), expected in zip(Watching.seen, states, strict=True):
        assert same(explained, expected)
        plain = Stranger().eval()
        plain.load_state_dict(expected)
        assert torch.allclose(plain(normalized(inputs)), logits, atol=1e-5)


ORDERS = [
    *((kind, first) for kind in ("EMAWeightAveraging", "epoch to epoch", "start to end") for first in (True, False)),
    *((kind, True) for kind in ("without buffers", "WeightAveraging", "SWA")),
]


@pytest.mark.parametrize(("kind", "first"), ORDERS)
def test_a_validation_explains_what_it_has_scored_and_the_summary_what_fit_leaves(kind: str, first: bool) -> None:
    judge, both = Judge(), [AVERAGES[kind](), evaluator(methods=[Watching()])]
    module, _ = fit([judge, *(both if first else both[::-1])], settings={"max_epochs": 3})
    assert len(judge.states) >= 3
    check_seen([*judge.states, state_of(module)])


def test_a_module_that_swaps_its_weights_is_explained_as_it_scores() -> None:
    judge = Judge()
    module, _ = fit(
        [judge, evaluator(methods=[Watching()], every_n_epochs=2)], SwappingModule(), settings={"max_epochs": 4}
    )
    check_seen([*judge.states[1::2], state_of(module)])


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


def test_without_a_callback_that_may_swap_nothing_is_copied() -> None:
    class Swaps(Callback):
        def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            pass

    module = Stranger()
    for earlier, copied in (([], 0), ([Judge(), ModelCheckpoint()], 0), ([Swaps()], len(module.state_dict()))):
        scored = ScoredWeights("on_validation_epoch_end")
        scored.note(earlier, module)
        assert len(scored._copy) == copied
        with scored.in_place(module):
            assert not scored._copy


@pytest.mark.parametrize("inference", [True, False])
def test_scored_weights_are_in_place_and_leave_no_trace(inference: bool) -> None:
    module = Stranger()
    scored = ScoredWeights("on_test_epoch_end")
    kept, mark = state_of(module), parameter_mark(module)
    with torch.inference_mode(inference):
        scored.note([OwnAverages("on_test_start", "on_test_epoch_end", "on_fit_end")], module)
    tensors = dict(module.named_parameters())
    with torch.no_grad():
        for parameter in tensors.values():
            parameter.add_(1)
    places = [parameter.data_ptr() for parameter in tensors.values()]
    with torch.inference_mode(inference), scored.in_place(module):
        assert same(kept, module.state_dict())
        assert parameter_mark(module) == mark
    assert [parameter.data_ptr() for parameter in tensors.values()] == places
    assert parameter_mark(module) != mark


def test_weights_that_a_test_has_scored_are_explained() -> None:
    judge = Judge()
    averages = OwnAverages("on_test_start", "on_test_epoch_end", "on_train_end")
    averages.average = state_of(Stranger())
    trainer = Trainer(**{**QUIET, "callbacks": [judge, averages, evaluator(methods=[Watching()])]})
    trainer.test(Stranger(), loader(), verbose=False)
    check_seen(judge.states)
    assert same(judge.states[0], averages.average)


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
