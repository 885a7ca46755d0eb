"""Normalization as a layer."""

import pytest
import torch
from torchvision.transforms.v2 import functional

from lightning_spx.models import Normalize


def test_normalization_is_that_of_torchvision() -> None:
    images = torch.rand(2, 3, 4, 4)
    expected = functional.normalize(images, [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    torch.testing.assert_close(Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))(images), expected)


def test_normalization_does_not_learn() -> None:
    assert list(Normalize().parameters()) == []


def test_a_wrong_normalization_is_refused() -> None:
    with pytest.raises(ValueError, match="`mean` and `std` to be of equal length, got 3 and 1"):
        Normalize((0.5, 0.5, 0.5), (1.0,))
    with pytest.raises(ValueError, match=r"`std` to be positive, got \(1.0, 0.0\)"):
        Normalize((0.5, 0.5), (1.0, 0.0))
