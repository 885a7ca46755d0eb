"""MeGe by hand."""

import torch

from lightning_spx.metrics import (
    mege_from_distances,
)


def test_mege_by_hand() -> None:
    distances = torch.tensor([[0.0, 1.0, 5.0], [2.0, torch.nan, torch.nan]])
    agree = torch.tensor([[True, True, False], [True, True, False]])
    assert mege_from_distances(distances, agree).item() == 0.5
