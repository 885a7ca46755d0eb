"""A model whose training has a state of every kind: momentum, schedules, BatchNorm, dropout and random draws."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.evaluation.training.epochs import train

SEED = 3


class RandomModel(LightningModule):
    """Dropout and mixing of images by all three generators; schedules by batch, epoch or plateau."""

    def __init__(self, schedule: str = "both") -> None:
        super().__init__()
        self.schedule = schedule
        self.network = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.LazyLinear(2)
        )
        self.network(torch.zeros(2, 3, 32, 32))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        share = random.uniform(0.8, 1) * float(np.random.beta(4, 1))
        noise = torch.randn_like(batch["image"])
        loss = functional.cross_entropy(self(share * batch["image"] + (1 - share) * noise), batch["label"])
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.log("val/loss", functional.cross_entropy(self(batch["image"]), batch["label"]))

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        if self.schedule == "plateau":
            adam = Adam(self.parameters(), 0.01)
            plateau = ReduceLROnPlateau(adam, patience=0, threshold=0.5)
            return [adam], [{"scheduler": plateau, "interval": "epoch", "monitor": "val/loss", "strict": False}]
        sgd = SGD(self.parameters(), 0.1, momentum=0.9)
        by_step = {"scheduler": StepLR(sgd, 3, 0.9), "interval": "step"}
        return [sgd], [by_step, {"scheduler": StepLR(sgd, 1, 0.7), "interval": "epoch"}]


class Stopped(BaseException):
    """What ends a training in the middle."""


class StopAt(Callback):
    """Stop when a hook of an epoch is called for the n-th time, counted from 1."""

    def __init__(self, hook: str, epoch: int, count: int = 1) -> None:
        self.hook = hook
        self.epoch = epoch
        self.count = count

    def _called(self, hook: str, trainer: Trainer) -> None:
        if hook == self.hook and trainer.current_epoch == self.epoch and not trainer.sanity_checking:
            self.count -= 1
            if self.count == 0:
                raise Stopped

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._called("on_train_epoch_start", trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        self._called("on_train_batch_end", trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._called("on_validation_batch_end", trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._called("on_train_epoch_end", trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._called("on_train_end", trainer)


class EpochsSeen(Callback):
    """A callback with a state of its own, that changes as an epoch starts and ends."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.ended: list[int] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started.append(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended.append(trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"started": self.started, "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.started, self.ended = list(state_dict["started"]), list(state_dict["ended"])


def few_birds(num_workers: int = 0) -> SyntheticBirdsDataModule:
    return SyntheticBirdsDataModule(
        num_train=34, num_test=4, num_classes=2, batch_size=8, plan="all", val_fraction=0.2, num_workers=num_workers
    )


def start(
    folder: Path,
    *callbacks: Callback,
    make: Callable[[], LightningModule] = RandomModel,
    data: LightningDataModule | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[LightningModule, Trainer]:
    """Train as a study does, 4 epochs of 4 batches unless the settings say otherwise."""
    seed_everything(SEED, workers=True, verbose=False)
    module = make()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    length = {} if settings and "max_steps" in settings else {"max_epochs": 4}
    all_settings = {
        "accelerator": "cpu",
        "logger": False,
        "log_every_n_steps": 1,
        **quiet,
        **length,
        **(settings or {}),
    }
    trainer = Trainer(callbacks=list(callbacks), **all_settings)
    logger = CSVLogger(folder, name="training", version="model")
    train(module, trainer, data or few_birds(), logger, folder / "model.epoch", SEED)
    return module, trainer


def logged(folder: Path) -> str:
    return (folder / "training" / "model" / "metrics.csv").read_text()


def assert_same(first: object, second: object) -> None:
    """Bit for bit, tensors in dicts and lists included."""
    if isinstance(first, dict) and isinstance(second, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_same(first[name], second[name])
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif isinstance(first, Tensor) and isinstance(second, Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second
