"""Says what decides a pooling's weights on the images of a study: segments, or the images that guide a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lightning_spx.evaluation.maps.colors import ToRgb, as_rgb, check_channels, segmented_as
from lightning_spx.superpixels import Cached, ImagePooling, Segmenter
from lightning_spx.superpixels.filter_promises import check_filter


@dataclass(frozen=True)
class Guide:
    """Images that guide a filter.

    Args:
        smoothing: the filter.
        images: (N, G, H, W) in [0, 1], as the filter takes them.
        batch_size: number of images filtered at a time, whatever the number of maps.
        lent_by: the guide of which these images are some, and which ones; None for images of their own.
    """

    smoothing: ImagePooling
    images: Tensor
    batch_size: int = 64
    lent_by: tuple[Guide, Tensor] | None = None

    @cached_property
    def effective_segments(self) -> Tensor:
        """Return how many segments would smooth each image as much, (N,) float64."""
        if self.lent_by is not None:
            # an image smooths as much wherever it is lent
            lender, images = self.lent_by
            return lender.effective_segments[images]
        found = [self.smoothing.effective_segments(some) for some in torch.split(self.images, self.batch_size)]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)

    def borrowed(self, lenders: Tensor) -> Guide:
        """Return the guide in which image n is guided by image `lenders[n]`."""
        return replace(self, images=self.images[lenders], lent_by=(self, lenders))

    def pool(self, maps: Tensor, images: slice | Tensor) -> Tensor:
        """Filter maps of n of the images, a few images at a time.

        Args:
            maps: (n, K, H, W), on any device, where they stay.
            images: which of the images these are; as positions (n,), an image may be there several times.

        Returns:
            (n, K, H, W) float32.
        """
        return self._filtered(self.smoothing.pool, maps, images)

    def pooled_variance(self, variance: Tensor, images: slice | Tensor) -> Tensor:
        """Return the variance of filtered noise on n of the images, with arguments as for `pool`."""
        return self._filtered(self.smoothing.pooled_variance, variance, images)

    def _filtered(self, function: Callable[[Tensor, Tensor], Tensor], values: Tensor, images: slice | Tensor) -> Tensor:
        if not len(values):
            return values.float()
        # positions first, because a slice of the images is no copy, and all of them may be on another device
        chosen = torch.split(torch.arange(len(self.images))[images], self.batch_size)
        parts = torch.split(values, self.batch_size)
        found = [function(part, self.images[here].to(part.device)) for part, here in zip(parts, chosen, strict=True)]
        return torch.cat(found)


# of N images: segments (N, H, W) int64, or what guides a filter
Guidance = Tensor | Guide


def segments_among(guides: Mapping[str, Guidance]) -> dict[str, Tensor]:
    """Select the segments, which pictures can show."""
    return {name: each for name, each in guides.items() if isinstance(each, Tensor)}


def check_poolings(superpixels: Mapping[Any, object]) -> None:
    """Refuse what is neither a segmenter nor a filter.

    Raises:
        TypeError: a class does not derive from `ImagePooling`.

    Example:
        >>> from lightning_spx.superpixels import GuidedFilter, Slic
        >>> check_poolings({"Slic": Slic(), "GuidedFilter": GuidedFilter()})
        >>> check_poolings({"function": torch.neg})
        Traceback (most recent call last):
        ...
        TypeError: Expected `superpixels` to be segmenters or filters, got builtin_function_or_method: derive ...
    """
    for each in superpixels.values():
        if not isinstance(each, ImagePooling):
            is_class = isinstance(each, type)
            name = f"the class {each.__name__}" if isinstance(each, type) else type(each).__name__
            advice = "make an object of it" if is_class else "derive a class from `Segmenter`, or from `ImageFilter`"
            raise TypeError(f"Expected `superpixels` to be segmenters or filters, got {name}: {advice}.")


def try_poolings(superpixels: Mapping[str, ImagePooling], images: Tensor, to_rgb: ToRgb | None = None) -> None:
    """Refuse poolings that cannot serve for some images, before anything is computed; users' filters are tried on them.

    Args:
        superpixels: segmenters and filters by name.
        images: (N, C, H, W) in [0, 1], of which the first ones are tried.
        to_rgb: as for `guide_images`.

    Raises:
        TypeError: one of them is neither a segmenter nor a filter.
        ValueError: one of them does not take that number of channels, or a filter breaks a promise of `ImageFilter`.
    """
    check_poolings(superpixels)
    check_channels(superpixels, images.shape[1], to_rgb)
    for each in superpixels.values():
        # this package's own are tested
        if len(images) and not isinstance(each, Segmenter) and not type(each).__module__.startswith("lightning_spx."):
            check_filter(each, segmented_as(each, images[:2], to_rgb))


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


def guide_images(
    superpixels: Mapping[str, ImagePooling],
    images: Tensor,
    batch_size: int,
    device: torch.device,
    source: str = "",
    index: Tensor | None = None,
    to_rgb: ToRgb | None = None,
) -> dict[str, Guidance]:
    """Say what decides each pooling's weights on all images: a segmenter's segments, or the images that guide a filter.

    Args:
        superpixels: segmenters and filters by name.
        images: as for `segment_images`, like those that follow.
        batch_size: number of images segmented, and filtered, at a time.
        device: the device on which segmenters compute if they can.
        source: what the images were taken from.
        index: (N,) the images' places in the source.
        to_rgb: what segmenters and filters get that need RGB.

    Returns:
        Segments (N, H, W), or guides of N images, by name, on the CPU.

    Raises:
        TypeError: one of them is neither a segmenter nor a filter.
        ValueError: one of them does not take that number of channels, or `to_rgb` gives no colors.
    """
    segmenters = {name: each for name, each in superpixels.items() if isinstance(each, Segmenter)}
    try_poolings(superpixels, images, to_rgb)
    segments = segment_images(segmenters, images, batch_size, device, source, index, to_rgb)
    return {
        name: segments[name] if name in segments else Guide(each, segmented_as(each, images, to_rgb).cpu(), batch_size)
        for name, each in superpixels.items()
    }


def _source_of_colors(source: str, channels: int, to_rgb: ToRgb | None) -> str:
    """Say where the colors of images come from; empty, so that pixels decide, where no text can tell."""
    if not source or callable(to_rgb):
        return ""
    if to_rgb is None:
        return source if channels == 3 else f"{source}, RGB of {channels} channels"
    return f"{source}, RGB of {channels} channels: {[int(band) for band in to_rgb]}"
