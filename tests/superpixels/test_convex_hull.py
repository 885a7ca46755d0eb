"""Hulls of segments equal those of scikit-image, pixel by pixel."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.morphology import convex_hull_image
from torch import Tensor

from lightning_spx.superpixels import Felzenszwalb, Slic, Voronoi, as_segments
from lightning_spx.superpixels.convex_hull import convex_hulls

hull_image: Callable[..., NDArray[np.bool_]] = convex_hull_image
PHOTO = torch.rand(1, 3, 40, 53, generator=torch.Generator().manual_seed(3))
SPOTS = torch.nn.functional.interpolate(PHOTO[:, :, :8, :9], (40, 53), mode="bilinear")
PIECES = as_segments(torch.randint(12, (1, 23, 17), generator=torch.Generator().manual_seed(1)))
RINGS = (torch.linspace(-1, 1, 31)[:, None].square() + torch.linspace(-1, 1, 44).square()).mul(4).long()[None]


def reference(mask: np.ndarray) -> int:
    """Hull of pixel centers; scikit-image has none of points on a line, which hold all lattice points between them."""
    y, x = mask.nonzero()
    steps = np.stack([y - y[0], x - x[0]])
    if np.linalg.matrix_rank(steps) < 2:
        return 1 + int(np.gcd(np.ptp(y), np.ptp(x)))
    return int(hull_image(mask, offset_coordinates=False).sum())


@pytest.mark.parametrize(
    "segments",
    [Slic(30)(SPOTS), Felzenszwalb(scale=5, min_size=3)(PHOTO), Voronoi(40, seed=2)(PHOTO), PIECES, as_segments(RINGS)],
    ids=["Slic", "Felzenszwalb", "Voronoi", "pieces", "rings"],
)
def test_hulls_equal_those_of_scikit_image(segments: Tensor) -> None:
    ids = segments[0]
    hulls = convex_hulls(ids)
    masks = [(ids == segment).numpy() for segment in range(int(ids.max()) + 1)]
    assert hulls.area.tolist() == [reference(mask) for mask in masks]
    assert hulls.height.tolist() == [int(np.ptp(mask.nonzero()[0])) + 1 for mask in masks]
    assert hulls.width.tolist() == [int(np.ptp(mask.nonzero()[1])) + 1 for mask in masks]


def test_a_hull_of_points_on_a_slanted_line_has_the_pixels_that_the_line_meets() -> None:
    ids = torch.ones(5, 9, dtype=torch.int64)
    ids[0, 0] = ids[4, 8] = 0
    assert convex_hulls(ids).area.tolist() == [5, 45 - 2]
    ids[4, 8], ids[4, 7] = 1, 0
    assert convex_hulls(ids).area[0] == 2


def test_every_pixel_a_segment_and_one_segment() -> None:
    alone = torch.arange(12).view(3, 4)
    assert [set(each.tolist()) for each in convex_hulls(alone)] == [{1}, {1}, {1}]
    assert [each.tolist() for each in convex_hulls(torch.zeros(3, 4, dtype=torch.int64))] == [[12], [3], [4]]
