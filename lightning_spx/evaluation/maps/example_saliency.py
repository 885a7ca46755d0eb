"""The examples of a study -> saliency maps of every model, by pixel and pooled."""

from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.reporting.rows import PIXEL
from lightning_spx.runs.example_maps import Examples
from lightning_spx.superpixels import segment_pool


def example_saliency(examples: Examples, order: Magnitude = "after") -> dict[str, Tensor]:
    """Return the saliency maps of a study's examples, by pixel and pooled by each segmenter.

    Args:
        examples: n images with their segments and the attributions of M models.
        order: whether magnitudes are taken `before` pooling or `after` it.

    Returns:
        (M, n, H, W) in [0, 1] by the pooling's name, `pixel` first.

    Example:
        >>> import torch
        >>> segments = {"Grid": torch.zeros(2, 4, 4, dtype=torch.int64)}
        >>> examples = Examples(torch.rand(2, 3, 4, 4), segments, torch.rand(5, 2, 3, 4, 4))
        >>> {name: tuple(maps.shape) for name, maps in example_saliency(examples).items()}
        {'pixel': (5, 2, 4, 4), 'Grid': (5, 2, 4, 4)}
    """
    num_models, num_images = examples.attributions.shape[:2]
    shape = (num_models, num_images, *examples.attributions.shape[-2:])
    values = examples.attributions.flatten(0, 1)
    if order == "before":
        values = values.abs()
    maps = {PIXEL: saliency_map(values).view(shape)}
    for name, segments in examples.segments.items():
        maps[name] = saliency_map(segment_pool(values, segments.repeat(num_models, 1, 1))).view(shape)
    return maps
