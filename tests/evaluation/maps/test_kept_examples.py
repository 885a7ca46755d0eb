"""Examples of a run: the maps of filters are kept as they are measured, because its page cannot filter."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.maps.example_saliency import example_saliency
from lightning_spx.evaluation.maps.guides import guide_images
from lightning_spx.evaluation.maps.kept_examples import keep_examples
from lightning_spx.evaluation.maps.pooling_lists import blurs_of_all_widths, make_poolings
from lightning_spx.runs.example_maps import Examples
from lightning_spx.superpixels import Grid, JointBilateral, segment_pool
from tests.filters import Fading


@pytest.mark.parametrize("channels", [1, 3, 10])
def test_kept_maps_are_those_that_are_measured(channels: int, tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(4, channels, 9, 7, generator=draw)
    attributions = torch.randn(2, 3, channels, 9, 7, generator=draw)
    guides = guide_images(
        {"JointBilateral": JointBilateral(), "Grid": Grid(4), "Fading": Fading()}, images, 2, torch.device("cpu")
    )
    poolings = make_poolings(guides, torch.arange(4), np.array([1, 2, 3, 0]), seed=0)
    chosen = [3, 1, 3]
    kept = keep_examples(
        images[chosen, :1].expand(-1, 3, -1, -1),
        attributions,
        poolings + blurs_of_all_widths(poolings[0].segments),
        chosen,
    )
    kept.save(tmp_path / "a.npz")
    found = Examples.load(tmp_path / "a.npz")
    assert list(found.segments) == ["Grid"]
    for order in ("after", "before"):
        made = example_saliency(found, order)
        assert sorted(made) == ["Fading", "Grid", "JointBilateral", "pixel"]
        for model, own in enumerate(attributions):
            values = own.abs() if order == "before" else own
            for smoothing in (JointBilateral(), Fading()):
                expected = saliency_map(smoothing.pool(values, images[chosen]))
                np.testing.assert_allclose(made[type(smoothing).__name__][model], expected, atol=1e-5)
            pooled = segment_pool(values, Grid(4)(images[chosen]))
            np.testing.assert_allclose(made["Grid"][model], saliency_map(pooled), atol=1e-5)
