"""What else is in a Trainer: two evaluators, and whatever monitors a number of the evaluator's."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from lightning_spx.attribution import Gradient, SmoothGrad
from lightning_spx.evaluation.callbacks.companions import logged_names
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, fit, loader, reference

SSIM = "val/saliency_ssim/Gradient/value"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Steps(Callback):
    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_end(self, *rest: object) -> None:
        self.count += 1


class Plateau(Stranger):
    """A module whose learning rate follows a number."""

    def __init__(self, monitor: str, frequency: int = 1, strict: bool = True) -> None:
        super().__init__()
        self.monitor, self.frequency, self.strict_monitor = monitor, frequency, strict

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max"),
                "monitor": self.monitor,
                "frequency": self.frequency,
                "strict": self.strict_monitor,
            },
        }


def refused(message: str, callbacks: list[Callback], module: LightningModule | None = None, **settings: object) -> None:
    steps = Steps()
    with pytest.raises(ValueError, match=message) as error:
        fit([*callbacks, steps], module, settings={"enable_checkpointing": True, "max_epochs": 4, **settings})
    assert steps.count == 0
    assert "\n" not in str(error.value)


def runs(callbacks: list[Callback], module: LightningModule | None = None, **settings: object) -> Trainer:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "SaliencyEvaluator")
        return fit(callbacks, module, settings={"enable_checkpointing": True, "max_epochs": 4, **settings})[1]


@pytest.mark.parametrize("other", [{}, {"magnitude": "before"}, {"num_images": 6}, {"every_n_epochs": 2}], ids=str)
def test_a_second_evaluator_is_refused_whatever_it_differs_in(other: dict[str, Any]) -> None:
    refused("Trainer to have a name of its own, got 2 with '': set `name`", [evaluator(), evaluator(**other)])


@pytest.mark.parametrize("loop", ["validate", "test", "predict"])
def test_a_second_evaluator_is_refused_in_every_loop(loop: str) -> None:
    trainer = Trainer(**{**QUIET, "callbacks": [evaluator(), evaluator()]})
    with pytest.raises(ValueError, match="Trainer to have a name of its own, got 2 with ''"):
        getattr(trainer, loop)(Stranger(), loader())


def test_a_checkpoint_knows_the_evaluator_by_the_name_that_it_had() -> None:
    first, second = evaluator(), evaluator()
    for one in (first, second):
        one.setup(Trainer(**QUIET), Stranger(), "fit")
    assert first.state_key == second.state_key
    assert first.state_key.startswith("SaliencyEvaluator{'every_n_epochs': 1, 'methods': [")


@pytest.mark.parametrize(
    "monitor",
    [
        "val/saliency_ssim/Gradiant",
        "val/saliency_ssim/SmoothGrad",  # only at the end of fit
        "val/saliency_ssim/Gradient/previous",
        "val/saliency_ssim/Gradient",  # the key before there was a last part
        "val/pointing_game/Gradient/floor",
        "saliency_ssim/Gradient",
        "test/mege/Gradient",
    ],
)
@pytest.mark.parametrize("who", ["EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"])
def test_a_name_that_is_never_logged_is_refused_with_those_that_are(who: str, monitor: str, tmp_path: Path) -> None:
    one = evaluator(references=[reference(tmp_path)], final_methods=[SmoothGrad(num_samples=2)])
    watchers: dict[str, list[Callback]] = {
        "EarlyStopping": [EarlyStopping(monitor)],
        "ModelCheckpoint": [ModelCheckpoint(monitor=monitor)],
    }
    callbacks: list[Callback] = [one, *watchers.get(who, [])]
    message = (
        f"`monitor` of {who} .* got '{re.escape(monitor)}': there are {SSIM}, val/saliency_ssim/S-Gradient/Grid/value, "
    )
    refused(message, callbacks, Plateau(monitor) if who == "ReduceLROnPlateau" else None)


def test_a_number_of_the_mask_is_refused_where_batches_have_none(tmp_path: Path) -> None:
    watcher = ModelCheckpoint(monitor="val/pointing_game/Gradient/value")
    refused(r"got 'val/pointing_game/Gradient/value': there are .*\(batches have no `mask`\)", [evaluator(), watcher])


def test_numbers_of_others_are_none_of_ours() -> None:
    runs(
        [evaluator(), EarlyStopping("val_loss", patience=9), ModelCheckpoint(monitor="train_loss")], Plateau("val_loss")
    )
    runs([evaluator(), EarlyStopping("val/saliency_ssim", strict=False)], max_epochs=1)


def test_the_names_are_those_that_are_logged(tmp_path: Path) -> None:
    path = reference(tmp_path)
    for references in ([path], ["previous"], [path, "previous"]):
        one = evaluator(references=references, methods=[Gradient()])
        trainer = runs([one], max_epochs=2)
        logged = {name for name in trainer.callback_metrics if name.startswith("val/")}
        names = logged_names(one.settings, masks=False)
        # MeGe has no value without an image that both models classify correctly
        assert {name for name in names if "mege" not in name} <= logged <= set(names)


DRIFT: dict[str, Any] = {"references": ["previous"]}
EARLY: list[tuple[Callable[[], Callback], dict[str, Any], str]] = [
    (lambda: EarlyStopping(SSIM), DRIFT, "begins with the second evaluation .* Set `strict` of EarlyStopping to False"),
    (lambda: ModelCheckpoint(monitor=SSIM), DRIFT, r"in epoch 0, .* Set `every_n_epochs` of ModelCheckpoint to 2\."),
    (lambda: EarlyStopping(SSIM), {"every_n_epochs": 2}, "evaluates every 2 epochs .* Set `strict` of EarlyStopping"),
    (
        lambda: ModelCheckpoint(monitor="val/saliency_ssim/Gradient/excess"),
        {"every_n_epochs": 2},
        "Set `every_n_epochs` of .* to 2",
    ),
    (lambda: ModelCheckpoint(monitor=SSIM), {**DRIFT, "every_n_epochs": 2}, "`every_n_epochs`.* and .* to 4"),
]


@pytest.mark.parametrize(("watcher", "settings", "message"), EARLY)
def test_who_looks_before_there_is_a_number_is_refused_with_what_to_set(
    watcher: Callable[[], Callback], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    refused(message, [evaluator(**{"references": [reference(tmp_path)], **settings}), watcher()])


def test_what_the_refusals_say_to_set_runs(tmp_path: Path) -> None:
    drift = ModelCheckpoint(tmp_path / "a", monitor=SSIM, mode="max", every_n_epochs=2)
    stop = EarlyStopping(SSIM, mode="max", strict=False, patience=1, min_delta=9.0)
    assert runs([evaluator(), stop, drift]).current_epoch == 3
    assert drift.best_model_score is not None
    one = evaluator(references=[reference(tmp_path)], every_n_epochs=2)
    keep = ModelCheckpoint(tmp_path / "b", monitor=SSIM, mode="max", every_n_epochs=2, save_top_k=9)
    runs([one, keep])
    assert sorted(keep.best_k_models.values()) == pytest.approx(
        sorted(row["saliency_ssim/Gradient"] for row in one.history)
    )


def test_a_scheduler_that_looks_too_early_is_refused_and_one_that_looks_in_time_runs() -> None:
    message = (
        "when ReduceLROnPlateau first looks, .* Set `frequency` beside ReduceLROnPlateau .* to 2, or `strict` to F"
    )
    refused(message, [evaluator()], Plateau(SSIM))
    runs([evaluator()], Plateau(SSIM, frequency=2))
    # it looks at the end of an epoch, after both of its validations
    runs([evaluator()], Plateau(SSIM), val_check_interval=0.5)


def test_an_old_number_that_is_taken_for_a_new_one_is_warned_of(tmp_path: Path) -> None:
    one = evaluator(references=[reference(tmp_path)], every_n_epochs=2)
    stop = EarlyStopping(SSIM, mode="max", strict=False, patience=2, min_delta=9.0)
    with pytest.warns(
        UserWarning,
        match=r"EarlyStopping takes the old value .* `patience` counts validations of which one in 2 has a new value",
    ):
        _, trainer = fit([one, stop], settings={"max_epochs": 9})
    # values in epochs 1 and 3, and the old ones in 2 and 4: two looks without a better one
    assert trainer.current_epoch == 4
    keep = ModelCheckpoint(tmp_path / "kept", monitor=SSIM, mode="max", every_n_epochs=3)
    with pytest.warns(UserWarning, match=r"ModelCheckpoint takes the old value .* set its `every_n_epochs` to 2"):
        fit([one, keep], settings={"max_epochs": 3, "enable_checkpointing": True})
    with pytest.warns(UserWarning, match="ReduceLROnPlateau takes the old value .* set `frequency` beside it"):
        fit([one], Plateau(SSIM, strict=False), settings={"max_epochs": 3})


def test_a_dry_run_and_validations_between_epochs_go_on(tmp_path: Path) -> None:
    runs([evaluator(), EarlyStopping(SSIM), ModelCheckpoint(tmp_path, monitor=SSIM)], fast_dev_run=True)
    one = evaluator(references=[reference(tmp_path)], every_n_epochs=2)
    stop = EarlyStopping(SSIM, mode="max", patience=9)
    runs([one, stop], check_val_every_n_epoch=2)
    assert [row["epoch"] for row in one.history] == [1, 3]
