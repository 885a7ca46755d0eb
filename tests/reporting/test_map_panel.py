"""What the panel of images, segments and maps shows, read back from matplotlib's axes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from skimage.segmentation import mark_boundaries
from torch import Tensor

from lightning_spx.reporting import map_panel

OUTLINE: Callable[..., np.ndarray] = mark_boundaries


@pytest.fixture
def panel_inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two images of 5 x 7, their segments, and pixel and pooled maps of two models."""
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 5, 7, generator=draw)
    segments = (torch.arange(7) >= torch.tensor([[3], [4]])).long()[:, None].expand(2, 5, 7)
    return images, segments, torch.rand(2, 2, 5, 7, generator=draw), torch.rand(2, 2, 5, 7, generator=draw)


def shown_images(figure: Figure) -> list[np.ndarray]:
    """All pictures, line by line, after a check that they stand in a grid of unit cells in that order."""
    (axes,) = figure.axes
    places = [(image.get_extent()[3], image.get_extent()[0]) for image in axes.images]
    cells = [(int(top), int(left)) for top, left in places]
    assert cells == sorted(set(cells))
    return [np.asarray(image.get_array()) for image in axes.images]


def test_a_panel_shows_image_maps_segments_and_pooled_maps(panel_inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    images, segments, maps, pooled = panel_inputs
    figure = map_panel(images, {"Slic": segments}, maps, {"Slic": pooled}, ["model 0", "model 1"], "Gradient: maps")
    shown = shown_images(figure)
    grid = [shown[:6], shown[6:]]
    headings = ["image", "model 0", "model 1", "Slic", "S-, model 0", "S-, model 1"]
    assert [text.get_text() for text in figure.axes[0].texts] == headings
    assert [int(text.get_position()[0]) for text in figure.axes[0].texts] == list(range(6))
    assert figure.get_suptitle() == "Gradient: maps"
    for line in range(2):
        np.testing.assert_array_equal(grid[line][0], images[line].permute(1, 2, 0).numpy())
        for model in range(2):
            np.testing.assert_array_equal(grid[line][1 + model], maps[model, line].numpy())
            np.testing.assert_array_equal(grid[line][4 + model], pooled[model, line].numpy())


def test_a_panel_outlines_the_segments_at_four_times_the_size(
    panel_inputs: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    images, segments, maps, pooled = panel_inputs
    figure = map_panel(images, {"Slic": segments}, maps, {"Slic": pooled}, ["a", "b"], "")
    shown = shown_images(figure)
    for line in range(2):
        large = np.kron(images[line].permute(1, 2, 0).numpy(), np.ones((4, 4, 1), dtype=np.float32))
        labels = np.kron(segments[line].numpy(), np.ones((4, 4), dtype=np.int64))
        outlined = shown[6 * line + 3]
        assert outlined.shape == (20, 28, 3)
        np.testing.assert_allclose(outlined, OUTLINE(large, labels, color=(1, 0.85, 0)), atol=1e-6)
        edge = 4 * (3 + line)  # where the second segment starts
        np.testing.assert_allclose(
            outlined[:, edge - 1 : edge + 1], np.broadcast_to([1, 0.85, 0], (20, 2, 3)), atol=1e-6
        )
        np.testing.assert_allclose(outlined[:, : edge - 1], large[:, : edge - 1], atol=1e-6)


def test_maps_of_a_panel_share_one_scale_from_zero_to_one(panel_inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    images, segments, maps, pooled = panel_inputs
    maps = maps.clone()
    maps[0, 0] = 0.5  # a constant map has no range of its own
    figure = map_panel(images, {"Slic": segments}, maps, {"Slic": pooled}, ["a", "b"], "")
    assert {image.get_clim() for image in figure.axes[0].images} == {(0.0, 1.0)}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_panel_takes_any_float_type_and_tensors_with_a_gradient(
    dtype: torch.dtype, panel_inputs: tuple[Tensor, Tensor, Tensor, Tensor]
) -> None:
    images, segments, maps, pooled = panel_inputs
    figure = map_panel(
        images.to(dtype), {"Slic": segments}, maps.to(dtype).requires_grad_(), {"Slic": pooled}, ["a", "b"], ""
    )
    np.testing.assert_array_equal(shown_images(figure)[1], maps[0, 0].to(dtype).float().numpy())


def test_a_panel_of_one_image_and_one_pixel_without_segmenters_is_drawn() -> None:
    one = torch.full((1, 3, 1, 1), 0.5)
    figure = map_panel(one, {}, one[None, :, 0], {}, ["model 0"], "")
    assert [image.shape for image in shown_images(figure)] == [(1, 1, 3), (1, 1)]


def test_a_name_for_each_model_is_needed(panel_inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    images, segments, maps, pooled = panel_inputs
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        map_panel(images, {"Slic": segments}, maps, {"Slic": pooled}, ["model 0"], "")
