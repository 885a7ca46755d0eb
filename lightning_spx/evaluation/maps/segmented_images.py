"""Holds images that any segmenter segments once: those of a study, and those that its methods have of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.evaluation.maps.colors import ToRgb
from lightning_spx.evaluation.maps.guides import Guidance, guide_images, segment_images
from lightning_spx.superpixels import ImagePooling, Segmenter


@dataclass(frozen=True)
class SegmentedImages:
    """Images of a study with what their controls need, segmented by each segmenter once.

    Args:
        images: (N, C, H, W) in [0, 1].
        index: (N,) the images' numbers, which seed their Voronoi cells.
        permutation: the derangement that says whose segments an image borrows.
        seed: the study's seed.
        batch_size: as for `segment_images`, like those that follow.
        device: the device on which segmenters compute if they can.
        source: what the images were taken from.
        to_rgb: what segmenters of RGB get.

    Example:
        >>> from lightning_spx.superpixels import Grid
        >>> images = torch.zeros(2, 3, 4, 4)
        >>> SegmentedImages(images, torch.arange(2), np.array([1, 0]), seed=0).by(Grid(4)).amax()
        tensor(3)
    """

    images: Tensor
    index: Tensor
    permutation: NDArray[np.int64]
    seed: int
    batch_size: int = 64
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    source: str = ""
    to_rgb: ToRgb | None = None
    # equal segmenters are found by comparison, because a user's own need not be hashable
    _known: list[tuple[Segmenter, Tensor]] = field(default_factory=list)

    def by(self, segmenter: Segmenter) -> Tensor:
        """Return the segments (N, H, W) of all images by a segmenter, on the CPU."""
        for other, segments in self._known:
            if other == segmenter:
                return segments
        name = type(segmenter).__name__
        found = segment_images(
            {name: segmenter}, self.images, self.batch_size, self.device, self.source, self.index, self.to_rgb
        )
        self._known.append((segmenter, found[name]))
        return found[name]

    def guides(self, superpixels: Mapping[str, ImagePooling]) -> dict[str, Guidance]:
        """Return what decides the weights of segmenters and filters, by their names."""
        filters = {name: each for name, each in superpixels.items() if not isinstance(each, Segmenter)}
        found = guide_images(filters, self.images, self.batch_size, self.device, to_rgb=self.to_rgb)
        return {
            name: self.by(each) if isinstance(each, Segmenter) else found[name] for name, each in superpixels.items()
        }
