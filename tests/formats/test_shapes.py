"""Polygons and ellipses cover the pixels whose centers they enclose."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from lightning_spx.formats.shapes import checked_points, ellipse, polygon, rectangle, rotated
from tests.formats.made_masks import SIZE, Flags
from tests.inputs.strategies import examples

COORDINATES = st.tuples(st.integers(-40, 210), st.integers(-40, 160)).map(lambda pair: [pair[0] / 10, pair[1] / 10])


def slow(points: NDArray[np.float64]) -> Flags:
    """Count, for the center of each pixel, the edges to its left."""
    mask = np.zeros(SIZE, np.bool_)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            x, y = column + 0.5, row + 0.5
            for (from_x, from_y), (to_x, to_y) in zip(points, np.roll(points, -1, axis=0), strict=True):
                (low_x, low_y), (high_x, high_y) = sorted([(from_x, from_y), (to_x, to_y)], key=lambda each: each[1])
                if low_y <= y < high_y and low_x + (y - low_y) * ((high_x - low_x) / (high_y - low_y)) <= x:
                    mask[row, column] ^= True
    return mask


@examples(150)
@given(points=st.lists(COORDINATES, min_size=3, max_size=8))
def test_a_polygon_is_the_loop_over_all_centers(points: list[list[float]]) -> None:
    corners = np.array(points)
    assert np.array_equal(polygon("x", corners, SIZE).mask, slow(corners))


@examples(100)
@given(point=COORDINATES)
def test_triangles_that_share_edges_divide_a_rectangle(point: list[float]) -> None:
    corners = rectangle(-5.0, -5.0, 30.0, 20.0)
    parts = [polygon("x", np.array([corners[at - 1], corners[at], point]), SIZE).mask for at in range(4)]
    assert (np.sum(parts, axis=0) == 1).all()


def test_a_square_has_its_pixels_wherever_it_begins() -> None:
    for shift in (0.0, 0.2, 0.5, 0.8):
        square = polygon("x", rectangle(1 + shift, 1, 4 + shift, 4), SIZE)
        assert square.area == 9
        assert square.left == (1 if shift <= 0.5 else 2)


@examples(60)
@given(
    middle=st.tuples(st.floats(5, 12), st.floats(4, 8)),
    radii=st.tuples(st.floats(1.5, 6), st.floats(1.5, 6)),
    corners=st.integers(5, 9),
)
def test_polygons_differ_from_those_of_coco_only_at_their_edge(
    middle: tuple[float, float], radii: tuple[float, float], corners: int
) -> None:
    angles = np.arange(corners) * 2 * math.pi / corners
    points = np.stack([middle[0] + radii[0] * np.cos(angles), middle[1] + radii[1] * np.sin(angles)], 1)
    theirs = coco.decode(coco.frPyObjects([points.ravel().tolist()], *SIZE))[..., 0] > 0
    down, across = np.nonzero(polygon("x", points, SIZE).mask ^ theirs)
    starts, edges = points, np.roll(points, -1, axis=0) - points
    for x, y in zip(across + 0.5, down + 0.5, strict=True):
        along = np.clip((([x, y] - starts) * edges).sum(1) / (edges**2).sum(1), 0, 1)
        assert np.linalg.norm(starts + along[:, None] * edges - [x, y], axis=1).min() < 0.75


def test_an_ellipse_is_the_loop_over_all_centers_and_turns_clockwise() -> None:
    found = ellipse("x", (8.0, 6.0), (5.0, 2.0), 30, SIZE).mask
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            offset = complex(column + 0.5 - 8, row + 0.5 - 6) * complex(math.cos(0.5236), -math.sin(0.5236))
            assert found[row, column] == ((offset.real / 5) ** 2 + (offset.imag / 2) ** 2 <= 1)
    # rows count downwards, so that a clockwise turn brings the right end down
    assert np.nonzero(found)[0][np.nonzero(found)[1] == 11].mean() > 6


def test_a_turned_box_keeps_its_area_and_turns_clockwise() -> None:
    box = rectangle(3, 5, 13, 7)
    down, across = np.nonzero(polygon("x", rotated(box, 45), SIZE).mask)
    assert abs(len(down) - 20) <= 4
    assert np.corrcoef(down, across)[0, 1] > 0.9
    quarter = polygon("x", rotated(box, 90).round(9), SIZE)
    assert (quarter.top, quarter.left, quarter.inside.shape) == (1, 7, (10, 2))


def test_what_lies_outside_is_cut_off() -> None:
    assert polygon("x", rectangle(-9, -9, 30, 20), SIZE).area == SIZE[0] * SIZE[1]
    assert polygon("x", rectangle(17, 3, 25, 9), SIZE).area == 0
    assert ellipse("x", (17.0, 12.0), (3.0, 3.0), 0, SIZE).area == 8


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([[1, 2], [3, 4]], "2 points, which enclose nothing"),
        ([[1, 2], [3, 4], [5]], "no pairs of numbers"),
        ([[1, 2, 3]] * 3, r"of shape \(3, 3\)"),
        ([1, 2, 3, 4, 5, 6], r"of shape \(6,\)"),
        ([["a", "b"]] * 3, "no pairs of numbers"),
        ([[1, 2], [3, 4], [600, 2]], "a point lies at 600, 2, far outside of 17 x 12"),
        ([[1, 2], [3, 4], [math.nan, 2]], "a point lies at nan, 2"),
        ([[1, 2], [3, 4], [1e300, 2]], "far outside"),
        ("points", "no pairs of numbers"),
        (None, "no pairs"),
    ],
)
def test_other_points_are_refused(points: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        checked_points(points, SIZE)


@pytest.mark.parametrize(("radii", "degrees"), [((0.0, 2.0), 0.0), ((math.nan, 2.0), 0.0), ((2.0, 2.0), math.nan)])
def test_other_ellipses_are_refused(radii: tuple[float, float], degrees: float) -> None:
    with pytest.raises(ValueError, match="an ellipse has the radii"):
        ellipse("x", (3.0, 3.0), radii, degrees, SIZE)
