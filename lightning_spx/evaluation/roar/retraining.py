"""The units of a remove-and-retrain study: one training each, resumable, and runnable alone on any machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning import seed_everything
from lightning.pytorch.loggers import CSVLogger

from lightning_spx.data import ImageDataModule, RemovedPixels
from lightning_spx.evaluation.roar.orders import RANDOM, ModifiedImages, Order, load_ranks
from lightning_spx.evaluation.training.epochs import train
from lightning_spx.evaluation.training.study_models import TrainerFactory
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.reporting.rows import PIXEL
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import is_writer
from lightning_spx.runs.reading import read_json
from lightning_spx.runs.record import ADVICE

UNTOUCHED = Order("none", PIXEL, "either")


@dataclass(frozen=True)
class Retraining:
    """One training.

    Args:
        order: in which pixels are removed; `UNTOUCHED` for 0 %.
        percentage: of the pixels that is removed.
        seed: number of the seed.
    """

    order: Order
    percentage: float
    seed: int

    @property
    def name(self) -> str:
        """Unique, fit for a file."""
        return f"{self.order.name}_{self.percentage:g}percent_seed{self.seed}"

    def path(self, run: RunFolder) -> Path:
        """The unit's result."""
        return run.path / "units" / f"{self.name}.json"

    def accuracy(self, run: RunFolder) -> float:
        """Return the test accuracy of the finished unit.

        Raises:
            ValueError: its file is damaged; names it.
        """
        path = self.path(run)
        accuracy = read_json(path).get("accuracy")
        if not isinstance(accuracy, int | float) or not 0 <= accuracy <= 1:
            raise ValueError(f"Expected an `accuracy` in [0, 1] in {path}, got {accuracy!r}. {ADVICE}")
        return float(accuracy)


def list_retrainings(orders: Sequence[Order], percentages: Sequence[float], num_seeds: int) -> list[Retraining]:
    """List all units, those without removal first; every job array sees the same order.

    Example:
        >>> len(list_retrainings([Order("random", "pixel", "either")], [10.0, 50.0], 3))
        9
    """
    units = [Retraining(UNTOUCHED, 0.0, seed) for seed in range(num_seeds)]
    units += [Retraining(order, each, seed) for order in orders for each in percentages for seed in range(num_seeds)]
    return units


def retrain(
    unit: Retraining,
    run: RunFolder,
    data: ImageDataModule,
    images: ModifiedImages,
    colour: tuple[float, float, float],
    model: ModelFactory,
    trainer: TrainerFactory,
    *,
    keep: bool,
    seed: int,
) -> None:
    """Train a network on modified images, test it on modified images and write its accuracy.

    All orders share their seeds: initial weights, order of images and augmentation of seed s are the same for each.

    Args:
        unit: which.
        run: receives `units/<name>.json`.
        data: of the study.
        images: which are modified.
        colour: of removed pixels.
        model: makes an untrained model.
        trainer: makes a Trainer.
        keep: keep the first pixels of the order and remove the last (KAR).
        seed: of the study.
    """
    # the untouched images are those in the order of chance of which none is removed
    ranks = load_ranks(run, Order(RANDOM, PIXEL, "either") if unit.order == UNTOUCHED else unit.order)
    count = round(unit.percentage / 100 * ranks.shape[1] * ranks.shape[2])
    kept = len(images.pool)
    # the same images whatever the seed, which a part drawn with another seed would not be
    own = data.with_images(
        RemovedPixels(data.pool(), images.pool, ranks[:kept], count, colour, keep),
        RemovedPixels(data.test(), np.arange(images.num_test), ranks[kept:], count, colour, keep),
        data.seed + unit.seed,
    )
    own_seed = seed + unit.seed
    seed_everything(own_seed, workers=True, verbose=False)
    module = model()
    last_epoch = unit.path(run).with_suffix(".epoch")
    seconds = train(
        module, trainer(), own, CSVLogger(run.path, name="training", version=unit.name), last_epoch, own_seed
    )
    module.eval()
    right = 0
    with torch.no_grad():
        for batch in own.test_dataloader():
            right += int((module(batch["image"].to(module.device)).argmax(1).cpu() == batch["label"]).sum())
    if is_writer():
        record = {"accuracy": right / images.num_test, "seconds": round(seconds, 1)}
        run.write_json(f"units/{unit.name}.json", record)
        last_epoch.unlink(missing_ok=True)
