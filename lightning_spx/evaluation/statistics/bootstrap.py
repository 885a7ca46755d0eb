"""Computes the statistics of a study over repeats and images, and what resampling the images makes of them.

Every statistic takes weights of shape (B, N): B resamples of N images, which are the same images for every repeat and
pair of models. The first resample has unit weights, so index 0 of any result is the number itself, and the other
indices hold its draws from the same formula. What other trainings would change is in `trainings`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

CONFIDENCE = 0.95
SLAB_ELEMENTS = 2**20  # weights drawn at a time; bounds memory, however many images there are


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
    generator = np.random.default_rng(seed)
    uniform = np.full(num_images, 1 / num_images)
    rows = max(1, SLAB_ELEMENTS // max(num_images, num_items))
    # weights of the number itself, which is no draw
    unit = np.ones((1, num_images))
    for start in range(0, max(num_resamples, 1), rows):
        draws = generator.multinomial(num_images, uniform, size=min(rows, num_resamples - start))
        yield np.concatenate([unit, draws]) if start == 0 else draws.astype(np.float64)


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


def weighted_mege(distances: Array, agree: Flags, weights: Array) -> Array:
    """Compute MeGe = 1 / (1 + mean distance over each pair's images that both models predict correctly).

    Args:
        distances: (R, P, N).
        agree: (R, P, N), flags of the set S=.
        weights: (B, N).

    Returns:
        (B,) values in (0, 1] (Fel et al., WACV 2022).
    """
    return 1 / (1 + weighted_mean(np.where(agree, distances, np.nan), weights))


def weighted_reco(distances: Array, agree: Flags, differ: Flags, weights: Array) -> Array:
    """Compute ReCo, the largest P(d <= t | S=) - P(d <= t | S!=) over all thresholds t.

    Args:
        distances: (R, P, N).
        agree: (R, P, N), flags of the set S=.
        differ: (R, P, N), flags of the set S!=.
        weights: (B, N).

    Returns:
        (B,) values in [0, 1]; NaN where one of the sets is empty (Fel et al., WACV 2022).
    """
    kept = (agree | differ) & ~np.isnan(distances)
    image = np.nonzero(kept)[2]
    order = np.argsort(distances[kept], kind="stable")
    ordered = distances[kept][order]
    in_agree = agree[kept][order]
    # thresholds are observed values, so tied distances are counted together: only the last of each tie is a threshold
    last_of_tie = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, bool)
    result = np.full(len(weights), np.nan)
    if not in_agree.any() or in_agree.all():
        return result
    rows = max(1, 4_000_000 // len(ordered))  # bounds memory
    for start in range(0, len(weights), rows):
        item = weights[start : start + rows, image][:, order]
        same, other = np.where(in_agree, item, 0.0).cumsum(1), np.where(in_agree, 0.0, item).cumsum(1)
        lead = ratio(same, same[:, -1:]) - ratio(other, other[:, -1:])
        result[start : start + rows] = np.maximum(lead[:, last_of_tie].max(1), 0.0)
    return result


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide; the result is NaN where the denominator is not positive."""
    full = np.broadcast_to(denominator, numerator.shape)
    ratio: Array = np.divide(numerator, full, out=np.full(numerator.shape, np.nan), where=full > 0)
    return ratio
