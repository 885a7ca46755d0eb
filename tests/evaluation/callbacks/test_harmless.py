"""Training with the callback is training without it, to the last bit, and it holds no more memory at its end."""

import copy
import gc
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn

from lightning_spx.attribution import Gradient, SmoothGrad
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.superpixels import Grid, JointBilateral
from tests.evaluation.callbacks.evaluator_cases import MEAN, QUIET, STD, Stranger, fit, loader, reference
from tests.processes import run_together

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bf16-mixed": {"precision": "bf16-mixed"},
    "64-true": {"precision": "64-true"},
    "bf16-true": {"precision": "bf16-true"},
    "accumulation": {"accumulate_grad_batches": 3},
    "gradient clipping": {"gradient_clip_val": 0.1},
    "two validations an epoch": {"val_check_interval": 0.5},
    "no inference mode": {"inference_mode": False},
}


class Trace(Callback):
    """Notes everything that a callback beside it could have changed, after every step."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        self.seen += [random.getstate(), pickle.dumps(np.random.get_state()), torch.get_rng_state().numpy().tobytes()]
        self.seen += [float(trainer.callback_metrics["train_loss"]), [part.training for part in pl_module.modules()]]
        self.seen += [parameter.requires_grad for parameter in pl_module.parameters()]


def outcome(callbacks: list[Callback], settings: dict[str, Any]) -> list[object]:
    trace = Trace()
    module, trainer = fit([*callbacks, trace], settings=settings)
    weights = {name: value.float().numpy().tobytes() for name, value in module.state_dict().items()}
    optimizer = trainer.optimizers[0].state_dict()["state"]
    moments = [value.float().numpy().tobytes() for state in optimizer.values() for value in state.values()]
    rates = trainer.lr_scheduler_configs[0].scheduler.state_dict()
    own = {name: float(value) for name, value in trainer.callback_metrics.items() if "/" not in name}
    return [weights, moments, rates, own, trainer.global_step, *trace.seen]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_training_is_bit_for_bit_the_same(settings: dict[str, Any], tmp_path: Path) -> None:
    evaluator = SaliencyEvaluator(
        methods=[Gradient(), SmoothGrad(num_samples=2)],
        superpixels=[Grid(9), JointBilateral()],
        references=[reference(tmp_path), "previous"],
        num_images=8,
        mean=MEAN,
        std=STD,
        out=tmp_path / "out",
    )
    assert outcome([evaluator], settings) == outcome([], settings)
    assert len(evaluator.history) == 2 * (2 if "val_check_interval" in settings else 1)
    assert any(name.startswith("saliency_ssim/S-SmoothGrad/Grid") for name in evaluator.history[-1])


def test_early_stopping_stops_where_it_would_have(tmp_path: Path) -> None:
    def steps(callbacks: list[Callback]) -> int:
        stopping = EarlyStopping("val_loss", patience=1, min_delta=10.0)
        return fit([*callbacks, stopping], settings={"max_epochs": 6})[1].global_step

    evaluator = SaliencyEvaluator(superpixels=[Grid(9)], num_images=6, mean=MEAN, std=STD, out=tmp_path / "out")
    assert steps([evaluator]) == steps([])
    assert (tmp_path / "out" / "val_results.csv").is_file()


def train_together(rank: int, folder: str) -> None:
    """Train with the callback and without it, as each of two processes that Lightning was told to find here."""
    os.environ["LOCAL_RANK"] = str(rank)
    for name in ("with", "without"):
        evaluator = SaliencyEvaluator(
            superpixels=[Grid(9), JointBilateral()], num_images=7, mean=MEAN, std=STD, out=Path(folder, "files")
        )
        callbacks: list[Callback] = [evaluator] if name == "with" else []
        seed_everything(0, verbose=False)
        module = Stranger()
        trainer = Trainer(**{**QUIET, "max_epochs": 2, "devices": 2}, strategy="ddp", callbacks=callbacks)
        trainer.fit(module, loader(25, shuffle=True), loader(25))
        assert (trainer.global_rank, trainer.world_size) == (rank, 2)
        torch.save({"weights": module.state_dict(), "history": evaluator.history}, f"{folder}/{name}{rank}.pt")


def test_two_processes_train_the_same_and_see_the_same_maps(tmp_path: Path) -> None:
    run_together(train_together, str(tmp_path))
    two, without = (
        [torch.load(tmp_path / f"{name}{rank}.pt", weights_only=True) for rank in range(2)]
        for name in ("with", "without")
    )
    for rank in range(2):
        for name, value in without[rank]["weights"].items():
            assert torch.equal(two[rank]["weights"][name], value), name
    assert len(two[0]["history"]) == 2
    # NaN is never logged, so plain equality holds
    assert two[0]["history"] == two[1]["history"]
    for name in ("Gradient", "S-Gradient/Grid", "S-Gradient/JointBilateral"):
        assert f"saliency_ssim/{name}" in two[0]["history"][-1]


@pytest.mark.parametrize("epochs", [12, pytest.param(40, marks=pytest.mark.soak)])
def test_memory_does_not_grow_over_many_epochs(tmp_path: Path, epochs: int) -> None:
    class Count(Callback):
        """Notes how much lives after each epoch."""

        def __init__(self) -> None:
            self.tensors: list[tuple[int, int]] = []

        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch % 3 == 2:
                gc.collect()
                # by type: another test's torch.compile leaves tensors of symbolic sizes behind
                alive = [item for item in gc.get_objects() if type(item) in (Tensor, nn.Parameter)]
                self.tensors.append((len(alive), sum(tensor.numel() for tensor in alive)))

    count = Count()
    evaluator = SaliencyEvaluator(
        superpixels=[Grid(4)],
        references=[reference(tmp_path), "previous"],
        num_images=4,
        mean=MEAN,
        std=STD,
        out=tmp_path / "out",
    )
    short = {"max_epochs": epochs, "limit_train_batches": 1, "limit_val_batches": 1, "num_sanity_val_steps": 0}
    fit([evaluator, count], settings=short)
    assert len(evaluator.history) == epochs
    assert len(set(count.tensors[1:])) == 1, count.tensors


def test_nothing_of_the_module_is_copied_or_kept(tmp_path: Path) -> None:
    """A module with a graph hanging from it cannot be copied, and a user's hooks must not be run twice by a copy."""
    evaluator = SaliencyEvaluator(
        superpixels=[Grid(4)], references=[reference(tmp_path)], num_images=4, mean=MEAN, std=STD, out=tmp_path / "out"
    )
    module, _ = fit([evaluator])
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(module)
    assert "saliency_ssim/Gradient" in evaluator.history[0]
