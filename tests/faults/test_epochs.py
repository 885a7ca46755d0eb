"""A training that was stopped anywhere goes on to the very weights, states and rows of one that was not."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, GradientAccumulationScheduler

from lightning_spx.data import UnpairedDataModule
from lightning_spx.evaluation.training.epochs import save_checkpoint
from lightning_spx.models import CycleGAN
from tests.data.test_unpaired import make_domains
from tests.faults.random_model import EpochsSeen, RandomModel, StopAt, Stopped, assert_same, few_birds, logged, start
from tests.processes import run_together

# settings of the Trainer, schedule of the model, further callbacks, processes that load images
CASES: dict[str, tuple[dict[str, Any], str, Callable[[], list[Callback]], int]] = {
    "plain": ({"limit_val_batches": 0}, "both", list, 0),
    "validation": ({}, "both", list, 0),
    "workers": ({}, "both", list, 2),
    "accumulation": ({"accumulate_grad_batches": 3}, "both", list, 0),
    "steps": ({"max_steps": 14}, "both", list, 0),
    "steps and accumulation": ({"max_steps": 5, "accumulate_grad_batches": 3}, "both", list, 0),
    "plateau": ({}, "plateau", list, 0),
    "validation now and then": ({"check_val_every_n_epoch": 2}, "plateau", list, 0),
    "validation twice": ({"val_check_interval": 0.5}, "both", list, 0),
    "early stop": ({"min_epochs": 4, "max_epochs": 6}, "both", lambda: [EarlyStopping("val/loss", 9.0, 0)], 0),
    "callbacks": ({}, "both", lambda: [EpochsSeen(), GradientAccumulationScheduler({0: 1, 2: 2})], 0),
}
MOMENTS = [
    ("on_train_batch_end", 0, 2),
    ("on_train_epoch_start", 1, 1),
    ("on_train_batch_end", 1, 1),
    ("on_train_batch_end", 2, 3),
    ("on_validation_batch_end", 1, 1),
    ("on_train_epoch_end", 2, 1),
]


def states(folder: Path, module: LightningModule, trainer: Trainer) -> dict[str, object]:
    """Weights, optimizers, schedulers, steps, callbacks, and the table of what was logged."""
    return {
        "weights": dict(module.state_dict()),
        "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        "steps": (trainer.global_step, trainer.current_epoch),
        "callbacks": {callback.state_key: callback.state_dict() for callback in vars(trainer)["callbacks"]},
        "logged": logged(folder),
    }


@pytest.mark.parametrize("case", CASES)
def test_a_restarted_training_is_an_undisturbed_one(case: str, tmp_path: Path) -> None:
    settings, schedule, callbacks, num_workers = CASES[case]

    def run(folder: Path, *stop: Callback) -> dict[str, object]:
        module, trainer = start(
            folder,
            *callbacks(),
            *stop,
            make=partial(RandomModel, schedule),
            data=few_birds(num_workers),
            settings=settings,
        )
        return states(folder, module, trainer)

    undisturbed = run(tmp_path / "undisturbed", StopAt("never", 0))
    moments = MOMENTS if case == "validation" else MOMENTS[3:5]
    restarts = 0
    for hook, epoch, count in moments:
        folder = tmp_path / f"{hook}{epoch}"
        try:
            run(folder, StopAt(hook, epoch, count))
        except Stopped:
            restarts += 1
            assert (folder / "model.epoch").exists() == (epoch > 0)
        assert_same(run(folder, StopAt("never", 0)), undisturbed)
    assert restarts == len(moments) - (case == "plain")  # which has no validation to be stopped in


def test_one_stopped_in_every_epoch_too(tmp_path: Path) -> None:
    module, trainer = start(tmp_path / "undisturbed", StopAt("never", 0))
    for epoch in range(4):
        with pytest.raises(Stopped):
            start(tmp_path / "run", StopAt("on_train_batch_end", epoch, 2))
    with pytest.raises(Stopped):
        start(tmp_path / "run", StopAt("on_train_end", 4))
    again, after = start(tmp_path / "run", StopAt("never", 0))
    undisturbed = states(tmp_path / "undisturbed", module, trainer)
    assert_same(states(tmp_path / "run", again, after), undisturbed)


def test_only_what_was_not_finished_is_trained_again(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        start(tmp_path, StopAt("on_train_batch_end", 2, 1))
    seen = EpochsSeen()
    start(tmp_path, seen)
    assert seen.started == [2, 3]


def test_one_stopped_while_it_writes_an_epoch_goes_on_from_the_epoch_before(tmp_path: Path) -> None:
    module, _ = start(tmp_path / "undisturbed")
    calls = []

    def stop_at_second(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise Stopped
        shutil.move(source, target)

    with mock.patch("os.replace", stop_at_second), pytest.raises(Stopped):
        start(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir() if path.is_file()] == ["model.epoch"]
    again, _ = start(tmp_path / "run")
    assert_same(dict(again.state_dict()), dict(module.state_dict()))


def damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "half":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = bytearray()
    elif how == "a bit":
        content[len(content) // 3] ^= 8
    elif how == "text":
        content = bytearray(b"no checkpoint")
    file.write_bytes(content)


@pytest.mark.parametrize("how", ["half", "empty", "a bit", "text"])
def test_a_damaged_epoch_is_said_and_training_starts_over(tmp_path: Path, how: str) -> None:
    module, _ = start(tmp_path / "undisturbed")
    with pytest.raises(Stopped):
        start(tmp_path / "run", StopAt("on_train_batch_end", 2, 1))
    damage(tmp_path / "run" / "model.epoch", how)
    with pytest.warns(UserWarning, match=r"Expected the last finished epoch in .*model\.epoch, got a damaged file"):
        again, _ = start(tmp_path / "run")
    assert_same(dict(again.state_dict()), dict(module.state_dict()))
    assert logged(tmp_path / "run") == logged(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    "content",
    [{"state_dict": {}}, {"epochs": {"seed": 3}, "state_dict": {"other": torch.zeros(2)}}, [1], {"epochs": 3}],
    ids=["a study's", "another network's", "a list", "stranger's"],
)
def test_a_foreign_epoch_is_said_and_training_starts_over(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.epoch")
    seen = EpochsSeen()
    with pytest.warns(UserWarning, match=r"Expected the last finished epoch in .*, got that of another model"):
        start(tmp_path, seen)
    assert seen.started == [0, 1, 2, 3]


def test_the_epoch_of_another_seed_is_foreign(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        start(tmp_path, StopAt("on_train_batch_end", 2, 1))
    content = torch.load(tmp_path / "model.epoch", weights_only=True)
    content["epochs"]["seed"] += 1
    torch.save(content, tmp_path / "model.epoch")
    with pytest.warns(UserWarning, match="that of another model"):
        start(tmp_path)


def translation(folder: Path, *stop: Callback, devices: int = 1) -> dict[str, object]:
    """Train a CycleGAN of three epochs; its pools of translated images are part of its state."""
    module, trainer = start(
        folder,
        *stop,
        make=partial(CycleGAN, 1, 4, 1, 4, pool_size=3),
        data=UnpairedDataModule(folder.parent / "photos", image_size=16, batch_size=2),
        settings={"max_epochs": 3, "devices": devices, "strategy": "ddp" if devices > 1 else "auto"},
    )
    save_checkpoint(trainer, folder / "last.ckpt")
    content = torch.load(folder / "last.ckpt", weights_only=True)
    kept = {name: content[name] for name in ("state_dict", "optimizer_states", "pools", "global_step")}
    return {**kept, "own weights": dict(module.state_dict()), "logged": logged(folder)}


@pytest.mark.parametrize("moment", [("on_train_batch_end", 1, 2), ("on_validation_batch_end", 2, 1)])
def test_a_restarted_cyclegan_is_an_undisturbed_one(tmp_path: Path, moment: tuple[str, int, int]) -> None:
    make_domains(tmp_path / "photos")
    undisturbed = translation(tmp_path / "undisturbed", StopAt("never", 0))
    with pytest.raises(Stopped):
        translation(tmp_path / "run", StopAt(*moment))
    assert_same(translation(tmp_path / "run", StopAt("never", 0)), undisturbed)


def stop_and_go_on(rank: int, folder: str) -> None:
    os.environ["LOCAL_RANK"] = str(rank)  # Lightning finds its processes started
    root = Path(folder)
    undisturbed = translation(root / "undisturbed", devices=2)
    with pytest.raises(Stopped):
        translation(root / "run", StopAt("on_train_batch_end", 1, 2), devices=2)
    assert (root / "run" / "model.epoch").is_file()
    assert_same(translation(root / "run", devices=2), undisturbed)
    (root / f"same{rank}").touch()


def test_two_processes_go_on_together(tmp_path: Path) -> None:
    make_domains(tmp_path / "photos")
    run_together(stop_and_go_on, str(tmp_path))
    assert {path.name for path in tmp_path.glob("same*")} == {"same0", "same1"}
    assert len(torch.load(tmp_path / "run" / "model.epoch", weights_only=True)["pools"]) == 2
