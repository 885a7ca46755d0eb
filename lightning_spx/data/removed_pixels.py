"""Images in which some pixels are replaced by one color, in an order that is given for each image."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.data.labelled_images import LabelledImages, Sample


class RemovedPixels(LabelledImages):
    """Images with `count` pixels replaced: the first ones in the order, or the last ones.

    Args:
        images: the original images.
        positions: positions of the images that this data set contains, `(n,)`.
        ranks: rank of each image's pixels, 0 first, `(n, H, W)` integers; may be memory-mapped.
        count: number of pixels to replace.
        colour: color of replaced pixels, one value in [0, 1] for each channel of the images.
        keep: replace the last `count` pixels of the order instead of the first.

    Raises:
        ValueError: if the lengths differ or `count` exceeds the number of pixels.

    Example:
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> images = ArrayImages(np.full((3, 2, 2, 3), 255, np.uint8), np.array([0, 1, 2]))
        >>> removed = RemovedPixels(images, np.array([2]), np.array([[[0, 1], [2, 3]]]), 1, (0.0, 0.5, 0.0))
        >>> removed[0]["label"], removed[0]["image"][1]
        (tensor(2), tensor([[0.5000, 1.0000],
                [1.0000, 1.0000]]))
    """

    def __init__(
        self,
        images: LabelledImages,
        positions: NDArray[np.int64],
        ranks: NDArray[np.integer],
        count: int,
        colour: tuple[float, ...],
        keep: bool = False,
    ) -> None:
        super().__init__(images.labels[positions])
        num_pixels = ranks.shape[1] * ranks.shape[2]
        if len(ranks) != len(positions):
            raise ValueError(f"Expected `ranks` of each of {len(positions)} images, got {len(ranks)}.")
        if not 0 <= count <= num_pixels:
            raise ValueError(f"Expected `count` to be 0 to {num_pixels}, got {count}.")
        self.images = images
        self.groups = None if images.groups is None else images.groups[positions]
        self.positions = positions
        self.ranks = ranks
        self.count = count
        self.colour = torch.tensor(colour)
        self.keep = keep

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return image and mask at a position."""
        image, mask = self.images.read(int(self.positions[index]))
        if len(image) != len(self.colour):
            raise ValueError(
                f"Expected `colour` to hold a number for each of {len(image)} channels, got {len(self.colour)}."
            )
        ranks = torch.from_numpy(np.array(self.ranks[index], dtype=np.int64))
        gone = ranks >= ranks.numel() - self.count if self.keep else ranks < self.count
        return torch.where(gone, self.colour[:, None, None].expand_as(image), image), mask

    def finish(self, sample: Sample) -> Sample:
        """Finish a sample as the original data set does."""
        return self.images.finish(sample)
