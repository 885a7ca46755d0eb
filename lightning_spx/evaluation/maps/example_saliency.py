"""Makes every model's saliency maps of a study's example images, by pixel and pooled.

These maps are only drawn. They are made with NumPy, because `spx report` starts without torch; a test compares them
with `saliency_map` and `segment_pool`, which make the maps that are measured.
"""

import numpy as np
from numpy.typing import NDArray

from lightning_spx.reporting.rows import AFTER, BEFORE, PIXEL
from lightning_spx.runs.example_maps import Examples

Array = NDArray[np.float32]
CLIP = 0.99


def example_saliency(examples: Examples, order: str = AFTER) -> dict[str, Array]:
    """Return the saliency maps of a study's examples, by pixel, and pooled by each segmenter and each filter.

    Args:
        examples: n images with their segments, the attributions of M models, and what filters made of these.
        order: whether magnitudes are taken `before` pooling or `after` it.

    Returns:
        Maps (M, n, H, W) in [0, 1] by the names of the poolings, `pixel` first.

    Example:
        >>> segments = {"Grid": np.zeros((2, 4, 4), np.int64)}
        >>> examples = Examples(np.ones((2, 3, 4, 4), np.float32), segments, np.ones((5, 2, 3, 4, 4), np.float32))
        >>> {name: maps.shape for name, maps in example_saliency(examples).items()}
        {'pixel': (5, 2, 4, 4), 'Grid': (5, 2, 4, 4)}
    """
    values = np.abs(examples.attributions) if order == BEFORE else examples.attributions
    pooled = {name: _pooled(values, segments) for name, segments in examples.segments.items()}
    maps = {name: _saliency(each) for name, each in {PIXEL: examples.attributions, **pooled}.items()}
    return {**maps, **examples.filtered.get(order, {})}


def _pooled(values: Array, segments: NDArray[np.int64]) -> Array:
    """Replace each value of (M, n, C, H, W) by the mean over its segment in (n, H, W)."""
    pooled = np.empty_like(values)
    for image, ids in enumerate(segments):
        sizes = np.bincount(ids.ravel())
        for place in np.ndindex(len(values), values.shape[2]):
            model, channel = place
            sums = np.bincount(ids.ravel(), weights=values[model, image, channel].ravel())
            pooled[model, image, channel] = (sums / np.maximum(sizes, 1)).astype(np.float32)[ids]
    return pooled


def _saliency(attributions: Array) -> Array:
    """Scale the magnitudes of (M, n, C, H, W), summed over channels, to [0, 1] for each map by itself."""
    values = np.abs(attributions).sum(axis=2)
    low = values.min(axis=(-2, -1), keepdims=True)
    high = values.max(axis=(-2, -1), keepdims=True)
    top = np.quantile(values, CLIP, axis=(-2, -1), keepdims=True).astype(np.float32)
    top = np.where(top > low, top, high)
    scaled = np.minimum((values - low) / np.where(high > low, top - low, 1), 1)
    return np.where(high > low, scaled, 0).astype(np.float32)
