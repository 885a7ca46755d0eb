"""Holds the images of a shard, with all that does not depend on the models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_spx.evaluation.maps.colors import ToRgb, shown
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.segmented_images import SegmentedImages
from lightning_spx.evaluation.maps.ways import as_given
from lightning_spx.reporting.rows import OWN
from lightning_spx.runs.example_maps import Examples, spread_positions


@dataclass(frozen=True)
class ShardImages:
    """A shard with its images in memory.

    Args:
        images: (n, C, H, W) in [0, 1].
        mask: (n, H, W) bool, the masks of the images' objects, or None.
        segments: each segmenter's segments (n, H, W), by its name.
        poolings: the ways in which maps of these images are pooled.
        segmented: segments the images by other segmenters.
    """

    images: Tensor
    mask: Tensor | None
    segments: Mapping[str, Tensor]
    poolings: Sequence[Pooling]
    segmented: SegmentedImages

    def examples(
        self, attributions: Tensor, poolings: Sequence[Pooling], items: Items | None, to_rgb: ToRgb | None = None
    ) -> Examples:
        """Choose some maps, spread over the shard, with their images.

        Args:
            attributions: (M, n, C, H, W), or (M, I, C, H, W) of items.
            poolings: those that see the maps; where the first one is that of a method's own segments, it alone does.
            items: the items, if models explain findings.
            to_rgb: what pictures show of the images.
        """
        chosen = spread_positions(attributions.shape[1])
        images = chosen if items is None else items.image[chosen].tolist()
        pictures, maps = shown(self.images[images], to_rgb).numpy(), attributions[:, chosen]
        of_study = {} if poolings[0].name == OWN else self.segments
        segments = {name: segments[images].numpy() for name, segments in of_study.items()}
        return Examples(pictures, segments, as_given(maps, poolings[0], torch.tensor(images)).numpy())
