"""What metrics do to maps before they measure."""

import numpy as np
import pytest
import torch

from lightning_spx.metrics.shapes import scaled

ROWS = torch.randn(640, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
# from the smallest of float64 to the largest
DECADES = torch.linspace(-307, 307, len(ROWS), dtype=torch.float64)[:, None]


def exact(rows: torch.Tensor) -> torch.Tensor:
    """The same by NumPy, each row by the power of two of its largest value."""
    numbers = rows.numpy()
    return torch.from_numpy(np.ldexp(numbers, -np.frexp(np.abs(numbers).max(axis=1, keepdims=True))[1]))


@pytest.mark.parametrize("decade", [-320, -300, -80, 0, 80, 200, 300])
def test_rows_of_a_scale_are_brought_near_one_without_rounding(decade: int) -> None:
    rows = ROWS * 10.0**decade
    found = scaled(rows)
    assert torch.equal(found, exact(rows))
    assert ((found.abs().amax(1) >= 0.5) & (found.abs().amax(1) < 1)).all()


def test_rows_of_many_scales_are_brought_near_one_without_rounding() -> None:
    rows = ROWS * 10**DECADES
    assert rows.isfinite().all()
    found = scaled(rows)
    assert torch.equal(found, exact(rows))
    # as far apart as before
    assert torch.equal(found / found[:, :1], rows / rows[:, :1])


def test_small_values_beside_large_ones_keep_their_digits() -> None:
    rows = torch.tensor([[1e200, 1e-80], [1e-80, 1e-300], [5e-324, 0.0]], dtype=torch.float64)
    assert torch.equal(scaled(rows), exact(rows))
    assert (scaled(rows)[:2] > 0).all()


def test_rows_that_cannot_be_scaled_stay_as_they_are() -> None:
    rows = torch.tensor([[torch.nan, 1e200], [torch.inf, 3.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(scaled(rows), rows, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_other_types_are_converted(dtype: torch.dtype) -> None:
    rows = torch.tensor([[0, 1], [3, 0]]).to(dtype)
    assert torch.equal(scaled(rows), rows.double())
