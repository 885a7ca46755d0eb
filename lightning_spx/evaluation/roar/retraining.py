"""Runs the trainings of a remove-and-retrain study; each can be resumed, and can run alone on any machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lightning import seed_everything
from lightning.pytorch.loggers import CSVLogger

from lightning_spx.data import RemovedPixels
from lightning_spx.evaluation.roar.orders import RANDOM, ModifiedImages, Order, load_ranks
from lightning_spx.evaluation.training.accuracy import accuracy
from lightning_spx.evaluation.training.epochs import train
from lightning_spx.evaluation.training.study_models import TrainingRecipe
from lightning_spx.reporting.rows import EITHER, PIXEL
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import is_writer
from lightning_spx.runs.reading import read_json
from lightning_spx.runs.record import ADVICE

UNTOUCHED = Order("none", PIXEL, EITHER)


@dataclass(frozen=True)
class Retraining:
    """One training on images with removed pixels.

    Args:
        order: the order in which pixels are removed; `UNTOUCHED` for 0 %.
        percentage: percentage of the pixels to remove.
        seed: number of the seed.
    """

    order: Order
    percentage: float
    seed: int

    @property
    def name(self) -> str:
        """Return a unique name that is valid in file names."""
        return f"{self.order.name}_{self.percentage:g}percent_seed{self.seed}"

    def path(self, run: RunFolder) -> Path:
        """Return the file with the training's result."""
        return run.path / "units" / f"{self.name}.json"

    def accuracy(self, run: RunFolder) -> float:
        """Return the test accuracy of a finished training.

        Raises:
            ValueError: its file is damaged; the error names it.
        """
        path = self.path(run)
        accuracy = read_json(path).get("accuracy")
        if not isinstance(accuracy, int | float) or not 0 <= accuracy <= 1:
            raise ValueError(f"Expected an `accuracy` in [0, 1] in {path}, got {accuracy!r}. {ADVICE}")
        return float(accuracy)


def list_retrainings(orders: Sequence[Order], percentages: Sequence[float], num_seeds: int) -> list[Retraining]:
    """List all trainings, first those without removal; every job of an array gets the same list.

    Example:
        >>> len(list_retrainings([Order("random", "pixel", "either")], [10.0, 50.0], 3))
        9
    """
    found = [Retraining(UNTOUCHED, 0.0, seed) for seed in range(num_seeds)]
    found += [Retraining(order, each, seed) for order in orders for each in percentages for seed in range(num_seeds)]
    return found


@dataclass(frozen=True)
class Removal:
    """Which images lose pixels, and what replaces those.

    Args:
        images: the images to modify.
        color: color that replaces removed pixels, a number for each channel.
        keep: whether to keep the first pixels of an order and remove the last (KAR).
    """

    images: ModifiedImages
    color: tuple[float, ...]
    keep: bool


def retrain(retraining: Retraining, run: RunFolder, recipe: TrainingRecipe, removal: Removal) -> None:
    """Train a network on modified images, test it on modified images and write its accuracy.

    All orders share their seeds: with seed s, each has the same initial weights, order of images and augmentation.

    Args:
        retraining: the training to run.
        run: receives `units/<name>.json`.
        recipe: how the study's networks are trained.
        removal: the images that lose pixels, and what replaces those.
    """
    # the untouched images are those of the random order with zero pixels removed
    untouched = retraining.order == UNTOUCHED
    ranks = load_ranks(run, Order(RANDOM, PIXEL, EITHER) if untouched else retraining.order)
    count = round(retraining.percentage / 100 * ranks.shape[1] * ranks.shape[2])
    data, images = recipe.data, removal.images
    kept = len(images.pool)
    how = (count, removal.color, removal.keep)
    # take the same images for every seed; a part drawn with another seed would have other ones
    own = data.with_images(
        RemovedPixels(data.pool(), images.pool, ranks[:kept], *how),
        RemovedPixels(data.test(), np.arange(images.num_test), ranks[kept:], *how),
        data.seed + retraining.seed,
    )
    own_seed = recipe.seed + retraining.seed
    seed_everything(own_seed, workers=True, verbose=False)
    module = recipe.untrained()
    last_epoch = retraining.path(run).with_suffix(".epoch")
    logger = CSVLogger(run.path, name="training", version=retraining.name)
    seconds = train(module, recipe.trainer(), own, logger, last_epoch, own_seed)
    tested = accuracy(recipe.reading.of(module).eval(), own.test_dataloader(), module.device).value
    if is_writer():
        run.write_json(f"units/{retraining.name}.json", {"accuracy": tested, "seconds": round(seconds, 1)})
        last_epoch.unlink(missing_ok=True)
