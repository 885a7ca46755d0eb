"""Draws training images for methods that compare an image with others."""

from collections.abc import Mapping

import torch
from lightning import LightningDataModule
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.references import with_references
from lightning_spx.data import ImageDataModule, stratified_draw


def draw_training_images(data: ImageDataModule, num_images: int, seed: int) -> Tensor:
    """Draw training images, of all parts, with the class frequencies of the whole.

    Args:
        data: the images.
        num_images: number of images; of fewer, all are taken.
        seed: decides which.

    Returns:
        (B, C, H, W) float32 in [0, 1], as the images that a study explains, without augmentation.

    Example:
        >>> from lightning_spx.data import SyntheticBirdsDataModule
        >>> draw_training_images(SyntheticBirdsDataModule(num_train=20, num_test=8, num_classes=2), 6, seed=0).shape
        torch.Size([6, 3, 32, 32])
    """
    pool = data.pool()
    chosen = stratified_draw(pool.labels, min(num_images, len(pool)), seed)
    return torch.stack([pool[position]["image"] for position in chosen.tolist()])


def with_training_images(
    methods: Mapping[str, Attribution], data: LightningDataModule | None
) -> dict[str, Attribution]:
    """Give methods that compare an image with others training images as references.

    They are the same for all models of a study, whatever part of the images a model trained on: else two models would
    be asked two questions. Under `folds` an explained image may be one of them, whose share is then zero. A CycleGAN's
    discriminator is compared with images of both sets.

    Args:
        methods: methods, by their names.
        data: the images; None for photos.

    Returns:
        The methods under their names; those that need no references are the same objects.

    Raises:
        ValueError: a method needs references, and there are no training images.

    Example:
        >>> from lightning_spx.attribution import ExpectedGradients
        >>> from lightning_spx.data import SyntheticBirdsDataModule
        >>> data = SyntheticBirdsDataModule(num_train=20, num_test=8, num_classes=2)
        >>> len(with_training_images({"expected": ExpectedGradients()}, data)["expected"].references)
        20
    """
    drawn: dict[tuple[int, int], Tensor] = {}

    def of(name: str, method: Attribution) -> Attribution:
        def draw(num_images: int, seed: int) -> Tensor:
            if not isinstance(data, ImageDataModule):
                got = "none" if data is None else type(data).__name__
                raise ValueError(
                    f"Expected an ImageDataModule, whose training images {name} compares with, got {got}: give the "
                    "method its references in Python, `with_references(images)`, or leave it out."
                )
            if (num_images, seed) not in drawn:
                drawn[num_images, seed] = draw_training_images(data, num_images, seed)
            return drawn[num_images, seed]

        return with_references(method, draw)

    return {name: of(name, method) for name, method in methods.items()}
