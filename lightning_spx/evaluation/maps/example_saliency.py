"""Makes every model's saliency maps of a study's example images, by pixel and pooled."""

from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.reporting.rows import PIXEL
from lightning_spx.runs.example_maps import Examples


def example_saliency(examples: Examples, order: Magnitude = "after") -> dict[str, Tensor]:
    """Return the saliency maps of a study's examples, by pixel and pooled by each segmenter.

    Args:
        examples: n images with their segments and the attributions of M models.
        order: whether magnitudes are taken `before` pooling or `after` it.

    Returns:
        Maps (M, n, H, W) in [0, 1] by the names of the poolings, `pixel` first.

    Example:
        >>> import torch
        >>> segments = {"Grid": torch.zeros(2, 4, 4, dtype=torch.int64)}
        >>> examples = Examples(torch.rand(2, 3, 4, 4), segments, torch.rand(5, 2, 3, 4, 4))
        >>> {name: tuple(maps.shape) for name, maps in example_saliency(examples).items()}
        {'pixel': (5, 2, 4, 4), 'Grid': (5, 2, 4, 4)}
    """
    shape = (*examples.attributions.shape[:2], *examples.attributions.shape[-2:])
    flat = examples.attributions.flatten(0, 1)
    poolings = [Pooling(name, "segments", segments) for name, segments in examples.segments.items()]
    maps = {each.name: saliency_map(each.pool(flat, order)).view(shape) for each in poolings}
    return {PIXEL: saliency_map(flat).view(shape), **maps}
