from collections.abc import Callable
from typing import Any

import pytest
import torch

from lightning_spx.superpixels import Felzenszwalb, Grid, Quickshift, Slic, Voronoi, Watershed


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Slic(n_segments=0), "Expected `n_segments` to be finite and at least 1, got 0"),
        (lambda: Slic(compactness=0), "Expected `compactness` to be finite and positive, got 0"),
        (lambda: Slic(compactness=-1), "`compactness` to be finite and positive, got -1"),
        (lambda: Slic(sigma=-0.1), "`sigma` to be finite and at least 0, got -0.1"),
        (lambda: Slic(sigma=float("nan")), "`sigma` to be finite and at least 0, got nan"),
        (lambda: Slic(compactness=float("inf")), "`compactness` to be finite and positive, got inf"),
        (lambda: Slic(compactness=10**400), "`compactness` to be finite and positive, got 1000"),
        (lambda: Slic(sigma=10**400), "`sigma` to be finite and at least 0, got 1000"),
        (lambda: Slic(max_num_iter=0), "`max_num_iter` to be finite and at least 1, got 0"),
        (lambda: Felzenszwalb(scale=-1), "`scale` to be finite and at least 0, got -1"),
        (lambda: Felzenszwalb(sigma=-1), "`sigma` to be finite and at least 0, got -1"),
        (lambda: Felzenszwalb(min_size=0), "`min_size` to be finite and at least 1, got 0"),
        (lambda: Quickshift(ratio=-0.1), "`ratio` to be finite and at least 0, got -0.1"),
        (lambda: Quickshift(ratio=1.1), "Expected `ratio` to be at most 1, got 1.1"),
        (lambda: Quickshift(kernel_size=0.5), "`kernel_size` to be finite and at least 1, got 0.5"),
        (lambda: Quickshift(max_dist=-1), "`max_dist` to be finite and at least 0, got -1"),
        (lambda: Quickshift(sigma=-1), "`sigma` to be finite and at least 0, got -1"),
        (lambda: Watershed(markers=0), "`markers` to be finite and at least 1, got 0"),
        (lambda: Watershed(compactness=-1), "`compactness` to be finite and at least 0, got -1"),
        (lambda: Grid(n_segments=0), "`n_segments` to be finite and at least 1, got 0"),
        (lambda: Voronoi(n_segments=0), "`n_segments` to be finite and at least 1, got 0"),
        (lambda: Voronoi(seed=-1), "`seed` to be finite and at least 0, got -1"),
    ],
)
def test_a_setting_out_of_range_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_what_is_no_number_is_refused_with_what_to_type() -> None:
    build: Any = Slic
    with pytest.raises(TypeError, match=r"Expected `n_segments` to be a number, got '50'\.$"):
        build(n_segments="50")
    with pytest.raises(TypeError, match=r"got Tensor: give images to the object, such as Slic\(\)\(images\)\.$"):
        build(torch.zeros(1, 3, 4, 4))
    with pytest.raises(TypeError, match="Expected `compactness` to be a number, got NoneType"):
        build(compactness=None)
    assert build(n_segments=50.0) == Slic(50)
