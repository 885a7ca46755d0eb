"""Compares the maps that models have of a study's example images, photo by photo, so that a page can sort them.

The values are those of `saliency_ssim`. They are made with NumPy, because `spx report` starts without torch; a test
compares them with the metric.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

SIGMA = 1.5
RADIUS = 5  # pixels, so that the window has 11
C1, C2 = 0.01**2, 0.03**2


def example_agreement(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the SSIM between the maps of two models, as its mean over all pairs of models.

    Args:
        maps: (M, n, H, W) saliency in [0, 1] of M models for n photos.

    Returns:
        Values in [-1, 1], shape (n,); NaN with fewer than two models, or if a side is shorter than 11 px.

    Example:
        >>> example_agreement(np.ones((3, 2, 16, 16), np.float32))
        array([1., 1.])
    """
    if len(maps) < 2 or min(maps.shape[-2:]) < 2 * RADIUS + 1:
        return np.full(maps.shape[1], np.nan)
    values = [_photo_agreement(maps[:, photo].astype(np.float64)) for photo in range(maps.shape[1])]
    return np.array(values)


def _photo_agreement(maps: NDArray[np.float64]) -> float:
    """Compare every two of (M, H, W); each map is filtered once."""
    means = _window_mean(maps)
    variances = _window_mean(maps**2) - means**2
    ssim = []
    for first, second in combinations(range(len(maps)), 2):
        products = means[first] * means[second]
        covariance = _window_mean(maps[first] * maps[second]) - products
        numerator = (2 * products + C1) * (2 * covariance + C2)
        squares = means[first] ** 2 + means[second] ** 2 + C1
        ssim.append((numerator / (squares * (variances[first] + variances[second] + C2))).mean())
    return float(np.mean(ssim))


def _window_mean(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Gaussian mean of each window that lies inside (..., H, W)."""
    offsets = np.arange(-RADIUS, RADIUS + 1)
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    height, width = (side - 2 * RADIUS for side in maps.shape[-2:])
    rows = sum(weight * maps[..., start : start + height, :] for start, weight in enumerate(weights))
    return np.asarray(sum(weight * rows[..., start : start + width] for start, weight in enumerate(weights)))
