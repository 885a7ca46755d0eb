"""Maps that are pooled in one way, with one value for each segment where that says all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_spx.attribution import magnitude
from lightning_spx.attribution.saliency import scaled_magnitude
from lightning_spx.evaluation.maps.poolings import Pooling


@dataclass(frozen=True)
class PooledMaps:
    """K maps of each of n images, pooled in one way.

    Args:
        magnitude: (K, n, D), not normalized, with one value for each segment; without segments, for each pixel.
        saliency: (K, n, D) in [0, 1].
        shape: (H, W) of the images.
        segments: (n, H, W) int64, or None.
        sizes: (n, D) float64, how many pixels each value stands for; None without segments: one each.
    """

    magnitude: Tensor
    saliency: Tensor
    shape: tuple[int, int]
    segments: Tensor | None = None
    sizes: Tensor | None = None

    @classmethod
    def of(cls, attributions: Iterable[Tensor], pooling: Pooling, order: str, images: slice | Tensor) -> PooledMaps:
        """Pool attributions.

        Args:
            attributions: tensors (M, n, C, H, W), whose maps are held one after the other.
            pooling: how to pool them.
            order: order of pooling and taking magnitudes.
            images: which of the pooling's images these are.
        """
        pooled = [pooling.values(each, order, images) for each in attributions]
        number, width = pooled[0].shape[1], pooled[0].shape[3]
        magnitudes = torch.cat([magnitude(each.flatten(0, 1)[..., None])[..., 0] for each in pooled])
        shape = (int(pooling.segments.shape[-2]), int(pooling.segments.shape[-1]))
        if not pooling.is_by_segments:
            saliency = scaled_magnitude(magnitudes)
            return cls(magnitudes.view(-1, number, width), saliency.view(-1, number, width), shape)
        # maps stay where they are
        segments = pooling.segments[images].to(magnitudes.device)
        sizes = pooling.sizes[images][:, :width].to(magnitudes.device)
        saliency = scaled_magnitude(magnitudes, sizes=sizes.repeat(len(magnitudes) // number, 1))
        return cls(magnitudes.view(-1, number, width), saliency.view(-1, number, width), shape, segments, sizes)

    def on_pixels(self, values: Tensor) -> Tensor:
        """Return `magnitude` or `saliency`, or some of their maps, on the pixels: (..., n, H, W)."""
        if self.segments is not None:
            ids = self.segments.flatten(1)
            values = values.gather(-1, ids.expand(*values.shape[:-1], -1))
        return values.reshape(*values.shape[:-1], *self.shape)
