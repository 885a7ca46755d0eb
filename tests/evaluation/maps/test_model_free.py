"""Maps without a model, against scikit-image and by hand, and as rows beside those of models."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from skimage import filters

from lightning_spx.attribution import Gradient, IntegratedGradients, SmoothGrad
from lightning_spx.evaluation.maps.model_free import baseline_of, centre, distances, edges
from lightning_spx.evaluation.maps.pooling_lists import in_orders, reference_poolings

# scikit-image's functions carry no types
sobel: Callable[..., Any] = filters.sobel


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_edges_are_those_of_skimage_joined_over_channels(channels: int) -> None:
    images = torch.rand(2, channels, 9, 7, generator=torch.Generator().manual_seed(0))
    found = edges(images)
    for image, each in zip(images.numpy(), found.numpy(), strict=True):
        # their kernels are divided by 4, and the squares of two directions are averaged; `reflect` repeats the border
        squares = [32 * sobel(channel.astype(np.float64), mode="reflect") ** 2 for channel in image]
        np.testing.assert_allclose(each, np.sqrt(np.sum(squares, axis=0)), atol=1e-5)


def test_an_image_of_one_color_has_no_edges() -> None:
    assert edges(torch.full((1, 3, 5, 5), 0.3)).amax() == 0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (5, 12)])
def test_the_centre_is_a_product_of_gaussians(height: int, width: int) -> None:
    found = centre(height, width)
    for row in range(height):
        for column in range(width):
            down, right = (row - (height - 1) / 2) / (height / 4), (column - (width - 1) / 2) / (width / 4)
            assert found[row, column].item() == pytest.approx(np.exp(-(down**2 + right**2) / 2), rel=1e-5)


def test_the_distance_is_from_one_value_or_one_for_each_channel() -> None:
    images = torch.tensor([0.2, 0.5]).view(1, 2, 1, 1)
    assert distances(images).flatten().tolist() == pytest.approx([0.2, 0.5])
    assert distances(images, (1.0,)).flatten().tolist() == pytest.approx([0.8, 0.5])
    assert distances(images, (0.0, 1.0)).flatten().tolist() == pytest.approx([0.2, 0.5])
    with pytest.raises(ValueError, match="one value or one for each of 2 channels, got 3"):
        distances(images, (0.0, 0.0, 0.0))


def test_the_baseline_is_that_of_the_method_or_of_the_one_that_it_smooths() -> None:
    grey = IntegratedGradients(baseline=(0.4, 0.5, 0.6))
    assert baseline_of(grey) == baseline_of(SmoothGrad(base=grey)) == (0.4, 0.5, 0.6)
    assert baseline_of(Gradient()) == (0.0,)


def test_a_reference_stands_in_the_place_of_every_models_map() -> None:
    images = torch.rand(3, 3, 6, 5)
    maps = torch.randn(2, 2, 3, 6, 5)
    poolings = reference_poolings(images)
    assert [each.name for each in poolings] == ["reference:edges", "reference:centre"]
    shown = [edges(images), centre(6, 5).expand(3, -1, -1)]
    for pooling, expected in zip(poolings, shown, strict=True):
        values = pooling.values(maps, "either", torch.tensor([2, 0]))
        assert values.shape == (2, 2, 1, 30)
        assert torch.equal(values.view(2, 2, 6, 5), expected[[2, 0]].expand(2, -1, -1, -1))
        pooled = pooling.pool(maps.flatten(0, 1), "before", torch.tensor([2, 0]))
        assert torch.equal(pooled.view(2, 2, 6, 5), expected[[2, 0]].expand(2, -1, -1, -1))
        assert pooling.num_segments().tolist() == [30, 30, 30]
    orders = in_orders(poolings, ["after", "before"], non_negative=False)
    assert [order for _, order in orders] == ["either", "either"]
