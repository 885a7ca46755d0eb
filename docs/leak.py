"""Made patients with one to nine images each, in which nothing but the patient tells the answer.

TOGETHER is true, or false for what a split by image does:

PYTHONPATH=docs spx stability --data leak.PatientsDataModule --data.together TOGETHER --model ImageClassifier \
    --model.network SmallResNet --model.network.num_classes 2 \
    --model.mean "[0.5,0.5,0.5]" --model.std "[0.25,0.25,0.25]" \
    --model.optimizer torch.optim.AdamW --model.optimizer.lr 0.006 --model.optimizer.weight_decay 0.001 \
    --trainer.max_epochs 10 --methods "[Gradient,IntegratedGradients]" --methods.num_steps=10 --num_images 200 \
    --data.batch_size 128 --data.val_fraction 0 --data.augment false
"""

import hashlib
import json

import numpy as np

from lightning_spx.data import ArrayImages, ImageDataModule, LabelledImages
from lightning_spx.data.splits import Plan

NUM_PATIENTS = 2000
NUM_TEST = 400
SIDE = 32
MARK = 10


class PatientsDataModule(ImageDataModule):
    """Gray images of patients, each with a mark that only this patient has, and of the disease a sign or none.

    The mark is a texture of 10 x 10 px at a place of its own, the same in all images of a patient. Who has seen the
    patient in training knows the answer from the mark. The sign is a bright bar in the center of all images of the ill.

    Args:
        together: keep the images of a patient in one part, and test on other patients; otherwise each image goes
            anywhere.
        sign: how much brighter the bar is, in [0, 1]; 0 for images that say nothing of the disease.
        image_size: side of the images in pixels, 32.
        batch_size: number of images in a batch.
        num_workers: number of processes that load images.
        plan: `disjoint` or another plan of `ImageDataModule`.
        num_parts: number of models and of parts.
        part: the model this module serves.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: number of images in each part; None uses all.
        val_fraction: fraction of the part that is held back for validation.
        augment: random crops and flips in training.
    """

    def __init__(
        self,
        together: bool = True,
        sign: float = 0.0,
        image_size: int = SIDE,
        batch_size: int = 128,
        num_workers: int = 0,
        plan: Plan = "disjoint",
        num_parts: int = 2,
        part: int = 0,
        seed: int = 0,
        images_per_part: int | None = None,
        val_fraction: float = 0.0,
        augment: bool = False,
    ) -> None:
        super().__init__(
            image_size, batch_size, num_workers, plan, num_parts, part, seed, images_per_part, val_fraction, augment
        )
        self.together = together
        self.sign = sign
        self.name = "Patients"

    @property
    def class_names(self) -> list[str]:
        """Return the names of the classes."""
        return ["healthy", "ill"]

    def load_pool(self) -> LabelledImages:
        """Return four images in five, or those of four patients in five."""
        return self._draw(test=False)

    def load_test(self) -> LabelledImages:
        """Return the other images."""
        return self._draw(test=True)

    def fingerprint(self) -> str:
        """Return a SHA-256 of what decides the images."""
        return hashlib.sha256(json.dumps([1, self.together, self.sign]).encode()).hexdigest()

    def _draw(self, *, test: bool) -> LabelledImages:
        generator = np.random.default_rng(0)
        patient = np.repeat(np.arange(NUM_PATIENTS), generator.integers(1, 10, NUM_PATIENTS))
        ill = generator.permutation(NUM_PATIENTS) % 2
        marks = generator.choice([-0.4, 0.4], (NUM_PATIENTS, MARK // 2, MARK // 2)).repeat(2, 1).repeat(2, 2)
        places = generator.integers(0, SIDE - MARK + 1, (NUM_PATIENTS, 2))
        pixels = generator.normal(0.5, 0.05, (patient.size, SIDE, SIDE))
        pixels[ill[patient] == 1, 8:24, 14:18] += self.sign
        for number, (top, left) in enumerate(places[patient]):
            pixels[number, top : top + MARK, left : left + MARK] += marks[patient[number]]
        tested = patient >= NUM_PATIENTS - NUM_TEST
        if not self.together:
            tested = generator.permutation(tested)
        own = np.flatnonzero(tested == test)
        gray = (pixels[own].clip(0, 1) * 255).round().astype(np.uint8)
        images = ArrayImages(gray[..., None].repeat(3, axis=3), ill[patient[own]])
        if self.together:
            images.groups = np.array([f"patient {number}" for number in patient[own]])
        return images
