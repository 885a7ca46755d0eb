"""Computes the statistics of a study over repeats and images, and what resampling the images makes of them.

Every statistic takes weights of shape (B, N): B resamples of N images, which are the same images for every repeat and
pair of models. The first resample has unit weights, so index 0 of any result is the number itself, and the other
indices hold its draws from the same formula. What other trainings would change is in `trainings`.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Positions = NDArray[np.int64]

CONFIDENCE = 0.95
SLAB_ELEMENTS = 2**20  # weights drawn at a time; bounds memory, however many images there are
KEPT_ELEMENTS = 2**26  # weights of all resamples that are kept for the next number, a byte each


def weight_slabs(num_images: int, num_resamples: int, seed: int, num_items: int = 0) -> Iterator[Array]:
    """Draw how often each image counts in each resample, some resamples at a time.

    Args:
        num_images: number of images, N.
        num_resamples: number of resamples, B - 1.
        seed: seeds the draws.
        num_items: number of values that get weights, if an image has several; bounds memory and changes no draw.

    Yields:
        Counts (b, num_images), 1 + num_resamples in all; those of the first resample are all one.
    """
    rows = max(1, SLAB_ELEMENTS // max(num_images, num_items))
    # weights of the number itself, which is no draw
    unit = np.ones((1, num_images))
    keeps = num_images * num_resamples <= KEPT_ELEMENTS
    slabs = _kept(num_images, num_resamples, seed, rows) if keeps else _drawn(num_images, num_resamples, seed, rows)
    for number, draws in enumerate(slabs):
        yield np.concatenate([unit, draws]) if number == 0 else draws.astype(np.float64)


def _drawn(num_images: int, num_resamples: int, seed: int, rows: int) -> Iterator[NDArray[np.integer]]:
    """Draw counts of images, some resamples at a time; at least one slab, which may be empty."""
    generator = np.random.default_rng(seed)
    uniform = np.full(num_images, 1 / num_images)
    for start in range(0, max(num_resamples, 1), rows):
        yield generator.multinomial(num_images, uniform, size=min(rows, num_resamples - start))


def _kept(num_images: int, num_resamples: int, seed: int, rows: int) -> Iterator[NDArray[np.integer]]:
    counts = _counts(num_images, num_resamples, seed)
    for start in range(0, max(num_resamples, 1), rows):
        yield counts[start : start + rows]


@lru_cache(maxsize=2)
def _counts(num_images: int, num_resamples: int, seed: int) -> NDArray[np.uint8]:
    """Keep the draws, which all numbers of a study share, a byte each: the chance of a count above 255 is 1e-500."""
    counts = np.empty((num_resamples, num_images), np.uint8)
    rows = max(1, SLAB_ELEMENTS // num_images)
    for number, draws in enumerate(_drawn(num_images, num_resamples, seed, rows)):
        counts[number * rows : number * rows + len(draws)] = draws
    return counts


def bootstrap_weights(num_images: int, num_resamples: int, seed: int) -> Array:
    """Draw all resamples of `weight_slabs` at once.

    Returns:
        Counts (1 + num_resamples, num_images); those of the first resample are all one.

    Example:
        >>> weights = bootstrap_weights(5, 3, seed=0)
        >>> weights.shape, weights[0].tolist(), weights.sum(1).tolist()
        ((4, 5), [1.0, 1.0, 1.0, 1.0, 1.0], [5.0, 5.0, 5.0, 5.0])
    """
    return np.concatenate(list(weight_slabs(num_images, num_resamples, seed)))


def weighted_mean(values: Array, weights: Array) -> Array:
    """Average values over repeats, pairs and images.

    Args:
        values: (R, P, N); NaN where an image does not count for a pair.
        weights: (B, N).

    Returns:
        (B,) means; NaN where nothing counts.
    """
    counts = ~np.isnan(values)
    total = weights @ np.where(counts, values, 0.0).sum(1).sum(0)
    return ratio(total, weights @ counts.sum((0, 1)).astype(np.float64))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide; the result is NaN where the denominator is not positive."""
    full = np.broadcast_to(denominator, numerator.shape)
    ratio: Array = np.divide(numerator, full, out=np.full(numerator.shape, np.nan), where=full > 0)
    return ratio
