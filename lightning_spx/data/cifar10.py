"""CIFAR-10, read from the batches of its authors."""

import hashlib
import json
from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10

from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.labelled_images import ArrayImages, LabelledImages
from lightning_spx.data.splits import Plan

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class CIFAR10DataModule(ImageDataModule):
    """CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test images of 10 classes, 32 px.

    Args:
        root: folder that contains, or will contain, `cifar-10-batches-py`.
        download: download the 170 MB if they are missing.
        image_size: side of the images in pixels; other than 32 resizes.
        batch_size: number of images in a batch.
        num_workers: number of processes that load images; 0 loads them in the main process.
        plan: `all`, `seeds`, `disjoint` or `folds`, see `ImageDataModule`.
        num_parts: number of models and of parts.
        part: the model this module serves.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: number of images in each disjoint part, or under `seeds` of each model; None uses all images.
        val_fraction: fraction of the part that is held back for validation.
        augment: random crops and flips in training.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> cifar = CIFAR10DataModule(root=Path("data"), plan="folds", num_parts=4)
        >>> cifar.num_classes, cifar.class_names[2]
        (10, 'bird')
    """

    def __init__(
        self,
        root: Path,
        download: bool = False,
        image_size: int = 32,
        batch_size: int = 128,
        num_workers: int = 0,
        plan: Plan = "disjoint",
        num_parts: int = 2,
        part: int = 0,
        seed: int = 0,
        images_per_part: int | None = None,
        val_fraction: float = 0.1,
        augment: bool = True,
    ) -> None:
        super().__init__(
            image_size, batch_size, num_workers, plan, num_parts, part, seed, images_per_part, val_fraction, augment
        )
        self.root = Path(root)
        self.download = download
        self.name = "CIFAR10"

    @property
    def class_names(self) -> list[str]:
        """The ten classes."""
        return list(CLASS_NAMES)

    def prepare_data(self) -> None:
        """Download the batches if they are missing and `download` is set; Lightning calls this in one process."""
        if self.download:
            self._read(train=True)

    def load_pool(self) -> LabelledImages:
        """Return the 50,000 training images."""
        return self._load(train=True)

    def load_test(self) -> LabelledImages:
        """Return the 10,000 test images."""
        return self._load(train=False)

    def fingerprint(self) -> str:
        """Return a SHA-256 of the checksums of the official files, which are verified before they are read."""
        return hashlib.sha256(json.dumps([CIFAR10.train_list, CIFAR10.test_list]).encode()).hexdigest()

    def _load(self, *, train: bool) -> LabelledImages:
        images = self._read(train=train)
        return ArrayImages(images.data, np.asarray(images.targets), image_size=self.image_size)

    def _read(self, *, train: bool) -> CIFAR10:
        try:
            return CIFAR10(self.root, train=train, download=self.download)
        except RuntimeError as error:
            raise FileNotFoundError(
                f"Expected the batches of CIFAR-10, complete and unchanged, in {self.root / CIFAR10.base_folder}: "
                f"set `download: true`, or unpack {CIFAR10.filename} into {self.root}."
            ) from error
