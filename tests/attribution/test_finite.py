"""Values that are not finite are refused with the images that they belong to."""

import pytest
import torch
from torch import Tensor

from lightning_spx.attribution.chunks import in_chunks
from lightning_spx.attribution.finite import FiniteCheck, NonFiniteError, require_finite


def test_require_finite_names_the_rows() -> None:
    require_finite(torch.zeros(2, 3), "output")
    with pytest.raises(NonFiniteError, match=r"expected a finite output, got NaN or infinity .* positions \[0, 2\]"):
        require_finite(torch.tensor([[torch.nan, 0.0], [1.0, 1.0], [0.0, -torch.inf]]), "output")


def test_infinities_that_cancel_are_found_and_large_values_are_finite() -> None:
    with pytest.raises(NonFiniteError, match=r"positions \[1\]"):
        require_finite(torch.tensor([[0.0, 1.0], [torch.inf, -torch.inf]]), "output")
    require_finite(torch.tensor([[3e38, 3e38]]), "output")
    require_finite(torch.zeros(0, 3), "output")


def test_a_check_that_waits_names_the_images_of_all_chunks() -> None:
    check = FiniteCheck("Name", at_once=False)

    def evaluate(points: Tensor, _: Tensor | None) -> Tensor:
        check(points, "gradient")
        if len(points) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return points

    values = [0.0, torch.nan, 2.0, torch.inf, 4.0]
    points = [(position, torch.tensor([[value]])) for position, value in enumerate(values)]
    rows = []
    with pytest.raises(NonFiniteError, match=r"Name: expected a finite gradient, .* positions \[1, 3\]"):
        rows += list(in_chunks("Name", evaluate, points, None, 4, check))
    assert rows == []
    list(in_chunks("Name", evaluate, points[::2], None, 2, check))


def test_without_a_wait_nothing_is_looked_at_before_the_end() -> None:
    check = FiniteCheck("Name", at_once=False)

    def evaluate(points: Tensor, _: Tensor | None) -> Tensor:
        check(points, "gradient")
        return points

    points = [(position, torch.tensor([[torch.nan]])) for position in range(3)]
    rows = in_chunks("Name", evaluate, points, None, 1, check)
    assert [next(rows)[0] for _ in points] == [0, 1, 2]
    with pytest.raises(NonFiniteError, match=r"positions \[0, 1, 2\]"):
        next(rows)
