"""Keeps a few images of a study with their maps: what its pictures and its page show."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.ways import as_given
from lightning_spx.reporting.rows import AFTER, BEFORE, is_control
from lightning_spx.runs.example_maps import Examples


def keep_examples(
    pictures: Tensor, attributions: Tensor, poolings: Sequence[Pooling], images: Sequence[int]
) -> Examples:
    """Keep the maps of some images, with the segments and the filtered maps of every pooling but the controls.

    Args:
        pictures: (n, 3, H, W) in [0, 1], what people see of the images.
        attributions: (M, n, C, H, W) of M models.
        poolings: those that see the maps, the one as the method gives them first; a method's own segments are left out.
        images: which of the poolings' images these are; an image may be there several times.
    """
    chosen = torch.tensor(images)
    own = [each for each in poolings if not is_control(each.name)]
    segments = {each.name: each.segments[chosen].numpy() for each in own if each.kind == "segments"}
    filters = [each for each in own if each.kind == "filter"]
    flat = attributions.flatten(0, 1)
    filtered = {
        order: {
            each.name: saliency_map(each.pool(flat, order, chosen))
            .view(*attributions.shape[:2], *flat.shape[2:])
            .numpy()
            for each in filters
        }
        for order in (AFTER, BEFORE)
    }
    maps = as_given(attributions, poolings[0], chosen)
    return Examples(pictures.numpy(), segments, maps.numpy(), filtered if filters else {})
