"""Whose weights are explained where a callback or the module swaps others in: those that a pass has scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, StochasticWeightAveraging, WeightAveraging
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.attribution.guards import explaining
from lightning_spx.attribution.method import Model
from lightning_spx.evaluation.callbacks.scored_weights import ScoredWeights, parameter_mark
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, fit, loader, normalized
from tests.evaluation.callbacks.weight_cases import Judge, State, state_of


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
