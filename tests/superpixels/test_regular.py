import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_spx.superpixels import Grid, Voronoi, check_segments, num_segments
from lightning_spx.superpixels.regular import grid_cells, voronoi_cells
from tests.superpixels.conftest import num_pieces


@st.composite
def sizes_and_counts(draw: st.DrawFn) -> tuple[int, int, int]:
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    return height, width, draw(st.integers(1, height * width))


@given(sizes_and_counts())
def test_a_grid_has_exactly_its_number_of_connected_rectangles(case: tuple[int, int, int]) -> None:
    height, width, count = case
    cells = grid_cells(height, width, count)
    check_segments(cells[None])
    assert cells.shape == (height, width)
    assert int(num_segments(cells[None])) == count
    for cell in range(count):
        rows, columns = (cells == cell).nonzero(as_tuple=True)
        area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert len(rows) == area


@given(sizes_and_counts())
def test_the_rows_of_a_grid_share_the_cells_evenly(case: tuple[int, int, int]) -> None:
    cells = grid_cells(*case)
    cells_in_row = {int(row[0]): len(row.unique()) for row in cells}
    assert max(cells_in_row.values()) - min(cells_in_row.values()) <= 1
    for row in cells:
        widths = row.unique(return_counts=True)[1]
        assert widths.max() - widths.min() <= 1


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30, 59, 60, 97, 132, 150, 151, 400])
@pytest.mark.parametrize(("height", "width"), [(224, 224), (160, 300)])
def test_the_cells_of_a_grid_are_nearly_square_and_equal(height: int, width: int, count: int) -> None:
    cells = grid_cells(height, width, count)
    areas = cells.flatten().bincount().double()
    # A side of height or width n is off by at most one pixel in about sqrt(area)
    slack = 2.5 / float(areas.mean().sqrt())
    assert areas.max() / areas.mean() < 1 + slack
    assert areas.min() / areas.mean() > 1 - slack
    num_rows = len({int(row[0]) for row in cells})
    assert num_rows == max(1, min(count, round((count * height / width) ** 0.5)))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4, 4, 4), [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]),
        ((2, 6, 3), [[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2]]),
        ((6, 1, 3), [[0], [0], [1], [1], [2], [2]]),
        ((2, 3, 5), [[0, 0, 1], [2, 3, 4]]),
        ((2, 2, 4), [[0, 1], [2, 3]]),
    ],
)
def test_grids_by_hand(size: tuple[int, int, int], expected: list[list[int]]) -> None:
    assert grid_cells(*size).tolist() == expected


@given(sizes_and_counts(), st.integers(0, 2**40))
def test_every_pixel_is_in_the_cell_of_a_nearest_site(case: tuple[int, int, int], seed: int) -> None:
    height, width, count = case
    cells = voronoi_cells(height, width, count, seed=(seed,))
    check_segments(cells[None])
    assert int(num_segments(cells[None])) == count
    assert torch.equal(voronoi_cells(height, width, count, seed=(seed,)), cells)


def test_voronoi_cells_are_those_of_the_slow_search() -> None:
    height, width, count = 17, 23, 40
    cells = voronoi_cells(height, width, count, seed=(3, 1))
    sites = np.sort(np.random.default_rng((3, 1)).choice(height * width, count, replace=False))
    for y in range(height):
        for x in range(width):
            distance = (sites // width - y) ** 2 + (sites % width - x) ** 2
            assert distance[int(cells[y, x])] == distance.min()


def test_sites_are_spread_over_the_whole_image() -> None:
    alone = torch.stack([voronoi_cells(4, 4, 8, seed=(seed,)) for seed in range(300)])
    # The first pixel is a site in half of the draws, and then the first cell is its own
    assert 0.35 < (alone[:, 0, 0] != alone[:, 0, 1]).double().mean() < 0.75


def test_seeds_give_other_cells() -> None:
    images = torch.zeros(2, 3, 16, 16)
    assert not torch.equal(Voronoi(10, seed=0)(images), Voronoi(10, seed=1)(images))
    assert torch.equal(Voronoi(10, seed=1)(images)[0], Voronoi(10, seed=1)(images)[1])


@pytest.mark.parametrize("count", [1, 2, 29, 30, 31, 1000])
def test_the_number_of_segments_is_exact_up_to_one_per_pixel(count: int) -> None:
    images = torch.zeros(2, 3, 5, 6)
    for segmenter in (Grid(count), Voronoi(count)):
        assert num_segments(segmenter(images)).tolist() == [min(count, 30)] * 2


def test_a_grid_is_four_connected() -> None:
    cells = grid_cells(31, 17, 23)
    assert num_pieces(cells) == 23
