"""Images with labels and without augmentation, for training, test and explanation."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lightning_spx.data.label_kinds import Labels, checked_labels
from lightning_spx.data.resize import resize_and_crop

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

    groups: NDArray[np.str_] | None = None

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
    """Images held in memory as 8-bit arrays.

    Args:
        images: `(n, H, W, C)` uint8 of any number of channels, or `(n, H, W)` for gray.
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        masks: `(n, H, W)` bool, or None.
        image_size: side in pixels to which image and mask are resized; None keeps their size.

    Raises:
        ValueError: if the lengths differ, or `images` has another shape.
        TypeError: if `images` does not hold uint8.

    Example:
        >>> images = ArrayImages(np.full((2, 8, 8, 3), 255, np.uint8), np.array([0, 1]))
        >>> images[1]["image"].max().item(), images[1]["label"].item()
        (1.0, 1)
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: Labels,
        masks: NDArray[np.bool_] | None = None,
        image_size: int | None = None,
    ) -> None:
        super().__init__(labels)
        if images.dtype != np.uint8:
            raise TypeError(f"Expected `images` to hold uint8, got {images.dtype}: round them to 0 to 255.")
        if images.ndim not in (3, 4) or 0 in images.shape[1:]:
            raise ValueError(f"Expected `images` of shape (n, H, W, C) or (n, H, W), got {images.shape}.")
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
        image = resize_and_crop(torch.from_numpy(self.images[index]).permute(2, 0, 1), self.image_size)
        mask = None
        if self.masks is not None:
            mask = resize_and_crop(torch.from_numpy(self.masks[index])[None].float(), self.image_size)[0] >= 0.5
        return image.float() / 255, mask
