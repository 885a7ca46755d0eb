"""Divides a study's images into shards; any process can explain, compare and write one without the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shard:
    """Some of a study's images, whose results depend on no other image.

    Args:
        number: number of the shard.
        positions: (n,) the positions of its images among the study's, sorted.
        permutation: (n,) a derangement: image i of the shard is mismatched with image permutation[i] of the shard and
            borrows its segments.
    """

    number: int
    positions: NDArray[np.int64]
    permutation: NDArray[np.int64]


def make_shards(num_images: int, shard_size: int, seed: int) -> list[Shard]:
    """Deal a study's images to shards at random, so that each gets images of all classes.

    Args:
        num_images: number of images in the study.
        shard_size: least number of images in a shard. A shard has fewer only if the study does, and always fewer than
            twice as many.
        seed: the study's seed.

    Raises:
        ValueError: `shard_size` or `num_images` is below 2, but an image needs another one to be mismatched with.

    Example:
        >>> [shard.positions.tolist() for shard in make_shards(5, shard_size=2, seed=0)]
        [[2, 3, 4], [0, 1]]
        >>> make_shards(5, shard_size=64, seed=0)[0].positions.tolist()
        [0, 1, 2, 3, 4]
    """
    if shard_size < 2:
        raise ValueError(f"Expected `shard_size` to be at least 2, got {shard_size}.")
    num_shards = max(1, num_images // shard_size)
    dealt = np.array_split(np.random.default_rng(seed).permutation(num_images), num_shards)
    return [
        Shard(number, np.sort(positions), derangement(len(positions), seed, number))
        for number, positions in enumerate(dealt)
    ]


def derangement(num_images: int, seed: int, shard: int = 0) -> NDArray[np.int64]:
    """Draw a permutation of a shard's images that leaves none in its place (one cycle; Sattolo 1986).

    Args:
        num_images: number of images in the shard.
        seed: the study's seed.
        shard: number of the shard.

    Raises:
        ValueError: there are fewer than two images, so none can change its place.

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
