"""Samples the images that a study explains, reads them by shard, and says which model did not train on which."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.data import ImageDataModule, Split, load_splits, save_splits
from lightning_spx.data.label_kinds import Labels
from lightning_spx.data.labelled_images import Sample
from lightning_spx.data.photos import find_images, read_images
from lightning_spx.data.spread_draw import spread_draw
from lightning_spx.evaluation.maps.findings import check_labels
from lightning_spx.runs.example_maps import spread_positions
from lightning_spx.runs.files import named_when_full
from lightning_spx.runs.processes import is_writer


@dataclass(frozen=True)
class SampledImages:
    """The images that every model of a study explains; they are read when they are needed.

    Args:
        name: name of the data set in tables.
        fingerprint: text that differs when the images do.
        sample: returns the sample that has a number of `index`, as a data set does.
        index: (N,) the images' numbers in the test set, or under `folds` in the training pool.
        label: (N,) the images' labels, or (N, K) float labels of findings, 0, 1 or NaN; None for photos without labels.
        num_classes: number of classes, or of findings; 0 without labels.
        has_mask: whether each image has a mask of its object.
        source: says what the images were taken from, so that segments can be cached by the images' numbers; empty if
            that is not known.
        findings: names of the K findings; empty if the labels are classes.
    """

    name: str
    fingerprint: str
    sample: Callable[[int], Sample]
    index: Tensor
    label: Tensor | None
    num_classes: int
    has_mask: bool = False
    source: str = ""
    findings: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.index)

    @cached_property
    def images(self) -> Tensor:
        """Read all images, (N, C, H, W), and keep them in memory, for studies that do not work shard by shard."""
        return self.read(range(len(self)))[0]

    def read(self, positions: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Read the images at some positions of `index`.

        Returns:
            Images (n, C, H, W) in [0, 1], and masks (n, H, W) bool, or None if the images have none.

        Raises:
            ValueError: an image is not in [0, 1], or lacks the mask that others have.
        """
        images, mask = stacked([self.sample(int(self.index[position])) for position in positions])
        if self.has_mask and mask is None:
            raise ValueError("Expected a mask for each image, as for the first one, got images without.")
        return images, mask if self.has_mask else None

    def labels(self, positions: Tensor) -> Tensor:
        """Return the labels at some positions of `index`.

        Raises:
            ValueError: the images have no labels.
        """
        if self.label is None:
            raise ValueError(f"Expected images of {self.name} with labels, got photos without.")
        return self.label[positions]

    def held_out(self, split: Split, num_models: int) -> Tensor | None:
        """Return which model did not train on which image, (M, N) bool, or None if no model saw any of them."""
        if split.plan != "folds":
            return None
        index = self.index.numpy()
        folds = [np.isin(index, split.held_out_indices(part)) for part in range(num_models)]
        return torch.from_numpy(np.stack(folds))


def draw_images(data: ImageDataModule, num_images: int, seed: int) -> SampledImages:
    """Draw the images to explain, class by class, from the test set, or under `folds` from the training pool.

    Images with findings are drawn by the set of findings that they have. Intervals take images for independent, so that
    of a group, such as a patient, at most one image is drawn while there are enough groups. Test images of groups that
    have no training images come first, because models have not seen these groups.

    Raises:
        ValueError: there are fewer images than `num_images`, the first one is not in [0, 1], or labels of findings are
            not 0, 1 or NaN.
    """
    kind, source = ("pool", data.pool()) if data.plan == "folds" else ("test", data.test())
    findings = tuple(getattr(data, "findings", None) or ())
    labels = torch.from_numpy(np.asarray(source.labels))
    if findings:
        check_labels(labels, findings)
    strata = finding_sets(labels.numpy(), num_images) if findings else source.labels
    seen = data.pool().groups if kind == "test" and source.groups is not None else None
    index = independent_images(strata, num_images, seed, source.groups, seen)
    # the study would refuse all images if the first one has a wrong range, so check it before the study begins
    has_mask = bool(num_images) and stacked([source[int(index[0])]])[1] is not None
    fingerprint = data.fingerprint()
    return SampledImages(
        name=data.name,
        fingerprint=fingerprint,
        sample=source.__getitem__,
        index=torch.from_numpy(index),
        label=labels[torch.from_numpy(index)],
        num_classes=len(findings) or data.num_classes,
        has_mask=has_mask,
        source=f"{type(data).__name__} {fingerprint} {kind}",
        findings=findings,
    )


