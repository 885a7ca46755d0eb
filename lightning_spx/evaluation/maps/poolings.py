"""The ways a study pools an attribution: by pixel, by each segmenter's segments, and by the controls of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.reporting.rows import PIXEL
from lightning_spx.superpixels import (
    Cached,
    Segmenter,
    blur_like,
    borrow,
    grid_like,
    num_segments,
    segment_pool,
    voronoi_like,
)


@dataclass(frozen=True)
class Pooling:
    """One way of pooling the study's attributions.

    Args:
        name: as in the result's column `superpixels`.
        control_of: the segmenter whose S- rows this is a control of, or None.
        pooling: mean over `segments`, a Gaussian blur as wide as `segments`, or nothing.
        segments: (N, H, W), also for the blur, which matches their number.
    """

    name: str
    control_of: str | None
    pooling: Literal["none", "segments", "blur"]
    segments: Tensor

    def pool(self, attribution: Tensor, images: slice) -> Tensor:
        """Pool attributions (M * n, C, H, W) of M models on the study's `images`, n of them, model after model."""
        if self.pooling == "none":
            return attribution
        segments = self.segments[images]
        segments = segments.repeat(len(attribution) // len(segments), 1, 1)
        return (
            blur_like(attribution, segments) if self.pooling == "blur" else segment_pool(attribution, segments, "mean")
        )

    def constant_on(self, images: slice) -> Tensor | None:
        """The segments (n, H, W) on which every pooled map of the study's `images` is constant, if there are any."""
        return self.segments[images] if self.pooling == "segments" else None

    def num_segments(self) -> Tensor:
        """Number of segments of each image, (N,); for pixels the number of pixels."""
        if self.pooling == "none":
            return torch.full((len(self.segments),), self.segments[0].numel())
        return num_segments(self.segments)


def make_poolings(
    segments: Mapping[str, Tensor], index: Tensor, permutation: NDArray[np.int64], seed: int
) -> list[Pooling]:
    """List the pixel row, each segmenter's row and its four controls.

    Args:
        segments: (N, H, W) of each segmenter, by name; not empty.
        index: (N,) the images' numbers, which seed their Voronoi cells.
        permutation: the derangement that says whose segments an image borrows.
        seed: of the study.
    """
    partitions = [Pooling(PIXEL, None, "none", next(iter(segments.values())))]
    for name, own in segments.items():
        partitions.append(Pooling(name, None, "segments", own))
        controls = {
            "grid": grid_like(own),
            "voronoi": voronoi_like(own, seed, index),
            "borrowed": borrow(own, torch.from_numpy(permutation)),
        }
        partitions += [Pooling(f"control:{key}({name})", name, "segments", cells) for key, cells in controls.items()]
        partitions.append(Pooling(f"control:blur({name})", name, "blur", own))
    return partitions


def segment_images(
    segmenters: Mapping[str, Segmenter],
    images: Tensor,
    batch_size: int,
    device: torch.device,
    source: str = "",
    index: Tensor | None = None,
) -> dict[str, Tensor]:
    """Segment all images with every segmenter, once.

    Args:
        segmenters: by name; those that are `Cached` know images of a `source` by their places in it.
        images: (N, 3, H, W).
        batch_size: images at a time.
        device: where those segmenters compute that can.
        source: what the images were taken from, as for `Cached.of_index`; empty if that is not known.
        index: (N,) the images' places in it.

    Returns:
        (N, H, W) by name, on the CPU.
    """

    def segment(segmenter: Segmenter, here: slice) -> Tensor:
        if isinstance(segmenter, Cached) and source and index is not None:
            return segmenter.of_index(images[here].to(device), source, index[here]).cpu()
        return segmenter(images[here].to(device)).cpu()

    batches = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
    return {name: torch.cat([segment(segmenter, here) for here in batches]) for name, segmenter in segmenters.items()}
