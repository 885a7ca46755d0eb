from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.superpixels import borrow, check_segments, grid_like, num_segments, voronoi_like
from lightning_spx.superpixels.regular import grid_cells


@st.composite
def batches_of_segments(draw: st.DrawFn) -> Tensor:
    """Draw images of one size with any numbers of segments, one of them possibly one per pixel."""
    height, width = draw(st.integers(1, 15)), draw(st.integers(1, 15))
    counts = draw(st.lists(st.integers(1, height * width), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    pixels = torch.rand(len(counts), height * width, generator=generator).argsort(1)
    return (pixels % torch.tensor(counts)[:, None]).view(-1, height, width)


@given(batches_of_segments(), st.integers(0, 99))
def test_controls_have_each_images_number_of_segments(segments: Tensor, seed: int) -> None:
    index = torch.arange(len(segments)) + 10
    for control in (grid_like(segments), voronoi_like(segments, seed, index)):
        check_segments(control)
        assert control.shape == segments.shape
        assert torch.equal(num_segments(control), num_segments(segments))


@given(batches_of_segments(), st.randoms(use_true_random=False))
def test_controls_do_not_depend_on_the_batch(segments: Tensor, random: Random) -> None:
    order = list(range(len(segments)))
    random.shuffle(order)
    index = torch.arange(len(segments)) * 7
    grids, cells = grid_like(segments), voronoi_like(segments, 3, index)
    assert torch.equal(grid_like(segments[order]), grids[order])
    assert torch.equal(voronoi_like(segments[order], 3, index[order]), cells[order])
    assert torch.equal(voronoi_like(segments[:1], 3, index[:1]), cells[:1])


def test_a_grid_control_is_the_grid_of_that_count() -> None:
    segments = torch.arange(24).view(1, 4, 6) % torch.tensor([5, 24, 5]).view(3, 1, 1)
    expected = torch.stack([grid_cells(4, 6, 5), grid_cells(4, 6, 24), grid_cells(4, 6, 5)])
    assert torch.equal(grid_like(segments), expected)


def test_controls_see_only_the_count_of_the_segments() -> None:
    one, other = torch.arange(20).view(1, 4, 5) // 4, torch.arange(20).view(1, 4, 5) % 5
    index = torch.tensor([2])
    assert torch.equal(grid_like(one), grid_like(other))
    assert torch.equal(voronoi_like(one, 0, index), voronoi_like(other, 0, index))


def test_random_cells_differ_by_seed_and_by_image() -> None:
    segments = (torch.arange(256).view(1, 16, 16) // 16).expand(2, 16, 16)
    cells = voronoi_like(segments, 0, torch.tensor([0, 1]))
    assert not torch.equal(cells[0], cells[1])
    assert not torch.equal(voronoi_like(segments, 1, torch.tensor([0, 1])), cells)
    assert torch.equal(voronoi_like(segments, 0, torch.tensor([1, 1]))[0], cells[1])


def test_borrowing_takes_the_named_images_segments() -> None:
    segments = torch.arange(12).view(1, 3, 4) % torch.tensor([2, 3, 4]).view(3, 1, 1)
    borrowed = borrow(segments, torch.tensor([1, 2, 0]))
    assert torch.equal(borrowed, torch.stack([segments[1], segments[2], segments[0]]))
    assert torch.equal(borrow(borrowed, torch.tensor([2, 0, 1])), segments)


def test_an_empty_batch_stays_empty() -> None:
    none = torch.empty(0, 3, 4, dtype=torch.int64)
    nothing = torch.empty(0, dtype=torch.int64)
    for control in (grid_like(none), voronoi_like(none, 0, nothing), borrow(none, nothing)):
        assert control.shape == (0, 3, 4)


def test_broken_segments_are_refused() -> None:
    broken = torch.ones(1, 2, 2, dtype=torch.int64)
    one = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(ValueError, match="without gaps"):
        grid_like(broken)
    with pytest.raises(ValueError, match="without gaps"):
        voronoi_like(broken, 0, one)
    with pytest.raises(ValueError, match="without gaps"):
        borrow(broken, one)


@pytest.mark.parametrize("permutation", [[0, 0], [0, 2], [0], [-1, 0], [0, 1, 2], [0.0, 1.0]])
def test_what_is_no_permutation_is_refused(permutation: list[int]) -> None:
    with pytest.raises(ValueError, match=r"Expected `permutation` to hold each of 0\.\.1 once, got tensor"):
        borrow(torch.zeros(2, 2, 2, dtype=torch.int64), torch.tensor(permutation))


def test_wrong_seeds_and_indices_are_refused() -> None:
    segments = torch.zeros(2, 2, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="`seed` to be finite and at least 0, got -1"):
        voronoi_like(segments, -1, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="`index` to be non-negative, got -3"):
        voronoi_like(segments, 0, torch.tensor([0, -3]))
    with pytest.raises(ValueError, match=r"one integer for each of 2 images, got torch.int64 of shape \(3,\)"):
        voronoi_like(segments, 0, torch.arange(3))
    with pytest.raises(ValueError, match=r"got torch\.float32"):
        voronoi_like(segments, 0, torch.zeros(2))
