"""The ways a study pools an attribution: by pixel, by each segmenter's segments, and by the controls of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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

PIXEL = "pixel"


@dataclass(frozen=True)
class Partition:
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


def is_control_of(name: str, superpixels: str) -> bool:
    """Whether a name in the column `superpixels` is that of a control of these super-pixels.

    Example:
        >>> is_control_of("control:grid(Slic)", "Slic"), is_control_of("Slic", "Slic")
        (True, False)
    """
    return name.startswith("control:") and name.endswith(f"({superpixels})")


def derangement(num_images: int, seed: int, shard: int = 0) -> NDArray[np.int64]:
    """Draw a permutation of a shard's images that leaves none in its place (one cycle; Sattolo 1986).

    Args:
        num_images: of the shard.
        seed: of the study.
        shard: number of the shard.

    Raises:
        ValueError: with fewer than two images there is none.

    Example:
        >>> derangement(4, seed=0).tolist()
        [1, 3, 0, 2]
    """
    if num_images < 2:
        raise ValueError(f"Expected `num_images` to be at least 2, so that images can be mismatched, got {num_images}.")
    generator = np.random.default_rng((seed, shard))
    cycle = generator.permutation(num_images)
    permutation = np.empty(num_images, dtype=np.int64)
    permutation[cycle] = np.roll(cycle, -1)
    return permutation


def permute_pixels(attribution: Tensor, index: Sequence[int], model: int, seed: int) -> Tensor:
    """Permute each attribution's values over the pixels: no signal is left, and no smoothness.

    Args:
        attribution: (N, C, H, W); the channels of a pixel stay together.
        index: each image's number, so that the permutation does not depend on the batch.
        model: number of the model: two models' permutations are independent.
        seed: of the study.

    Returns:
        (N, C, H, W).

    Example:
        >>> permute_pixels(torch.arange(4.0).view(1, 1, 2, 2), index=[7], model=0, seed=0).flatten().sort().values
        tensor([0., 1., 2., 3.])
    """
    num_pixels = attribution[0, 0].numel()
    orders = np.stack([np.random.default_rng([seed, model, image]).permutation(num_pixels) for image in index])
    order = torch.from_numpy(orders).to(attribution.device)[:, None].expand(-1, attribution.shape[1], -1)
    return attribution.flatten(2).gather(2, order).view_as(attribution)


def make_partitions(
    segments: Mapping[str, Tensor], index: Tensor, permutation: NDArray[np.int64], seed: int
) -> list[Partition]:
    """List the pixel row, each segmenter's row and its four controls.

    Args:
        segments: (N, H, W) of each segmenter, by name; not empty.
        index: (N,) the images' numbers, which seed their Voronoi cells.
        permutation: the derangement that says whose segments an image borrows.
        seed: of the study.
    """
    partitions = [Partition(PIXEL, None, "none", next(iter(segments.values())))]
    for name, own in segments.items():
        partitions.append(Partition(name, None, "segments", own))
        controls = {
            "grid": grid_like(own),
            "voronoi": voronoi_like(own, seed, index),
            "borrowed": borrow(own, torch.from_numpy(permutation)),
        }
        partitions += [Partition(f"control:{key}({name})", name, "segments", cells) for key, cells in controls.items()]
        partitions.append(Partition(f"control:blur({name})", name, "blur", own))
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
