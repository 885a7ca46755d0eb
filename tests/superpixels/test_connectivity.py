"""Connected pieces against a flood fill."""

import numpy as np
import pytest
import torch

from lightning_spx.superpixels.compiled import connected as connected_compiled
from lightning_spx.superpixels.connectivity import connected
from tests.superpixels.slow_slic import slow_connected


@pytest.mark.parametrize("levels", [2, 3, 30])
@pytest.mark.parametrize("min_size", [0, 1, 2, 5, 40, 10_000])
def test_connected_is_a_flood_fill_with_joins(levels: int, min_size: int) -> None:
    labels = torch.randint(0, levels, (3, 14, 11), generator=torch.Generator().manual_seed(levels))
    found = connected(labels, min_size)
    for one, result in zip(labels, found, strict=True):
        assert np.array_equal(result.numpy(), slow_connected(one.numpy(), min_size))
        assert np.array_equal(result.numpy(), connected_compiled(one.int().numpy(), min_size))


def test_a_spiral_is_one_piece() -> None:
    # the longest way through an image, the worst case for the number of rounds
    labels = torch.zeros(1, 33, 33, dtype=torch.int64)
    top, left, bottom, right = 0, 0, 32, 32
    while top < bottom:
        labels[0, top, left : right + 1] = labels[0, top : bottom + 1, right] = 1
        labels[0, bottom, left : right + 1] = labels[0, top + 2 : bottom + 1, left] = 1
        labels[0, top + 2, left : left + 2] = 1
        top, left, bottom, right = top + 2, left + 2, bottom - 2, right - 2
    pieces = torch.from_numpy(slow_connected(labels[0].numpy(), 0))
    assert torch.equal(connected(labels, 0)[0], pieces)
