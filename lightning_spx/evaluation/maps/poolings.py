"""Pools attributions in all ways that a study compares: by pixel, by segments, by filters, and by their controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from lightning_spx.attribution.xrai_regions import Regions
from lightning_spx.evaluation.maps.guides import Guide
from lightning_spx.reporting.rows import AFTER, BEFORE, PIXEL
from lightning_spx.superpixels import num_segments
from lightning_spx.superpixels.blur import blurred, blurred_variance
from lightning_spx.superpixels.pooling import segment_means, segment_sizes, segment_variance

EVERY_IMAGE = slice(None)


@dataclass(frozen=True)
class Pooling:
    """One way of pooling the study's attributions.

    Args:
        name: name in the column `superpixels` of the results.
        kind: `segments` takes means over the segments, `filter` those of a filter, `blur` a Gaussian blur as wide as
            these are, `none` does nothing.
            `own` is of maps that have one value for each segment already, and permutes these in its null; `ranked`
            ranks regions; `reference` puts a map that no model has made in the place of every map.
        segments: (N, H, W); any tensor of that size where there are none.
        like: the pooling whose width a blur has; None takes that of the segments.
        effective: (N,) how many segments would smooth as much, of a blur of a width of its own.
        guide: of a filter.
        regions: of each image, for `ranked`.
        rank: ranks (M, n, C, H, W) by the regions of n images, (M, n, H, W) and not negative, for `ranked`.
        reference: (N, H, W), not negative, for `reference`.
    """

    name: str
    kind: Literal["none", "segments", "filter", "blur", "own", "ranked", "reference"]
    segments: Tensor
    like: Pooling | None = None
    effective: Tensor | None = None
    guide: Guide | None = None
    regions: Sequence[Regions] = ()
    rank: Callable[[Tensor, Sequence[Regions]], Tensor] | None = None
    reference: Tensor | None = None

    @property
    def is_by_segments(self) -> bool:
        """Whether every pixel of a segment gets the same value."""
        return self.kind in ("segments", "own")

    @cached_property
    def sizes(self) -> Tensor:
        """Return how many pixels each segment has, (N, S) float64; 0 for ids that an image does not have."""
        return segment_sizes(self.segments, int(self.num_segments().max()) if len(self.segments) else 0)

    def values(self, attributions: Tensor, order: str, images: slice | Tensor = EVERY_IMAGE) -> Tensor:
        """Pool attributions of M models on n of the study's images to one value for each segment, or for each pixel.

        Args:
            attributions: (M, n, C, H, W).
            order: as in `pool`.
            images: as in `pool`.

        Returns:
            (M, n, C, S) for a pooling over segments, 0 for ids that an image does not have; else (M, n, C, H * W), with
            one channel if regions are ranked, or for a reference.
        """
        absolute = order == BEFORE
        if self.reference is not None:
            return self.reference[images].to(attributions).flatten(1)[:, None].expand(len(attributions), -1, -1, -1)
        if self.is_by_segments:
            self.num_segments()  # which checks the segments, once: loops would write beyond their memory
            return segment_means(attributions, self.segments[images].to(attributions.device), absolute)
        if self.rank is not None:
            chosen = torch.arange(len(self.segments))[images].tolist()
            return self.rank(attributions, [self.regions[image] for image in chosen]).flatten(2)[:, :, None]
        if self.guide is not None:
            # maps of several models of an image are channels, because the weights are the same for all
            maps = (attributions.abs() if absolute else attributions).movedim(0, 1)
            pooled = self.guide.pool(maps.flatten(1, 2), images).view(maps.shape)
            return pooled.movedim(1, 0).flatten(3)
        if self.kind == "blur":
            return blurred(attributions, self.num_segments()[images], absolute).flatten(3)
        return (attributions.abs() if absolute else attributions).flatten(3)

    def pool(self, attribution: Tensor, order: str, images: slice | Tensor = EVERY_IMAGE) -> Tensor:
        """Pool attributions of M models on n of the study's images.

        Args:
            attribution: (M * n, C, H, W), model after model.
            order: `before` pools absolute values; any other order pools signed ones.
            images: which of the study's images these are; as positions (n,), an image may be there several times.

        Returns:
            Pooled values (M * n, C, H, W), with one channel as `values` says; magnitudes have yet to be taken.
        """
        segments = self.segments[images].to(attribution.device)
        values = self.values(attribution.view(-1, len(segments), *attribution.shape[1:]), order, images)
        if self.is_by_segments:
            values = values.gather(3, segments.flatten(1)[:, None].expand(*values.shape[:3], -1))
        return values.reshape(len(attribution), -1, *attribution.shape[2:])

    def variance(self, variance: Tensor, images: slice | Tensor = EVERY_IMAGE) -> Tensor:
        """Return the variance of pooled noise on n of the study's images.

        Args:
            variance: (n, C, H, W) of independent values, pixel by pixel.
            images: as in `pool`.

        Returns:
            (n, C, H, W).
        """
        if self.is_by_segments:
            self.num_segments()
            return segment_variance(variance, self.segments[images].to(variance.device))
        if self.guide is not None:
            return self.guide.pooled_variance(variance, images)
        if self.kind == "blur":
            return blurred_variance(variance, self.num_segments()[images])
        return variance

    def noise(self, variance: Tensor, images: slice | Tensor = EVERY_IMAGE) -> Tensor:
        """Return what `variance` does with one value for each segment, or for each pixel, as `values` has them.

        Args:
            variance: as in `variance`.
            images: as in `pool`.

        Returns:
            (n, C, S) for a pooling over segments, 0 for ids that an image does not have; else (n, C, H * W).
        """
        if not self.is_by_segments:
            return self.variance(variance, images).flatten(2)
        means = self.values(variance[None], AFTER, images)[0]
        return means / self.sizes[images][:, None, : means.shape[-1]].clamp(min=1).to(means)

    def num_segments(self) -> Tensor:
        """Count the segments of each image, (N,), or its regions; without pooling, count its pixels.

        Of filters and blurs it is the number of segments that would smooth as much, which need not be whole.
        """
        return self._num_segments

    @cached_property
    def _num_segments(self) -> Tensor:
        if self.kind == "reference" or (self.kind == "none" and self.name == PIXEL):
            return torch.full((len(self.segments),), self.segments[:1].numel())
        if self.kind == "ranked":
            return torch.tensor([len(each.membership) for each in self.regions])
        if self.guide is not None:
            return self.guide.effective_segments
        if self.like is not None:
            return self.like.num_segments()
        return num_segments(self.segments) if self.effective is None else self.effective
