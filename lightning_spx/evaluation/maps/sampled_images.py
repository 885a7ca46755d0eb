"""Which images a study explains, read a shard at a time, and which of its models were not trained on which."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from lightning_spx.data import ImageDataModule, Split, load_splits, save_splits, stratified_draw
from lightning_spx.data.labelled_images import Sample
from lightning_spx.data.photos import find_images, read_images
from lightning_spx.runs.example_maps import spread_positions
from lightning_spx.runs.files import named_when_full
from lightning_spx.runs.processes import is_writer


@dataclass(frozen=True)
class SampledImages:
    """The images that every model of a study explains; they are read when they are needed.

    Args:
        sample: gives the image of a number of `index`, as data sets do.
        index: (N,) numbers in the test set, or under `folds` in the training pool.
        label: (N,).
        has_mask: whether each image has a mask of its object.
        source: says what the images were taken from, so that segments can be kept by their numbers; empty: not known.
    """

    sample: Callable[[int], Sample]
    index: Tensor
    label: Tensor
    has_mask: bool = False
    source: str = ""

    @classmethod
    def of_tensor(cls, images: Tensor, label: Tensor) -> Self:
        """Take images (N, 3, H, W) that are in memory."""
        return cls(lambda position: {"image": images[position]}, torch.arange(len(images)), label)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.index)

    def read(self, positions: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Read the images at some positions of `index`.

        Returns:
            (n, 3, H, W) in [0, 1], and masks (n, H, W) bool where the images have them.

        Raises:
            ValueError: an image is not in [0, 1], or one has no mask where others have one.
        """
        images, mask = stacked([self.sample(int(self.index[position])) for position in positions])
        if self.has_mask and mask is None:
            raise ValueError("Expected a mask for each image, as for the first one, got images without.")
        return images, mask if self.has_mask else None

    def held_out(self, split: Split, num_models: int) -> Tensor | None:
        """Which model did not train on which image, (M, N) bool; None where no model saw any of them."""
        if split.plan != "folds":
            return None
        index = self.index.numpy()
        folds = [np.isin(index, split.held_out_indices(part)) for part in range(num_models)]
        return torch.from_numpy(np.stack(folds))


def draw_images(data: ImageDataModule, num_images: int, seed: int) -> SampledImages:
    """Draw the images to explain, class by class: of the test set, or under `folds` of the training pool.

    Raises:
        ValueError: there are fewer images, or the first one is not in [0, 1].
    """
    kind, source = ("pool", data.pool()) if data.plan == "folds" else ("test", data.test())
    index = stratified_draw(source.labels, num_images, seed)
    # what the first image cannot be, no image of the data set will be: better said before the study begins
    has_mask = bool(num_images) and stacked([source[int(index[0])]])[1] is not None
    name = f"{type(data).__name__} {data.fingerprint()} {kind}"
    label = torch.from_numpy(source.labels[index])
    return SampledImages(source.__getitem__, torch.from_numpy(index), label, has_mask, name)


def stacked(items: Sequence[Sample]) -> tuple[Tensor, Tensor | None]:
    """Stack the images of samples, and their masks where all have one.

    Raises:
        ValueError: an image is not in [0, 1].
    """
    images = torch.stack([item["image"] for item in items])
    if not (images.min() >= 0 and images.max() <= 1):  # a NaN is neither
        raise ValueError(
            f"Expected images in [0, 1], got {images.min():.3g} to {images.max():.3g}: normalise inside the model."
        )
    masks = [item["mask"] for item in items if "mask" in item]
    return images, torch.stack(masks) if len(masks) == len(items) else None


def keep_splits(path: Path, splits: list[Split], data: ImageDataModule) -> None:
    """Keep the splits of all repeats, or compare them with those that an earlier start has kept.

    Raises:
        ValueError: the file was edited, or holds other splits.
    """
    if path.exists():
        if load_splits(path, data.pool().labels) != splits:
            raise ValueError(f"Expected the splits in {path} to be those of these settings, got others.")
    elif is_writer():
        with named_when_full(path):
            save_splits(splits, path)


@dataclass(frozen=True)
class KnownImages:
    """The images that are explained.

    Args:
        name: of the data set, in tables.
        images: (N, 3, H, W) in [0, 1].
        index: (N,) numbers in the data set.
        label: (N,), or None for photos without labels.
        num_classes: of the labels; 0 without.
        fingerprint: differs when the images do.
        mask: (N, H, W) bool of the object, or None.
        source: as of `SampledImages`.
    """

    name: str
    images: Tensor
    index: Tensor
    label: Tensor | None
    num_classes: int
    fingerprint: str
    mask: Tensor | None = None
    source: str = ""


def images_of(
    data: ImageDataModule, photos: Sequence[str] | None, image_size: int, num_images: int, seed: int
) -> KnownImages:
    """Read photos if there are any, else draw from the data.

    Raises:
        FileNotFoundError: a photo is not there.
        ValueError: there are fewer images than `num_images`, or fewer than two.
    """
    if photos:
        paths = find_images(photos)
        if len(paths) < num_images:
            raise ValueError(f"Expected `num_images` to be at most {len(paths)}, the photos found, got {num_images}.")
        found = read_images([paths[position] for position in spread_positions(len(paths), num_images)], image_size)
        digest = hashlib.sha256(found.images.numpy().tobytes()).hexdigest()
        name = found.paths[0].parent.name
        return KnownImages(name, found.images, torch.arange(len(found.images)), None, 0, digest)
    drawn = draw_images(data, num_images, seed)
    found_images, mask = drawn.read(range(len(drawn)))
    return KnownImages(
        name=data.name,
        images=found_images,
        index=drawn.index,
        label=drawn.label,
        num_classes=data.num_classes,
        fingerprint=data.fingerprint(),
        mask=mask,
        source=drawn.source,
    )
