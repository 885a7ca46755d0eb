"""Pools attributions in all ways that a study compares: by pixel, by segments, and by the controls of segments."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.attribution.xrai_regions import Regions
from lightning_spx.evaluation.maps.colors import ToRgb, as_rgb, check_channels
from lightning_spx.reporting.rows import BEFORE, BLUR, BORROWED, EITHER, GRID, PIXEL, VORONOI, control_name
from lightning_spx.superpixels import (
    Cached,
    Segmenter,
    borrow,
    grid_like,
    num_segments,
    voronoi_like,
)
from lightning_spx.superpixels.blur import blurred
from lightning_spx.superpixels.pooling import segment_means, segment_sizes

EVERY_IMAGE = slice(None)


@dataclass(frozen=True)
class Pooling:
    """One way of pooling the study's attributions.

    Args:
        name: name in the column `superpixels` of the results.
        kind: `segments` takes means over the segments, `blur` a Gaussian blur as wide as they are, `none` does nothing.
            `own` is of maps that have one value for each segment already, and permutes these in its null; `ranked`
            ranks regions.
        segments: (N, H, W); the blur takes its width from their number.
        regions: of each image, for `ranked`.
        rank: ranks (M, n, C, H, W) by the regions of n images, (M, n, H, W) and not negative, for `ranked`.
    """

    name: str
    kind: Literal["none", "segments", "blur", "own", "ranked"]
    segments: Tensor
    regions: Sequence[Regions] = ()
    rank: Callable[[Tensor, Sequence[Regions]], Tensor] | None = None

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
            (M, n, C, S) for a pooling over segments, 0 for ids that an image does not have; else (M, n, C, H * W).
        """
        absolute = order == BEFORE
        if self.is_by_segments:
            self.num_segments()  # which checks the segments, once: loops would write beyond their memory
            return segment_means(attributions, self.segments[images].to(attributions.device), absolute)
        if self.rank is not None:
            chosen = torch.arange(len(self.segments))[images].tolist()
            return self.rank(attributions, [self.regions[image] for image in chosen]).flatten(2)[:, :, None]
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
            Pooled values (M * n, C, H, W), with one channel if regions are ranked; magnitudes have yet to be taken.
        """
        segments = self.segments[images].to(attribution.device)
        values = self.values(attribution.view(-1, len(segments), *attribution.shape[1:]), order, images)
        if self.is_by_segments:
            values = values.gather(3, segments.flatten(1)[:, None].expand(*values.shape[:3], -1))
        return values.reshape(len(attribution), -1, *attribution.shape[2:])

    def num_segments(self) -> Tensor:
        """Count the segments of each image, (N,), or its regions; without pooling, count its pixels."""
        return self._num_segments

    @cached_property
    def _num_segments(self) -> Tensor:
        if self.kind == "none" and self.name == PIXEL:
            return torch.full((len(self.segments),), self.segments[:1].numel())
        if self.kind == "ranked":
            return torch.tensor([len(each.membership) for each in self.regions])
        return num_segments(self.segments)


def pixel_pooling(like: Tensor) -> Pooling:
    """Return the pooling of the pixel row, which leaves maps as they are.

    Args:
        like: any tensor (N, H, W) with the size of the images.
    """
    return Pooling(PIXEL, "none", like)


def with_controls(name: str, own: Tensor, borrowed: Tensor, index: Tensor, seed: int) -> list[Pooling]:
    """List a segmenter's pooling and its four controls.

    Args:
        name: the segmenter's name in tables.
        own: (N, H, W) the segmenter's segments of the images.
        borrowed: (N, H, W) the segmenter's segments of other images.
        index: (N,) the images' numbers, which seed their Voronoi cells.
        seed: the study's seed.
    """
    return [
        Pooling(name, "segments", own),
        Pooling(control_name(GRID, name), "segments", grid_like(own)),
        Pooling(control_name(VORONOI, name), "segments", voronoi_like(own, seed, index)),
        Pooling(control_name(BORROWED, name), "segments", borrowed),
        Pooling(control_name(BLUR, name), "blur", own),
    ]


def make_poolings(
    segments: Mapping[str, Tensor], index: Tensor, permutation: NDArray[np.int64], seed: int
) -> list[Pooling]:
    """List the pixel row, each segmenter's row and its four controls.

    Args:
        segments: each segmenter's segments (N, H, W), by its name; not empty.
        index: (N,) the images' numbers, which seed their Voronoi cells.
        permutation: the derangement that says whose segments an image borrows.
        seed: the study's seed.
    """
    lenders = torch.from_numpy(permutation)
    poolings = [pixel_pooling(next(iter(segments.values())))]
    for name, own in segments.items():
        poolings += with_controls(name, own, borrow(own, lenders), index, seed)
    return poolings


def orders_of(superpixels: str, magnitudes: Sequence[Magnitude], non_negative: bool) -> Sequence[str]:
    """Return the orders that get rows of their own; if both give the same map, `either` stands for both.

    Both give the same map without pooling, and for a method without signs.

    Args:
        superpixels: name of the pooling.
        magnitudes: the orders that a study asks for.
        non_negative: whether the method has no signs.

    Example:
        >>> orders_of("Slic", ["after", "before"], False), orders_of("pixel", ["after", "before"], False)
        (['after', 'before'], ('either',))
    """
    return (EITHER,) if non_negative or superpixels == PIXEL else magnitudes


def in_orders(
    poolings: Iterable[Pooling], magnitudes: Sequence[Magnitude], non_negative: bool
) -> list[tuple[Pooling, str]]:
    """Pair each pooling with every order of `orders_of`; each pair is a row of the results."""
    return [(pooling, order) for pooling in poolings for order in orders_of(pooling.name, magnitudes, non_negative)]


def segment_images(
    segmenters: Mapping[str, Segmenter],
    images: Tensor,
    batch_size: int,
    device: torch.device,
    source: str = "",
    index: Tensor | None = None,
    to_rgb: ToRgb | None = None,
) -> dict[str, Tensor]:
    """Segment all images with every segmenter, once: the images themselves, or their colors if it needs RGB.

    Args:
        segmenters: segmenters by name; `Cached` ones recognize an image by its place in the `source`.
        images: (N, C, H, W) in [0, 1].
        batch_size: number of images segmented at a time.
        device: the device on which segmenters compute if they can.
        source: what the images were taken from, as for `Cached.of_index`; empty if that is not known.
        index: (N,) the images' places in the source.
        to_rgb: what segmenters get that need RGB, see `as_rgb`; by default RGB as it is, and a gray channel repeated.

    Returns:
        Segments (N, H, W) by the segmenters' names, on the CPU.

    Raises:
        ValueError: a segmenter does not take that number of channels, or `to_rgb` gives no colors.
    """
    check_channels(segmenters, images.shape[1], to_rgb)
    colors = as_rgb(images, to_rgb) if any(segmenter.channels == 3 for segmenter in segmenters.values()) else images
    source_of_colors = _source_of_colors(source, images.shape[1], to_rgb)

    def segment(segmenter: Segmenter, here: slice) -> Tensor:
        needs_rgb = segmenter.channels == 3
        given = (colors if needs_rgb else images)[here].to(device)
        known_from = source_of_colors if needs_rgb else source
        if isinstance(segmenter, Cached) and known_from and index is not None:
            return segmenter.of_index(given, known_from, index[here]).cpu()
        return segmenter(given).cpu()

    batches = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
    return {name: torch.cat([segment(segmenter, here) for here in batches]) for name, segmenter in segmenters.items()}


def _source_of_colors(source: str, channels: int, to_rgb: ToRgb | None) -> str:
    """Say where the colors of images come from; empty, so that pixels decide, where no text can tell."""
    if not source or callable(to_rgb):
        return ""
    if to_rgb is None:
        return source if channels == 3 else f"{source}, RGB of {channels} channels"
    return f"{source}, RGB of {channels} channels: {[int(band) for band in to_rgb]}"
