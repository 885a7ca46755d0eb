"""Draws bird-like shapes at run time: images, classes and exact masks without a download."""

import hashlib
import json

import numpy as np

from lightning_spx.data.bird_attributes import ATTRIBUTES
from lightning_spx.data.bird_drawing import HUES, SHAPES, draw_bird
from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.label_kinds import Labels
from lightning_spx.data.labelled_images import ArrayImages, LabelledImages
from lightning_spx.data.splits import Plan

# raised when the drawings change, so that older results are not mistaken for those of the new drawings
DRAWING_VERSION = 1


class SyntheticBirdsDataModule(ImageDataModule):
    """Birds of two shapes and five colors on textured backgrounds, with the exact mask of each bird.

    A class is a color and a shape: `red songbird`, `red wader`, `blue songbird`, ... Each image depends only on
    `data_seed` and its own number. With `attributes`, the labels are three findings that each bird has or has not,
    whatever its class and the other two: a `crest` (dark, on the head), a white `wing bar`, and a white `tail band`.

    Args:
        num_train: number of training images.
        num_test: number of test images.
        num_classes: number of classes, 2 to 10; with `attributes`, number of kinds of birds that are drawn.
        data_seed: decides what is drawn.
        image_size: side of the images in pixels, 32 to 256.
        batch_size: number of images in a batch.
        num_workers: number of processes that load images; 0 loads them in the main process.
        plan: `all`, `seeds`, `disjoint` or `folds`, see `ImageDataModule`.
        num_parts: number of models and of parts.
        part: the model this module serves.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: number of images in each disjoint part, or under `seeds` of each model; None uses all images.
        val_fraction: fraction of the part that is held back for validation.
        augment: random crops and flips in training.
        attributes: whether the labels are the three findings `(N, 3)` in place of the class `(N,)`.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> birds = SyntheticBirdsDataModule(num_train=12, num_test=6, num_classes=2)
        >>> sample = birds.test()[0]
        >>> sample["image"].shape, sample["mask"].shape, birds.class_names
        (torch.Size([3, 32, 32]), torch.Size([32, 32]), ['red songbird', 'red wader'])
    """

    def __init__(
        self,
        num_train: int = 4000,
        num_test: int = 1000,
        num_classes: int = 6,
        data_seed: int = 0,
        image_size: int = 32,
        batch_size: int = 64,
        num_workers: int = 0,
        plan: Plan = "disjoint",
        num_parts: int = 2,
        part: int = 0,
        seed: int = 0,
        images_per_part: int | None = None,
        val_fraction: float = 0.1,
        augment: bool = True,
        attributes: bool = False,
    ) -> None:
        super().__init__(
            image_size, batch_size, num_workers, plan, num_parts, part, seed, images_per_part, val_fraction, augment
        )
        if data_seed < 0:
            raise ValueError(f"Expected `data_seed` to be at least 0, got {data_seed}.")
        if not 32 <= image_size <= 256:
            raise ValueError(f"Expected `image_size` to be 32 to 256, got {image_size}.")
        if not 2 <= num_classes <= len(HUES) * len(SHAPES):
            raise ValueError(f"Expected `num_classes` to be 2 to {len(HUES) * len(SHAPES)}, got {num_classes}.")
        for name, value in (("num_train", num_train), ("num_test", num_test)):
            if value < num_classes:
                raise ValueError(f"Expected `{name}` to be at least {num_classes}, one per class, got {value}.")
        self.num_train = num_train
        self.num_test = num_test
        self._num_classes = num_classes
        self.data_seed = data_seed
        self.attributes = attributes
        self.name = "SyntheticBirds"

    @property
    def class_names(self) -> list[str]:
        """Return the color and shape of each class, or the attributes if these are the labels."""
        return self.findings or [f"{color} {shape}" for color, shape in self._kinds()]

    @property
    def findings(self) -> list[str]:
        """Return the names of the attributes; empty if the labels are classes."""
        return list(ATTRIBUTES) if self.attributes else []

    def load_pool(self) -> LabelledImages:
        """Return the training images."""
        return self._draw(stage=0, num_images=self.num_train)

    def load_test(self) -> LabelledImages:
        """Return the test images."""
        return self._draw(stage=1, num_images=self.num_test)

    def fingerprint(self) -> str:
        """Return a SHA-256 of everything that decides what is drawn."""
        settings = [DRAWING_VERSION, self.data_seed, self.num_train, self.num_test, self._num_classes, self.image_size]
        settings += [True] if self.attributes else []
        return hashlib.sha256(json.dumps([self.name, *settings]).encode()).hexdigest()

    def _kinds(self) -> list[tuple[str, str]]:
        return [(color, shape) for color in HUES for shape in SHAPES][: self._num_classes]

    def _draw(self, stage: int, num_images: int) -> LabelledImages:
        kinds = self._kinds()
        labels: Labels = np.arange(num_images) % len(kinds)
        images = np.empty((num_images, self.image_size, self.image_size, 3), np.uint8)
        masks = np.empty((num_images, self.image_size, self.image_size), np.bool_)
        present = np.zeros((num_images, len(self.findings)), np.float32)
        for index, label in enumerate(labels):
            color, shape = kinds[label]
            # a generator of its own, so that a bird is the same but for its attributes
            present[index] = np.random.default_rng((self.data_seed, stage, index, 1)).random(len(self.findings)) < 0.5
            has = [name for name, value in zip(self.findings, present[index], strict=True) if value]
            generator = np.random.default_rng((self.data_seed, stage, index))
            images[index], masks[index] = draw_bird(shape, color, self.image_size, generator, has)
        return ArrayImages(images, present if self.attributes else labels, masks)
