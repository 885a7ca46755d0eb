"""Imputation of removed pixels: the solution of its equations, on any device."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.metrics import imputation, impute
from lightning_spx.metrics.imputation import solve_directly, solve_iteratively


def dense_solution(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Write the equations down pixel by pixel and solve them as a dense system."""
    height, width = removed.shape
    places = [(y, x) for y in range(height) for x in range(width) if removed[y, x]]
    system, right = np.zeros((len(places), len(places))), np.zeros((len(places), len(image)))
    for row, (y, x) in enumerate(places):
        around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        inside = [(dy, dx) for dy, dx in around if 0 <= y + dy < height and 0 <= x + dx < width]
        total = sum(1 / 6 if 0 in step else 1 / 12 for step in inside)
        system[row, row] = 1
        for dy, dx in inside:
            share = (1 / 6 if 0 in (dy, dx) else 1 / 12) / total
            if removed[y + dy, x + dx]:
                system[row, places.index((y + dy, x + dx))] -= share
            else:
                right[row] += share * image[:, y + dy, x + dx]
    filled = image.copy()
    for place, value in zip(places, np.linalg.solve(system, right), strict=True):
        filled[:, *place] = value
    return filled


def blobs(number: int, height: int, width: int, share: float) -> Tensor:
    """Masks in the shape of segments: coarse noise, enlarged."""
    coarse = torch.rand(number, 1, -(-height // 4), -(-width // 4), generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.interpolate(coarse, (height, width))[:, 0] < share


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("solve", [solve_directly, solve_iteratively], ids=["direct", "iterative"])
def test_imputation_solves_the_equations(solve: Callable[[Tensor, Tensor], Tensor], share: float) -> None:
    images = torch.rand(4, 3, 13, 17, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    removed = blobs(4, 13, 17, share)
    removed[3] = torch.rand(13, 17, generator=torch.Generator().manual_seed(1)) < share
    found = solve(images, removed)
    for n in range(4):
        expected = dense_solution(images[n].numpy(), removed[n].numpy())
        np.testing.assert_allclose(found[n].numpy(), expected, atol=1e-7)


def test_conjugate_gradients_equal_the_direct_solve_on_large_holes() -> None:
    images = torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    removed = blobs(3, 96, 96, 0.5)
    removed[2, 3:, :] = True
    found, expected = solve_iteratively(images, removed), solve_directly(images, removed)
    assert float((found - expected).abs().max()) < 1e-6


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (9, 30), (40, 40)])
def test_small_images_are_solved_as_large_ones(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(5, 2, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    removed = (
        torch.rand(5, *size, generator=torch.Generator().manual_seed(1))
        < torch.tensor([0.02, 0.3, 0.6, 0.98, 1])[:, None, None]
    )
    removed[:, 0, 0] = False  # all that is kept in the last image
    removed[0, -1, -1] = True
    banded = solve_directly(images, removed)
    monkeypatch.setattr(imputation, "BANDED_ELEMENTS", 0)
    torch.testing.assert_close(banded, solve_directly(images, removed), atol=1e-10, rtol=0)


def test_nothing_and_everything_removed() -> None:
    images = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    removed = torch.zeros(2, 6, 6, dtype=torch.bool)
    removed[1] = True
    filled = impute(images, removed)
    assert torch.equal(filled[0], images[0])
    torch.testing.assert_close(filled[1], images[1].mean((1, 2))[:, None, None].expand(3, 6, 6))
    with pytest.raises(TypeError, match="`removed` to be bool"):
        impute(images, removed.float())
    with pytest.raises(ValueError, match="`removed`"):
        impute(images, removed[:, :2])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_imputation_on_the_device_equals_that_on_the_cpu() -> None:
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    removed = blobs(3, 64, 64, 0.5)
    found = impute(images.cuda(), removed.cuda()).cpu()
    torch.testing.assert_close(found, impute(images, removed), atol=1e-6, rtol=0)