def independent_images(
    strata: Labels,
    num_images: int,
    seed: int,
    groups: NDArray[np.str_] | None = None,
    seen: NDArray[np.str_] | None = None,
) -> NDArray[np.int64]:
    """Draw images class by class from as many groups as possible, and warn if several are of one group.

    Args:
        strata: (n,) class of each image.
        num_images: number of images to draw.
        seed: seeds the draw.
        groups: (n,) group of each image; None if no images belong together.
        seen: groups on which models train; their images are drawn only if there are not enough others.

    Returns:
        Sorted positions, (num_images,).

    Example:
        >>> independent_images(np.zeros(4, np.int64), 2, 0, np.array(["a", "a", "b", "c"]), np.array(["b"])).size
        2
    """
    if groups is not None and seen is not None:
        new = np.flatnonzero(~np.isin(groups, seen))
        if num_images <= len(np.unique(groups[new])) and new.size < len(groups):
            return new[spread_draw(strata[new], num_images, seed, groups[new])]
    index = spread_draw(strata, num_images, seed, groups)
    if groups is not None and len(np.unique(groups[index])) < num_images:
        rank_zero_warn(
            f"The {num_images} explained images are of {len(np.unique(groups[index]))} groups: intervals take images "
            "for independent and are too narrow."
        )
    return index


def finding_sets(labels: NDArray[np.floating], num_images: int) -> NDArray[np.int64]:
    """Number the sets of findings that images have, so that a draw can follow their frequencies.

    A set of which a draw expects less than one image shares a number with all others that are as rare, because a
    stratified draw would take the most frequent of them and never the rest. Among them the draw is a plain one.

    Args:
        labels: (n, K), 1 where an image has a finding.
        num_images: number of images to draw.

    Returns:
        (n,) numbers.

    Example:
        >>> finding_sets(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), num_images=2).tolist()
        [1, 1, 0, 0]
    """
    _, inverse, counts = np.unique(labels == 1, axis=0, return_inverse=True, return_counts=True)
    rare = num_images * counts < len(labels)
    numbers = np.where(rare, 0, np.cumsum(~rare))
    return numbers[inverse.reshape(-1)].astype(np.int64)


def sample_photos(
    photos: Sequence[str], image_size: int, num_images: int, strict: bool, channels: int = 3
) -> SampledImages:
    """Read some of the photos that a user names, spread over the list; they are held in memory and have no labels.

    Args:
        photos: files, folders and patterns.
        image_size: side of the photos in pixels.
        num_images: number of photos to read.
        strict: fail on a photo that cannot be read; otherwise skip it with a warning.
        channels: number of channels of the photos, as for `read_images`.

    Raises:
        FileNotFoundError: a photo does not exist.
        ValueError: there are fewer photos than `num_images`, or one cannot be read and `strict` is set.
    """
    paths = find_images(photos, channels)
    if len(paths) < num_images:
        raise ValueError(f"Expected `num_images` to be at most {len(paths)}, the photos found, got {num_images}.")
    # the list is often sorted by class, so choose photos from all of it
    chosen = [paths[position] for position in spread_positions(len(paths), num_images)]
    found = read_images(chosen, image_size, strict, channels)
    return SampledImages(
        name=found.paths[0].parent.name,
        fingerprint=hashlib.sha256(found.images.numpy().tobytes()).hexdigest(),
        sample=lambda position: {"image": found.images[position]},
        index=torch.arange(len(found.images)),
        label=None,
        num_classes=0,
    )


def sample_images(
    data: ImageDataModule,
    photos: Sequence[str] | None,
    image_size: int,
    num_images: int,
    seed: int,
    strict: bool = False,
    channels: int = 3,
) -> SampledImages:
    """Read photos if the user names any; otherwise draw images from the data.

    Args:
        data: the study's data, which photos replace.
        photos: files, folders and patterns.
        image_size: side of the photos in pixels.
        num_images: number of images to read or draw.
        seed: seeds the draw.
        strict: fail on a photo that cannot be read; otherwise skip it with a warning.
        channels: number of channels of the photos, as for `read_images`; images of the data have their own.

    Raises:
        FileNotFoundError: a photo does not exist.
        ValueError: there are fewer images than `num_images`, or the first one of the data is not in [0, 1].
    """
    if photos:
        return sample_photos(photos, image_size, num_images, strict, channels)
    return draw_images(data, num_images, seed)


def stacked(items: Sequence[Sample]) -> tuple[Tensor, Tensor | None]:
    """Stack the images of samples, and their masks where all have one.

    Raises:
        ValueError: an image is not in [0, 1].
    """
    images = torch.stack([item["image"] for item in items])
    if not (images.min() >= 0 and images.max() <= 1):  # false for a NaN
        raise ValueError(
            f"Expected images in [0, 1], got {images.min():.3g} to {images.max():.3g}: normalize inside the model."
        )
    masks = [item["mask"] for item in items if "mask" in item]
    return images, torch.stack(masks) if len(masks) == len(items) else None


def keep_splits(path: Path, splits: list[Split], data: ImageDataModule) -> None:
    """Save the splits of all repeats, or compare them with those that an earlier start has saved.

    Raises:
        ValueError: the file was edited, or holds other splits.
    """
    if path.exists():
        if load_splits(path, data.pool().labels, data.pool().groups) != splits:
            raise ValueError(f"Expected the splits in {path} to be those of these settings, got others.")
    elif is_writer():
        with named_when_full(path):
            save_splits(splits, path)
