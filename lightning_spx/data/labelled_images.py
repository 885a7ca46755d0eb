"""Images with labels and without augmentation, for training, test and explanation."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lightning_spx.data.label_kinds import Labels, checked_labels
from lightning_spx.data.resize import in_unit_range, resize_and_crop

Sample = dict[str, Tensor]


class LabelledImages(Dataset[Sample], ABC):
    """Images in [0, 1] with labels known in advance.

    An item is a dict: `image` `(C, H, W)` float32 in [0, 1], `label` and `index` (the position in this data set) as
    integer scalars, and if there is one, the object's `mask` `(H, W)` bool. The `label` of several findings is `(K,)`
    float32.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats: 1 for present, 0 for absent and NaN
            for not said.

    Raises:
        TypeError: if classes are not integers, or findings not floats.
        ValueError: if the labels have another shape, or a finding is neither 0, 1 nor NaN.

    Example:
        >>> class Grays(LabelledImages):
        ...     def read(self, index):
        ...         return torch.full((3, 8, 8), index / 10), None
        >>> sample = Grays(np.array([1, 0]))[1]
        >>> round(sample["image"].mean().item(), 4), sample["label"].item(), sample["index"].item()
        (0.1, 0, 1)
    """

    # name of each image's group, such as its patient, `(n,)`; None if no images belong together
    groups: NDArray[np.str_] | None = None
    # file of each image, where it has one
    paths: Sequence[Path] | None = None
    # number of each image in a list of the user's, from 0, and how many that list has, where there is one
    numbers: NDArray[np.int64] | None = None
    num_listed: int = 0
    # whether the images can be read again without a file
    in_memory: bool = False

    def __init__(self, labels: Labels) -> None:
        self.labels = checked_labels(labels)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        """Return the sample at a position."""
        return self.finish(self.unfinished(index))

    def unfinished(self, index: int) -> Sample:
        """Return the sample at a position before `finish`, because training augments it first."""
        # resolves negative positions and raises for positions outside
        position = range(len(self))[index]
        image, mask = self.read(position)
        sample = {"image": image, "label": torch.tensor(self.labels[position]), "index": torch.tensor(position)}
        return sample if mask is None else {**sample, "mask": mask}

    def finish(self, sample: Sample) -> Sample:
        """Apply what must follow all geometric changes, such as another background; by default nothing."""
        return sample

    @abstractmethod
    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return image `(C, H, W)` float32 in [0, 1] and mask `(H, W)` bool, or None, at a position."""


class ArrayImages(LabelledImages):
    """Images held in memory as arrays of 8 bits, or of float32 in [0, 1], which keep more levels.

    Args:
        images: `(n, H, W, C)` uint8 or float32 of any number of channels, or `(n, H, W)` for gray.
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        masks: `(n, H, W)` bool, or None.
        image_size: side in pixels to which image and mask are resized; None keeps their size.

    Raises:
        ValueError: if the lengths differ, `images` has another shape, or floats leave [0, 1].
        TypeError: if `images` holds neither uint8 nor float32.

    Example:
        >>> images = ArrayImages(np.full((2, 8, 8, 3), 255, np.uint8), np.array([0, 1]))
        >>> images[1]["image"].max().item(), images[1]["label"].item()
        (1.0, 1)
    """

    in_memory = True

    def __init__(
        self,
        images: NDArray[np.uint8 | np.float32],
        labels: Labels,
        masks: NDArray[np.bool_] | None = None,
        image_size: int | None = None,
    ) -> None:
        super().__init__(labels)
        if images.dtype not in (np.uint8, np.float32):
            raise TypeError(
                f"Expected `images` to hold uint8, or float32 in [0, 1], got {images.dtype}: round them to 0 to 255, "
                "or divide them by their largest possible number."
            )
        if images.ndim not in (3, 4) or 0 in images.shape[1:]:
            raise ValueError(f"Expected `images` of shape (n, H, W, C) or (n, H, W), got {images.shape}.")
        # one image at a time, so that no copy of all is made; false for a NaN
        if images.dtype == np.float32 and not all(image.min() >= 0 and image.max() <= 1 for image in images):
            raise ValueError(
                "Expected floats in `images` to be in [0, 1], got others: divide them by their full range."
            )
        num_masks = len(images) if masks is None else len(masks)
        if not len(images) == len(self.labels) == num_masks:
            raise ValueError(
                f"Expected a label and a mask for each of {len(images)} images, "
                f"got {len(self.labels)} labels and {num_masks} masks."
            )
        self.images = images if images.ndim == 4 else images[..., None]
        self.masks = masks
        self.image_size = image_size or images.shape[1]

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return image and mask at a position."""
        stored = torch.from_numpy(self.images[index]).permute(2, 0, 1)
        image = in_unit_range(resize_and_crop(stored, self.image_size))
        mask = None
        if self.masks is not None:
            mask = resize_and_crop(torch.from_numpy(self.masks[index])[None].float(), self.image_size)[0] >= 0.5
        return image, mask
