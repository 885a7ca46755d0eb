"""Resumes a training that was stopped from its last finished epoch, with the same result bit for bit.

Lightning cannot resume bit for bit in the middle of an epoch, but it can at the start of one. There, the order and
augmentation of the images depend only on seed, part and epoch (`lightning_spx.data.training_loader`), this module seeds
all global random generators by seed, epoch and process, and the checkpoint written before the epoch holds the rest.
"""

import csv
import time
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from lightning_spx.models.safe_file import DAMAGED, read_plain
from lightning_spx.runs.files import named_when_full, write_atomic
from lightning_spx.runs.processes import agreed, is_writer

KEY = "epochs"
LOGGED = ("metrics.csv", "hparams.yaml")


class EpochCheckpoint(Callback):
    """Keeps one file with all that the next epoch needs; it must be the first of the Trainer's callbacks.

    At the end of an epoch, Lightning has yet to step the schedulers and to log. So this callback writes the file when
    the next epoch starts, before any other callback has done anything in that epoch.

    Args:
        file: the file, which is replaced whole after every epoch but the last.
        seed: seeds all global random generators, together with the epoch and the process.
    """

    def __init__(self, file: Path, seed: int) -> None:
        self.file = file
        self.seed = seed
        self.seconds = 0.0
        self._began = time.perf_counter()
        self._metrics: dict[str, Tensor] | None = None

    def total_seconds(self) -> float:
        """Return the seconds of training over all starts."""
        return self.seconds + time.perf_counter() - self._began

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, unless it has just been read."""
        if self._metrics is not None:
            # resume at an epoch's start: reset the loops' counters so that schedulers step at its end
            loops = trainer.fit_loop, trainer.fit_loop.epoch_loop, trainer.fit_loop.epoch_loop.val_loop
            for loop in loops:
                loop.on_iteration_done()
            # a scheduler or early stopping may read the metrics of an earlier epoch
            trainer.callback_metrics.update(self._metrics)
            self._metrics = None
        elif trainer.current_epoch > 0:
            save_checkpoint(trainer, self.file)
        self._seed(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Seed again, because a new loader takes a random number, and a restart makes its loaders at another time."""
        if batch_idx == 0:
            self._seed(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning leaves out."""
        checkpoint[KEY] = {
            "seed": self.seed,
            "seconds": self.total_seconds(),
            "should_stop": trainer.should_stop,
            "metrics": {name: value.cpu() for name, value in trainer.callback_metrics.items()},
            "logged": _logged(trainer),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` added."""
        own = checkpoint[KEY]
        self.seconds = own["seconds"]
        self._metrics = own["metrics"]
        trainer.should_stop = own["should_stop"]
        for logger in trainer.loggers:
            if isinstance(logger, CSVLogger) and is_writer():
                logger.experiment.metrics = own["logged"]

    def _seed(self, trainer: Trainer) -> None:
        words = (self.seed, trainer.current_epoch, trainer.global_rank)
        seed_everything(int(np.random.SeedSequence(words).generate_state(1)[0]), workers=True, verbose=False)


def save_checkpoint(trainer: Trainer, file: Path, *, weights_only: bool = False) -> None:
    """Write a checkpoint, whole or not at all; all processes must call this, and return when the file is there.

    Args:
        trainer: the Trainer, in `fit` or after it.
        file: the file to write or replace.
        weights_only: whether to leave out what only further training needs.
    """
    if is_writer():
        write_atomic(file, partial(trainer.save_checkpoint, weights_only=weights_only))
    else:
        trainer.save_checkpoint(file, weights_only=weights_only)
    trainer.strategy.barrier("checkpoint")


def train(
    module: LightningModule, trainer: Trainer, data: LightningDataModule, logger: CSVLogger, file: Path, seed: int
) -> float:
    """Train a model; if an earlier start was stopped, resume from its last finished epoch.

    Args:
        module: an untrained model whose weights were drawn as in the earlier start.
        trainer: a Trainer that has not been used yet.
        data: the data to train on.
        logger: the only logger of the training; after a restart its table has every epoch once.
        file: checkpoint of the last finished epoch; the caller removes it once the training's result is saved.
        seed: seeds all that is random in an epoch.

    Returns:
        Seconds of training over all starts.
    """
    epochs = EpochCheckpoint(file, seed)
    # Lightning offers no other way to put a callback before the user's
    vars(trainer)["callbacks"].insert(0, epochs)
    trainer.loggers = [logger]
    known = agreed(file.is_file() and _is_usable(file, module, seed))
    if is_writer():
        # rows that count are in the checkpoint; delete the old file here, or Lightning warns when it does
        for name in LOGGED:
            Path(logger.log_dir, name).unlink(missing_ok=True)
    with named_when_full(Path(logger.log_dir)):
        trainer.fit(module, datamodule=data, ckpt_path=file if known else None)
    return epochs.total_seconds()


def _is_usable(file: Path, module: LightningModule, seed: int) -> bool:
    """Return whether an epoch's file is whole and belongs to this model; warn if not."""
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
        # read the file without running code from it before Lightning loads it
        content = read_plain(file)
    except (*DAMAGED, zipfile.BadZipFile) as error:
        reason = f"a damaged file ({' '.join(str(error).split())[:100]})"
    else:
        if broken is None and _is_of(content, module, seed):
            return True
        reason = "that of another model" if broken is None else "a damaged file"
    warnings.warn(f"Expected the last finished epoch in {file}, got {reason}: training starts over.", stacklevel=3)
    return False


def _is_of(content: object, module: LightningModule, seed: int) -> bool:
    match content:
        case {"state_dict": dict(state), "epochs": {"seed": int(number)}}:
            return number == seed and _shapes(state) == _shapes(module.state_dict())
    return False


def _shapes(state: dict[str, Any]) -> dict[str, object]:
    return {name: value.shape if isinstance(value, Tensor) else None for name, value in state.items()}


def _logged(trainer: Trainer) -> list[dict[str, str]]:
    """Return all rows that the loggers have so far, as their files hold them."""
    if not is_writer():
        return []
    rows: list[dict[str, str]] = []
    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger):
            logger.save()
            path = Path(logger.log_dir, LOGGED[0])
            if path.is_file():
                with path.open(newline="") as file:
                    rows += csv.DictReader(file)
    return rows
