"""Maps without a model, against scikit-image and by hand, and as rows beside those of models."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage import filters
from torch import Tensor

from lightning_spx.attribution import (
    XRAI,
    ExpectedGradients,
    FromCaptum,
    Gradient,
    IntegratedGradients,
    MeanAttribution,
    SmoothGrad,
)
from lightning_spx.evaluation.maps.model_free import baselines_of, centre, distances, edges
from lightning_spx.evaluation.maps.pooling_lists import in_orders, reference_poolings
from lightning_spx.evaluation.statistics.residuals import References


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_edges_are_those_of_skimage_joined_over_channels(channels: int) -> None:
    images = torch.rand(2, channels, 9, 7, generator=torch.Generator().manual_seed(0))
    found = edges(images)
    reference: Callable[..., np.ndarray] = filters.sobel
    for image, each in zip(images.numpy(), found.numpy(), strict=True):
        # their kernels are divided by 4, and the squares of two directions are averaged; `reflect` repeats the border
        squares = [32 * reference(channel.astype(np.float64), mode="reflect") ** 2 for channel in image]
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


def colour(*values: float) -> Tensor:
    return torch.tensor(values)[:, None, None]


def test_the_distance_is_from_one_value_or_one_for_each_channel() -> None:
    images = torch.tensor([0.2, 0.5]).view(1, 2, 1, 1)
    assert distances(images, [colour(0)]).flatten().tolist() == pytest.approx([0.2, 0.5])
    assert distances(images, [colour(1.0)]).flatten().tolist() == pytest.approx([0.8, 0.5])
    assert distances(images, [colour(0.0, 1.0)]).flatten().tolist() == pytest.approx([0.2, 0.5])
    with pytest.raises(ValueError, match="one value or one for each of 2 channels, got shape"):
        distances(images, [colour(0.0, 0.0, 0.0)])


def test_several_baselines_give_their_root_mean_square_and_the_distance_from_their_mean() -> None:
    images = torch.tensor([0.2, 0.5]).view(1, 2, 1, 1)
    expected = [math.sqrt((0.2**2 + 0.8**2) / 2), 0.5, 0.3, 0.0]
    assert distances(images, [colour(0), colour(1.0)]).flatten().tolist() == pytest.approx(expected)


def test_the_baselines_are_those_of_the_method_or_of_the_ones_that_it_uses() -> None:
    grey = IntegratedGradients(baseline=(0.4, 0.5, 0.6))
    for method in (grey, SmoothGrad(base=grey), MeanAttribution((grey,)), XRAI(base=grey)):
        (found,) = baselines_of(method)
        assert found.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
    assert [each.item() for each in baselines_of(Gradient())] == [0.0]
    assert [each.item() for each in baselines_of(MeanAttribution((grey, Gradient())))[1:]] == [0.0]
    compared = torch.rand(5, 3, 4, 4)
    assert torch.equal(torch.stack(baselines_of(ExpectedGradients().with_references(compared))), compared)


@pytest.mark.parametrize("baseline", [0.25, [0.25], torch.tensor(0.25), torch.full((3, 4, 4), 0.25)])
def test_a_users_baseline_may_be_a_number_a_list_or_a_tensor(baseline: object) -> None:
    method = SimpleNamespace(baseline=baseline)
    images = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(distances(images, baselines_of(method))[:, 0], (images - 0.25).abs())


@pytest.mark.parametrize("given", [1.0, torch.ones(1, 3, 4, 4), (torch.ones(1, 3, 1, 1),), (1,)])
def test_a_baseline_of_captum_is_an_argument_of_its_method(given: object) -> None:
    images = torch.rand(2, 3, 4, 4)
    method = FromCaptum(lambda model: model, arguments={"baselines": given})
    torch.testing.assert_close(distances(images, baselines_of(method))[:, 0], 1 - images)
    without = FromCaptum(lambda model: model)
    torch.testing.assert_close(distances(images, baselines_of(without))[:, 0], images)


@pytest.mark.parametrize("baseline", ["blur", ["black"], None])
def test_what_is_no_baseline_counts_as_black(baseline: object) -> None:
    assert [each.item() for each in baselines_of(SimpleNamespace(baseline=baseline))] == [0.0]


def test_a_baseline_that_fits_no_image_ends_no_study() -> None:
    images, bank = torch.rand(2, 3, 4, 4), torch.rand(5, 8, 2, 2)
    baselines = baselines_of(SimpleNamespace(references=bank))
    with pytest.warns(UserWarning, match=r"fit images \(3, 4, 4\), got shape \(8, 2, 2\): black is taken"):
        found = References.of(images, baselines)
    assert torch.equal(found.distance, References.of(images).distance)


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
