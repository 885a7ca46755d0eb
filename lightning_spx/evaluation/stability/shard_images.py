"""Holds the images of a shard, with all that does not depend on the models."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lightning_spx.evaluation.maps.colors import ToRgb, shown
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.evaluation.maps.kept_examples import keep_examples
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.segmented_images import SegmentedImages
from lightning_spx.runs.example_maps import Examples, spread_positions


@dataclass(frozen=True)
class ShardImages:
    """A shard with its images in memory.

    Args:
        images: (n, C, H, W) in [0, 1].
        mask: (n, H, W) bool, the masks of the images' objects, or None.
        poolings: the ways in which maps of these images are pooled.
        segmented: segments the images by other segmenters.
    """

    images: Tensor
    mask: Tensor | None
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
        return keep_examples(shown(self.images[images], to_rgb), attributions[:, chosen], poolings, images)
