"""The images of a study in shards: what is explained, compared and written at a time, by whichever process."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shard:
    """Some of the images of a study, which nothing outside of them has a part in.

    Args:
        number: of the shard.
        positions: (n,) of its images among those of the study, sorted.
        permutation: (n,) a derangement: the null values and the borrowed segments of the shard's image i are those of
            its image permutation[i].
    """

    number: int
    positions: NDArray[np.int64]
    permutation: NDArray[np.int64]


def make_shards(num_images: int, shard_size: int, seed: int) -> list[Shard]:
    """Deal the images of a study to shards by chance, so that each has images of all classes.

    Args:
        num_images: of the study.
        shard_size: images of a shard, at least; it has less than twice as many, unless there are fewer in all.
        seed: of the study.

    Raises:
        ValueError: `shard_size` or `num_images` is below 2: an image needs another one to be mismatched with.

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
