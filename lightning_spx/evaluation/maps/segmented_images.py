"""Holds images that any segmenter segments once: those of a study, and those that its methods have of their own."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.superpixels import Segmenter


class SegmentedImages:
    """Images of a study with what their controls need, segmented by each segmenter once.

    Args:
        segment: returns the segments (N, H, W) of all images by a segmenter, on the CPU.
        index: (N,) the images' numbers, which seed their Voronoi cells.
        permutation: the derangement that says whose segments an image borrows.
        seed: the study's seed.

    Example:
        >>> import torch
        >>> from lightning_spx.superpixels import Grid
        >>> images = torch.zeros(2, 3, 4, 4)
        >>> SegmentedImages(lambda by: by(images), torch.arange(2), np.array([1, 0]), seed=0).by(Grid(4)).amax()
        tensor(3)
    """

    def __init__(
        self, segment: Callable[[Segmenter], Tensor], index: Tensor, permutation: NDArray[np.int64], seed: int
    ) -> None:
        self.index = index
        self.permutation = permutation
        self.seed = seed
        self._segment = segment
        # equal segmenters are found by comparison, because a user's own need not be hashable
        self._known: list[tuple[Segmenter, Tensor]] = []

    def by(self, segmenter: Segmenter) -> Tensor:
        """Return the segments (N, H, W) of all images by a segmenter."""
        for other, segments in self._known:
            if other == segmenter:
                return segments
        segments = self._segment(segmenter)
        self._known.append((segmenter, segments))
        return segments
