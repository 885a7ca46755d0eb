"""The common part of all data modules of labeled images: parts of the training images, and loaders."""

import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Subset

from lightning_spx.data.given_splits import read_split
from lightning_spx.data.label_kinds import check_findings
from lightning_spx.data.labelled_images import LabelledImages, Sample
from lightning_spx.data.leaks import alike_images, check_common_groups, check_near_duplicates
from lightning_spx.data.split_plan import Split, make_split
from lightning_spx.data.splits import Indices, Plan, grouped_draw
from lightning_spx.data.training_loader import EpochSampler, TrainingImages


class ImageDataModule(LightningDataModule, ABC):
    """Labeled images in [0, 1] for one of several models, each with its own part of the training images.

    A batch is a dict: `image` `(N, 3, S, S)` float32, `label` `(N,)`, `index` `(N,)` (the position among all training
    or test images), and for data with masks `mask` `(N, S, S)` bool. Only training batches are augmented. The labels of
    data with several `findings` are `(N, K)` float32: 1 for present, 0 for absent and NaN for not said.

    Args:
        image_size: side S of the square images in pixels, 8 or more.
        batch_size: number of images in a batch.
        num_workers: number of processes that load images; 0 loads them in the main process.
        plan: each model trains on `all` images, on the same images under another seed (`seeds`), on its own part
            (`disjoint`), or on all but its own fold (`folds`).
        num_parts: number of models and of parts.
        part: number of the model that this module serves, 0 to num_parts - 1.
        seed: decides parts, validation share, order and augmentation; the last two also depend on `part`.
        images_per_part: number of images in each disjoint part, or under `seeds` of those that all models train on;
            None uses all images.
        val_fraction: fraction of the part held back for validation, in [0, 1); `folds` validates on the held-out fold.
        augment: random crops and flips in training.

    Attributes:
        name: short name of the data set in tables of results.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> from lightning_spx.data.synthetic import SyntheticBirdsDataModule
        >>> data = SyntheticBirdsDataModule(num_train=20, num_test=6, num_classes=2, val_fraction=0.2)
        >>> isinstance(data, ImageDataModule), data.use_part(1).train_indices().size
        (True, 8)
    """

    name: str
    # largest angle of the random rotation in training, in degrees; subclasses may make it a setting
    rotation: float = 0.0
    # number of another training on the images of a part, with an order and augmentation of its own
    replicate: int = 0
    # refuse what a module warns of otherwise; subclasses may make it a setting
    strict: bool = False
    # how subclasses find the group of an image, and parts that were made elsewhere, where they have these settings
    groups: str | None = None
    splits: Path | None = None

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
        # shared with the copies for other parts, so that images are read only once
        self._images: dict[str, LabelledImages] = {}
        # shared as well, because dealing many groups takes time
        self._splits: dict[tuple[object, ...], Split] = {}
        self._compared: set[str] = set()
        self._alike: list[Indices] = []

    @property
    @abstractmethod
    def class_names(self) -> list[str]:
        """Return the name of each class, or of each finding, in the order of the labels."""

    @abstractmethod
    def load_pool(self) -> LabelledImages:
        """Read the training images; called once."""

    @abstractmethod
    def load_test(self) -> LabelledImages:
        """Read the test images; called once."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a SHA-256 that differs when the images or labels do."""

    @property
    def findings(self) -> list[str]:
        """Return the name of each finding, in the order of the labels' columns; empty if an image has one class."""
        return []

    @property
    def num_classes(self) -> int:
        """Return the number of classes, or of findings."""
        return len(self.findings or self.class_names)

    def pool(self) -> LabelledImages:
        """Return the training images of all parts, without augmentation.

        Raises:
            ValueError: if the labels do not fit `findings`, or a group has test images too and the module is `strict`.
        """
        return self._loaded("pool")

    def test(self) -> LabelledImages:
        """Return the test images.

        Raises:
            ValueError: as for `pool`.
        """
        return self._loaded("test")

    def split(self) -> Split:
        """Return which model trains on which images of the pool."""
        key = (self.plan, self.num_parts, self.seed, self.images_per_part, self.splits)
        if key not in self._splits:
            pool = self.pool()
            self._splits[key] = (
                make_split(pool.labels, self.plan, self.num_parts, self.seed, self.images_per_part, pool.groups)
                if self.splits is None
                else read_split(self.splits, self.plan, self.num_parts, self.seed, pool)
            )
        return self._splits[key]

    def held_out(self) -> Indices:
        """Return the sorted pool indices of the fold that this model never sees; empty unless the plan is `folds`."""
        return self.split().held_out_indices(self.part)

    def validation_indices(self) -> Indices:
        """Return the sorted pool indices for validation: the held-out fold, or a fraction of the part."""
        if self.plan == "folds":
            return self.held_out()
        own = self.split().train_indices(self.part)
        pool = self.pool()
        groups = None if pool.groups is None else pool.groups[own]
        return own[grouped_draw(pool.labels[own], round(self.val_fraction * own.size), self.seed, groups)]

    def train_indices(self) -> Indices:
        """Return the sorted pool indices on which this model trains."""
        return np.setdiff1d(self.split().train_indices(self.part), self.validation_indices(), assume_unique=True)

    def use_part(self, part: int, seed: int | None = None, replicate: int = 0) -> Self:
        """Return a copy for another model and trainer, which shares the images that either of them reads.

        Args:
            part: number of the model, 0 to num_parts - 1.
            seed: another seed, for a repeat of the study; None keeps this one.
            replicate: number of another training on the part's images, with an order and augmentation of its own.

        Raises:
            ValueError: if the part does not exist.
        """
        if not 0 <= part < self.num_parts:
            raise ValueError(f"Expected `part` to be 0 to {self.num_parts - 1}, got {part}.")
        other = copy.copy(self)
        other.trainer = None
        other.part = part
        other.seed = self.seed if seed is None else seed
        other.replicate = replicate
        return other

    def use_plan(self, plan: Plan) -> Self:
        """Return a copy for the first part of another plan, which shares the images that either of them reads."""
        other = self.use_part(0)
        other.plan = plan
        return other

    def order_words(self) -> tuple[int, int]:
        """Return what seeds order and augmentation; no two models of a study have the same words."""
        return self.seed, self.part + self.num_parts * self.replicate

    def with_images(self, pool: LabelledImages, test: LabelledImages, seed: int) -> Self:
        """Return a copy for a single model with other images, such as images with removed pixels.

        Args:
            pool: training images; all of them are used, whatever the plan of this module.
            test: test images.
            seed: seeds validation share, order and augmentation.
        """
        other = self.use_part(self.part, seed)
        other.plan, other.num_parts, other.part, other.images_per_part = "all", 1, 0, None
        other.splits = None
        other._images, other._splits, other._compared = {"pool": pool, "test": test}, {}, set()
        other._alike = []
        return other

    def check_duplicates(self) -> None:
        """Warn of images that show the same in two parts, or in training and test, and name the first ones.

        Images are compared where they are in memory, see `near_duplicates`; other images are compared if the module is
        `strict`, because each has to be read once more.

        Raises:
            ValueError: if there are such images and the module is `strict`.
        """
        pool, test = self.pool(), self.test()
        if not self.strict and not (pool.in_memory and test.in_memory):
            return
        split = self.split()
        if not self._alike:
            self._alike += alike_images(pool, test)
        if split.sha256 not in self._compared:
            check_near_duplicates(pool, test, split, self._alike, self.strict)
            self._compared.add(split.sha256)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return shuffled, augmented batches of the part without its validation images."""
        indices = self.train_indices()
        images = TrainingImages(
            self.pool(), indices, self.order_words(), augmented=self.augment, rotation=self.rotation
        )
        order_seed = int(np.random.SeedSequence(self.order_words()).generate_state(1)[0])
        num_processes, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        epoch = self.trainer.current_epoch if self.trainer else 0
        return DataLoader(
            images,
            batch_size=self.batch_size,
            sampler=EpochSampler(images, order_seed, num_processes, rank, epoch),
            # batch normalization fails on a last batch of one image
            drop_last=indices.size >= self.batch_size * num_processes,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the validation images; none if `val_fraction` is 0."""
        return self._evaluation_loader(self.pool(), self.validation_indices())

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the test images."""
        return self._evaluation_loader(self.test(), np.arange(len(self.test())))

    def predict_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the test images."""
        return self.test_dataloader()

    def _loaded(self, which: Literal["pool", "test"]) -> LabelledImages:
        if which not in self._images:
            images = self._checked(self.load_pool() if which == "pool" else self.load_test())
            both = {**self._images, which: images}
            if len(both) == 2:
                check_common_groups(both["pool"].groups, both["test"].groups, self.strict)
            self._images[which] = images
        return self._images[which]

    def _checked(self, images: LabelledImages) -> LabelledImages:
        check_findings(images.labels, self.findings, type(self).__name__)
        return images

    def _evaluation_loader(self, images: LabelledImages, indices: Indices) -> DataLoader[Sample]:
        return DataLoader(
            Subset(images, indices.tolist()),
            # by name, because for prediction Lightning makes the loader again from its named arguments
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )
