"""Maps of examples, made with NumPy for pictures: the same as those that are measured."""

import numpy as np
import pytest
import torch

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.maps.example_saliency import example_saliency
from lightning_spx.runs.example_maps import Examples
from lightning_spx.superpixels import segment_pool


@pytest.mark.parametrize("order", ["after", "before"])
@pytest.mark.parametrize("channels", [1, 3, 10])
def test_pictures_show_the_maps_that_are_measured(order: str, channels: int) -> None:
    draw = torch.Generator().manual_seed(0)
    attributions = torch.randn(2, 3, channels, 9, 7, generator=draw)
    attributions[0, 0] = 0.25  # a constant map
    attributions[0, 1] = 0
    attributions[0, 1, :, 4, 4] = 3  # a single value is above its own quantile
    segments = torch.arange(63).view(1, 9, 7).repeat(3, 1, 1) // torch.tensor([5, 9, 63]).view(3, 1, 1)
    made = example_saliency(
        Examples(torch.rand(3, 3, 9, 7).numpy(), {"own": segments.numpy()}, attributions.numpy()), order
    )
    for model, own in enumerate(attributions):
        pooled = segment_pool(own.abs() if order == "before" else own, segments)
        np.testing.assert_allclose(made["pixel"][model], saliency_map(own), atol=1e-6)
        np.testing.assert_allclose(made["own"][model], saliency_map(pooled), atol=1e-6)
