"""Maps of models that agree a little, the images they are of, and pooling and scaling done slowly."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient, SmoothGrad
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.maps.model_maps import ModelMaps
from lightning_spx.superpixels import Grid, Segmenter, Voronoi

NUM_IMAGES, SIZE, SEED = 6, 14, 3
LABEL = torch.tensor([0, 1, 2, 0, 1, 2])
SEGMENTERS: Mapping[str, Segmenter] = {"Voronoi": Voronoi(12), "Grid": Grid(9)}
METHODS: Mapping[str, Attribution] = {"Gradient": Gradient(), "SmoothGrad": SmoothGrad()}
Map = NDArray[np.float64]


def explained(channels: int = 3, mask: Tensor | None = None) -> ExplainedImages:
    images = torch.rand(NUM_IMAGES, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(9))
    return ExplainedImages.segment(ChosenImages(images, LABEL, mask), images, SEGMENTERS, 4, SEED)


def model(seed: int, preds: list[int] | None = None, channels: int = 3) -> ModelMaps:
    """Maps that have something in common with those of another seed."""
    shape = (NUM_IMAGES, channels, SIZE, SIZE)
    common = torch.randn(shape, generator=torch.Generator().manual_seed(100))
    draw = torch.Generator().manual_seed(seed)
    attributions = {name: common + torch.randn(shape, generator=draw) for name in METHODS}
    return ModelMaps(torch.tensor(preds) if preds else LABEL, torch.full((NUM_IMAGES,), 0.5), attributions)


def pooled(attribution: Tensor, segments: Tensor | None, magnitude: Magnitude) -> Map:
    """Sum over channels of absolute values of the means over segments, slowly."""
    values: Map = attribution.double().numpy()
    values = np.abs(values) if magnitude == "before" else values
    means = values.copy()
    cells = np.full(values.shape[1:], -1) if segments is None else segments.numpy()
    for number in range(cells.max() + 1):
        inside = cells == number
        for channel, plane in enumerate(values):
            means[channel][inside] = plane[inside].mean()
    result: Map = np.abs(means).sum(0)
    return result


def scaled(values: Map) -> Map:
    top = np.quantile(values, 0.99)
    top = top if top > values.min() else values.max()
    result: Map = np.clip((values - values.min()) / (top - values.min()), 0, 1)
    return result
