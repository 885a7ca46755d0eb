"""What every data module of labelled images shares: parts and loaders, apart from the test images."""

import copy
from abc import ABC, abstractmethod
from typing import Self

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Subset

from lightning_spx.data.labelled_images import LabelledImages, Sample
from lightning_spx.data.split_plan import Split, make_split
from lightning_spx.data.splits import Indices, Plan, stratified_draw
from lightning_spx.data.training_loader import EpochSampler, TrainingImages


class ImageDataModule(LightningDataModule, ABC):
    """Labelled images in [0, 1] for one of several models, each with its own part of the training images.

    A batch is a dict: `image` `(N, 3, S, S)` float32, `label` `(N,)`, `index` `(N,)` the position among the training
    (or test) images, and where there is one `mask` `(N, S, S)` bool. Only training batches are augmented.

    Args:
        image_size: side S of the square images in pixels, 8 or more.
        batch_size: images in a batch.
        num_workers: processes that load images; 0: the main process.
        plan: `all`: each model trains on all images; `disjoint`: on its own part; `folds`: on all but its own fold.
        num_parts: number of models.
        part: the model this module serves, 0 to num_parts - 1.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: size of disjoint parts; None: all images are used.
        val_fraction: share of the part held back for validation, in [0, 1); under `folds` the fold held out is used.
        augment: random crops and flips in training.

    Attributes:
        name: short name of the data set, as in tables of results.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> from lightning_spx.data.synthetic import SyntheticBirdsDataModule
        >>> data = SyntheticBirdsDataModule(num_train=20, num_test=6, num_classes=2, val_fraction=0.2)
        >>> isinstance(data, ImageDataModule), data.use_part(1).train_indices().size
        (True, 8)
    """

    name: str
    # largest angle of a random rotation in training, in degrees; a setting where it makes sense
    rotation: float = 0.0

    def __init__(
        self,
        image_size: int,
        batch_size: int,
        num_workers: int,
        plan: Plan,
        num_parts: int,
        part: int,
        seed: int,
        images_per_part: int | None,
        val_fraction: float,
        augment: bool,
    ) -> None:
        super().__init__()
        for name, value, lowest in (
            ("image_size", image_size, 8),
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 0),
            ("num_parts", num_parts, 1),
            ("seed", seed, 0),
        ):
            if value < lowest:
                raise ValueError(f"Expected `{name}` to be at least {lowest}, got {value}.")
        if not 0 <= part < num_parts:
            raise ValueError(f"Expected `part` to be 0 to {num_parts - 1}, got {part}.")
        if not 0 <= val_fraction < 1:
            raise ValueError(f"Expected `val_fraction` to be in [0, 1), got {val_fraction}.")
        self.image_size = image_size
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.plan: Plan = plan
        self.num_parts = num_parts
        self.part = part
        self.seed = seed
        self.images_per_part = images_per_part
        self.val_fraction = val_fraction
        self.augment = augment
        # one dict for this module and its copies for other parts: whoever reads first, reads for all
        self._images: dict[str, LabelledImages] = {}

    @property
    @abstractmethod
    def class_names(self) -> list[str]:
        """Name of each class, in the order of the labels."""

    @abstractmethod
    def load_pool(self) -> LabelledImages:
        """Return the training images; called once."""

    @abstractmethod
    def load_test(self) -> LabelledImages:
        """Return the test images; called once."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a SHA-256 that differs when the images or labels do."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def pool(self) -> LabelledImages:
        """Return all training images, un-augmented, whatever the part."""
        if "pool" not in self._images:
            self._images["pool"] = self.load_pool()
        return self._images["pool"]

    def test(self) -> LabelledImages:
        """Return the test images."""
        if "test" not in self._images:
            self._images["test"] = self.load_test()
        return self._images["test"]

    def split(self) -> Split:
        """Return which model trains on which images of the pool."""
        return make_split(self.pool().labels, self.plan, self.num_parts, self.seed, self.images_per_part)

    def held_out(self) -> Indices:
        """Return the sorted pool indices of the fold this model never sees; empty unless the plan is `folds`."""
        return self.split().held_out_indices(self.part)

    def validation_indices(self) -> Indices:
        """Return the sorted pool indices used for validation: the fold held out, or a share of the part."""
        if self.plan == "folds":
            return self.held_out()
        own = self.split().train_indices(self.part)
        return own[stratified_draw(self.pool().labels[own], round(self.val_fraction * own.size), self.seed)]

    def train_indices(self) -> Indices:
        """Return the sorted pool indices this model trains on."""
        return np.setdiff1d(self.split().train_indices(self.part), self.validation_indices(), assume_unique=True)

    def use_part(self, part: int, seed: int | None = None) -> Self:
        """Return a copy for another model, that shares the images read so far and later, for a trainer of its own.

        Args:
            part: the model, 0 to num_parts - 1.
            seed: another seed, for a repeat of the study; None: as here.

        Raises:
            ValueError: if there is no such part.
        """
        if not 0 <= part < self.num_parts:
            raise ValueError(f"Expected `part` to be 0 to {self.num_parts - 1}, got {part}.")
        other = copy.copy(self)
        other.trainer = None
        other.part = part
        other.seed = self.seed if seed is None else seed
        return other

    def with_images(self, pool: LabelledImages, test: LabelledImages, seed: int) -> Self:
        """Return a copy for one model that trains on all of other images, such as ones of which pixels were removed.

        Args:
            pool: training images, all of which are used whatever the plan of this module.
            test: test images.
            seed: of the validation share, order and augmentation.
        """
        other = self.use_part(self.part, seed)
        other.plan, other.num_parts, other.part, other.images_per_part = "all", 1, 0, None
        other._images = {"pool": pool, "test": test}
        return other

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return shuffled, augmented batches of the part without its validation share."""
        indices = self.train_indices()
        images = TrainingImages(
            self.pool(), indices, (self.seed, self.part), augmented=self.augment, rotation=self.rotation
        )
        order_seed = int(np.random.SeedSequence((self.seed, self.part)).generate_state(1)[0])
        num_processes, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        epoch = self.trainer.current_epoch if self.trainer else 0
        return DataLoader(
            images,
            batch_size=self.batch_size,
            sampler=EpochSampler(images, order_seed, num_processes, rank, epoch),
            # a last batch of one image has no variance to normalise by
            drop_last=indices.size >= self.batch_size * num_processes,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the validation images; none where `val_fraction` is 0."""
        return self._evaluation_loader(self.pool(), self.validation_indices())

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the test images."""
        return self._evaluation_loader(self.test(), np.arange(len(self.test())))

    def predict_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the test images."""
        return self.test_dataloader()

    def _evaluation_loader(self, images: LabelledImages, indices: Indices) -> DataLoader[Sample]:
        return DataLoader(
            Subset(images, indices.tolist()),
            # by name: for prediction Lightning makes the loader again from its named arguments
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )
