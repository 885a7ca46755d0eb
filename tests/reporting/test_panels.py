"""Panels: every pixel where it belongs, at a size that can be read."""

import matplotlib as mpl
import numpy as np
import pytest
import torch

from lightning_spx.reporting import map_grid, outline_segments, picture_of
from lightning_spx.reporting.panels import BORDER_COLOUR, CELL, GAP

TOP = 34  # two lines of headings


def test_a_photo_is_shown_as_it_is() -> None:
    photo = torch.rand(3, 5, 6)
    assert np.array_equal(picture_of(photo), (photo * 255).round().byte().permute(1, 2, 0).numpy())


def test_a_gray_photo_is_shown_gray() -> None:
    photo = torch.rand(1, 5, 6)
    assert np.array_equal(picture_of(photo), picture_of(photo.expand(3, -1, -1)))


@pytest.mark.parametrize("channels", [2, 10])
def test_other_channels_are_shown_as_their_mean_in_gray(channels: int) -> None:
    images = torch.rand(2, channels, 5, 6, generator=torch.Generator().manual_seed(0))
    gray = images.double().mean(1)
    for image, mean in zip(images, gray, strict=True):
        assert np.array_equal(picture_of(image), (mean.numpy() * 255).round().astype(np.uint8)[..., None].repeat(3, 2))
    ids = torch.zeros(2, 5, 6, dtype=torch.int64)
    outlined = outline_segments(images, ids)
    torch.testing.assert_close(outlined[:, :, ::21, ::21][:, :, :5, :6], gray[:, None].float().expand(-1, 3, -1, -1))
    assert np.array_equal(map_grid({"image": images}), map_grid({"image": gray[:, None]}))


def test_a_map_is_shown_in_inferno_from_0_to_1() -> None:
    values = torch.linspace(0, 1, 256).view(16, 16)
    expected = (mpl.colormaps["inferno"](values.numpy())[..., :3] * 255).round()
    assert np.array_equal(picture_of(values), expected)


def test_values_out_of_range_and_nan_are_shown_at_the_ends() -> None:
    shown = picture_of(torch.tensor([[-1.0, 2.0, torch.nan]]))
    ends = picture_of(torch.tensor([[0.0, 1.0, 0.0]]))
    assert np.array_equal(shown, ends)


@pytest.mark.parametrize(("size", "cell"), [(32, 128), (12, 120), (100, 100), (224, 224)])
def test_every_cell_holds_its_picture_enlarged_without_smoothing(size: int, cell: int) -> None:
    photos, maps = torch.rand(3, 3, size, size), torch.rand(3, size, size)
    grid = map_grid({"image": photos, "Gradient": maps})
    factor = cell // size
    for row in range(3):
        for column, pictures in enumerate((photos, maps)):
            top, left = TOP + row * (cell + GAP), column * (cell + GAP)
            expected = picture_of(pictures[row]).repeat(factor, 0).repeat(factor, 1)
            assert np.array_equal(grid[top : top + cell, left : left + cell], expected)
    assert grid.shape == (TOP + 3 * cell + 2 * GAP, 2 * cell + GAP, 3)


def test_large_pictures_are_reduced_and_keep_their_shape() -> None:
    assert map_grid({"image": torch.rand(1, 3, 300, 600)}).shape == (TOP + 128, 256, 3)


def test_columns_of_other_sizes_fit_their_cells() -> None:
    images, segments = torch.rand(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.int64)
    grid = map_grid({"image": images, "Slic": outline_segments(images, segments)})
    assert np.array_equal(grid[TOP:, :CELL], grid[TOP:, CELL + GAP :])


@pytest.mark.parametrize(
    "heading", ["a" * 200, "S-Gradient/Slic(n_segments=64,compactness=10.0), previous", "", "ü漢 $x$"]
)
def test_any_heading_fits_above_its_column(heading: str) -> None:
    photos = torch.zeros(1, 3, 32, 32)
    grid = map_grid({heading: photos, "other": photos})
    assert grid.shape == (TOP + CELL, 2 * CELL + GAP, 3)
    assert (grid[:TOP, CELL : CELL + GAP] == 255).all()


def test_no_image_gives_the_headings_alone() -> None:
    assert map_grid({"image": torch.zeros(0, 3, 8, 8)}).shape[0] == TOP


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected columns of equally many pictures, got \{'image': 2, 'map': 1\}"):
        map_grid({"image": torch.zeros(2, 3, 8, 8), "map": torch.zeros(1, 8, 8)})
    with pytest.raises(ValueError, match=r"Expected columns of equally many pictures, got \{\}"):
        map_grid({})


def test_borders_are_drawn_where_segments_meet_and_nowhere_else() -> None:
    images = torch.full((1, 1, 4, 4), 0.5)
    segments = torch.tensor([[[0, 0, 1, 1]] * 4])
    drawn = outline_segments(images, segments)[0]
    factor = drawn.shape[1] // 4
    border = (drawn == torch.tensor(BORDER_COLOUR)[:, None, None]).all(0)
    assert border.any(0).nonzero().flatten().tolist() == [2 * factor]  # one line, on the side of the higher id
    assert (drawn[:, ~border] == 0.5).all()


def test_a_large_photo_is_not_enlarged() -> None:
    assert outline_segments(torch.zeros(1, 3, 200, 150), torch.zeros(1, 200, 150, dtype=torch.int64)).shape == (
        1,
        3,
        200,
        150,
    )
