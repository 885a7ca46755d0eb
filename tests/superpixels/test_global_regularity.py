"""Regularity of shapes whose value is known, and against a loop over segments as the paper writes it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.superpixels import (
    Felzenszwalb,
    Grid,
    Slic,
    Voronoi,
    as_segments,
    global_regularity,
    num_segments,
)
from lightning_spx.superpixels.global_regularity import shape_regularity, smooth_matching
from tests.superpixels.test_convex_hull import PHOTO, SPOTS, hull_image, reference


def edges(mask: np.ndarray) -> int:
    padded = np.pad(mask, 1).astype(int)
    return int(np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum())


def slow_shape(mask: np.ndarray) -> float:
    """(P(H) / |H|) / (P(S) / |S|) * sqrt(min(sx, sy) / max(sx, sy)) of one connected segment."""
    y, x = mask.nonzero()
    if len(y) == 1:
        return 1.0
    deviations = sorted([float(np.std(x)), float(np.std(y))])
    if deviations[0] == 0:
        return 0.0
    flat = np.linalg.matrix_rank(np.stack([y - y[0], x - x[0]])) < 2
    hull = mask if flat else hull_image(mask, offset_coordinates=False)
    convexity = (edges(hull) / hull.sum()) / (edges(mask) / mask.sum())
    return float(convexity * math.sqrt(deviations[0] / deviations[1]))


def slow_matching(ids: np.ndarray) -> float:
    """1 - sum |S_k| / |I| * |S* - S_k*|_1 / 2 over whole pictures of registered segments."""
    height, width = ids.shape
    shapes = np.zeros((ids.max() + 1, 2 * height + 1, 2 * width + 1))
    for segment in range(ids.max() + 1):
        y, x = (ids == segment).nonzero()
        down, right = math.floor(y.mean() + 0.5), math.floor(x.mean() + 0.5)
        shapes[segment, y - down + height, x - right + width] = 1
    average = shapes.sum(0) / shapes.sum()
    distances = [np.abs(average - each / each.sum()).sum() / 2 for each in shapes]
    return float(1 - np.average(distances, weights=shapes.sum((1, 2))))


@pytest.mark.parametrize("segments", [Slic(30)(SPOTS), Voronoi(40, seed=2)(PHOTO)], ids=["Slic", "Voronoi"])
def test_regularity_equals_a_loop(segments: Tensor) -> None:
    ids = segments[0].numpy()
    shapes = [slow_shape(ids == segment) * (ids == segment).sum() for segment in range(ids.max() + 1)]
    assert shape_regularity(segments).item() == pytest.approx(sum(shapes) / ids.size, abs=1e-6)
    assert smooth_matching(segments).item() == pytest.approx(slow_matching(ids), abs=1e-6)
    product = shape_regularity(segments) * smooth_matching(segments)
    assert global_regularity(segments).item() == pytest.approx(product.item(), abs=1e-6)


def on_ground(mask: Tensor) -> tuple[Tensor, float]:
    """Put a shape on a ground, and return the map with the shape regularity of the ground, weighted by its area."""
    ids = mask.logical_not().long()[None]
    ground = slow_shape(~mask.numpy()) * float((~mask).sum())
    return ids, ground


def of_shape(mask: Tensor) -> float:
    ids, ground = on_ground(mask)
    return (shape_regularity(ids).item() * ids.numel() - ground) / float(mask.sum())


def disk(radius: int, size: int) -> Tensor:
    place = torch.arange(size) - size // 2
    return place[:, None].square() + place.square() <= radius**2


def test_squares_disks_and_diamonds_are_regular_and_combs_and_lines_are_not() -> None:
    square = torch.zeros(21, 21, dtype=torch.bool)
    square[5:12, 6:13] = True
    place = torch.arange(21) - 10
    diamond = place[:, None].abs() + place.abs() <= 6
    for convex in (square, diamond, disk(7, 21), disk(1, 21), disk(9, 21)):
        assert of_shape(convex) == pytest.approx(1.0, abs=1e-4)
    # a comb of 7 x 7, a back of one row and four teeth: 31 of the 49 pixels of its hull, which has 28 edges to its 64
    comb = torch.zeros(21, 21, dtype=torch.bool)
    comb[5, 5:12] = True
    comb[5:12, 5:12:2] = True
    y, x = comb.nonzero(as_tuple=True)
    balance = math.sqrt(float(np.std(y.numpy())) / float(np.std(x.numpy())))
    assert of_shape(comb) == pytest.approx(31 / 49 * 28 / 64 * balance, abs=1e-4)
    line = torch.zeros(21, 21, dtype=torch.bool)
    line[5, 5:12] = True
    assert of_shape(line) == pytest.approx(0.0, abs=1e-4)
    rectangle = torch.zeros(21, 21, dtype=torch.bool)
    rectangle[5:9, 5:17] = True
    # variances of 4 and 12 places in a row: (n^2 - 1) / 12
    assert of_shape(rectangle) == pytest.approx((15 / 143) ** 0.25, abs=1e-4)


def test_a_noisy_border_costs_regularity() -> None:
    smooth = disk(20, 61)
    noise = torch.rand(61, 61, generator=torch.Generator().manual_seed(0)) < 0.5
    ring = disk(22, 61) & ~disk(18, 61)
    assert of_shape(torch.where(ring, noise & disk(22, 61), smooth)) < 0.75


def test_equal_squares_have_one() -> None:
    squares = Grid(16)(torch.zeros(1, 3, 20, 20))
    assert global_regularity(squares).tolist() == [1.0]
    assert global_regularity(torch.arange(20).view(1, 4, 5)).tolist() == [1.0]
    assert global_regularity(torch.zeros(1, 6, 6, dtype=torch.int64)).tolist() == [1.0]


def test_hexagons_match_and_are_nearly_regular() -> None:
    # centers of a hexagonal lattice, 12 apart in a row
    y, x = torch.meshgrid(torch.arange(126.0), torch.arange(144.0), indexing="ij")
    centers = [(10.5 * row, 12.0 * column + 6.0 * (row % 2)) for row in range(-1, 14) for column in range(-1, 14)]
    distance = torch.stack([(y - down).square() + (x - right).square() for down, right in centers])
    ids = as_segments(distance.argmin(0)[None])
    inner = ids[:, 21:105, 24:120]
    assert shape_regularity(as_segments(inner)).item() > 0.9
    squares = Grid(int(num_segments(ids)))(torch.zeros(1, 3, 126, 144))
    lines = as_segments((torch.arange(126)[:, None].expand(126, 144) // 2)[None])
    assert global_regularity(lines).item() < 0.2 < 0.8 < global_regularity(squares).item()


def test_two_sizes_match_by_hand() -> None:
    # a 2 x 2 square and two single pixels over one another: 4, 1, 1 of 6; shared places 3, 1, 1, 1
    ids = torch.tensor([[[0, 0, 1], [0, 0, 2]]])
    assert smooth_matching(ids).item() == pytest.approx((3 * 4 + 1 * 6 + 2 * 3) / 36)


def test_more_regular_segments_have_more() -> None:
    maps = [Grid(30)(SPOTS), Voronoi(30, seed=1)(SPOTS), Slic(30)(SPOTS), Felzenszwalb(100.0)(SPOTS)]
    values = [global_regularity(each).item() for each in maps]
    assert values == sorted(values, reverse=True)
    firm, loose = (global_regularity(Slic(30, compactness=value)(PHOTO)).item() for value in (40.0, 1.0))
    assert firm > loose


@given(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_values_lie_between_0_and_1_whatever_the_segments(rows: list[list[int]]) -> None:
    ids = as_segments(torch.tensor(rows)[None])
    for function in (shape_regularity, smooth_matching, global_regularity):
        value = function(ids)
        assert 0 <= value.item() <= 1
        # neither names of segments nor turning the image matters, up to the half pixel of barycenters
        assert torch.equal(function(as_segments(ids.max() - ids)), value)
    assert shape_regularity(ids.transpose(1, 2).contiguous()).item() == pytest.approx(shape_regularity(ids).item())


def test_a_segment_in_pieces_is_no_better_than_its_share_of_the_hull() -> None:
    # a diamond whose corners are cut off, and the tips of these corners
    place = torch.arange(45) - 22
    y, x = place[:, None].expand(45, 45).abs(), place.expand(45, 45).abs()
    mask = (y + x <= 20) & (torch.maximum(y, x) <= 15) | (torch.minimum(y, x) == 0) & (torch.maximum(y, x) == 20)
    area, hull = int(mask.sum()), reference(mask.numpy())
    assert hull == int((y + x <= 20).sum())
    # as the paper writes it, this would be above 1
    assert slow_shape(mask.numpy()) > 1.03
    assert of_shape(mask) == pytest.approx(area / hull, abs=1e-4)


@pytest.mark.parametrize("function", [global_regularity, shape_regularity, smooth_matching])
def test_images_of_a_batch_do_not_mix(function: object) -> None:
    assert callable(function)
    segments = torch.cat([Slic(30)(SPOTS), Felzenszwalb(5.0)(PHOTO), Grid(1)(PHOTO)])
    together = function(segments)
    assert together.dtype == torch.float32
    assert together.shape == (3,)
    assert torch.equal(together, torch.cat([function(each[None]) for each in segments]))
    assert torch.equal(together[1], function(segments[1]))
    assert function(segments[:0]).shape == (0,)
    with pytest.raises(ValueError, match="`segments` to hold ids"):
        function(segments * 2)
    with pytest.raises(ValueError, match="`segments` to be int64"):
        function(segments.float())
