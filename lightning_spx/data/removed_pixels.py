"""Images of which some pixels were replaced by one colour, in an order that is known for each image."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.data.labelled_images import LabelledImages


class RemovedPixels(LabelledImages):
    """Images with a number of pixels replaced: the first in the order, or all but the first.

    Args:
        images: the images as they are.
        ranks: the order of each image's pixels, 0 first, `(n, H, W)` integers; may be mapped from a file.
        rows: the row in `ranks` of each image, `(len(images),)`; a negative row leaves the image as it is.
        count: pixels that are replaced.
        colour: of replaced pixels, one value in [0, 1] for each channel.
        keep: replace the last `count` pixels of the order instead of the first.

    Raises:
        ValueError: if the lengths differ or `count` is beyond the number of pixels.

    Example:
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> images = ArrayImages(np.full((1, 2, 2, 3), 255, np.uint8), np.array([0]))
        >>> ranks = np.array([[[0, 1], [2, 3]]])
        >>> RemovedPixels(images, ranks, np.array([0]), 1, (0.0, 0.5, 0.0))[0]["image"][1]
        tensor([[0.5000, 1.0000],
                [1.0000, 1.0000]])
    """

    def __init__(
        self,
        images: LabelledImages,
        ranks: NDArray[np.integer],
        rows: NDArray[np.int64],
        count: int,
        colour: tuple[float, float, float],
        keep: bool = False,
    ) -> None:
        super().__init__(images.labels)
        num_pixels = ranks.shape[1] * ranks.shape[2]
        if len(rows) != len(images):
            raise ValueError(f"Expected a row of `ranks` for each of {len(images)} images, got {len(rows)}.")
        if not 0 <= count <= num_pixels:
            raise ValueError(f"Expected `count` to be 0 to {num_pixels}, got {count}.")
        self.images = images
        self.ranks = ranks
        self.rows = rows
        self.count = count
        self.colour = torch.tensor(colour)
        self.keep = keep

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return image and mask at a position."""
        image, mask = self.images.read(index)
        row = int(self.rows[index])
        if row < 0:
            return image, mask
        ranks = torch.from_numpy(np.array(self.ranks[row], dtype=np.int64))
        gone = ranks >= ranks.numel() - self.count if self.keep else ranks < self.count
        return torch.where(gone, self.colour[:, None, None].expand_as(image), image), mask
