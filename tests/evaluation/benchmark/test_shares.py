"""The arithmetic of a gradient."""

import pytest
from torch import nn

from lightning_spx.evaluation.benchmark.shares import gflop_of_a_gradient
from tests.attribution.cases import images


def test_arithmetic_is_that_of_the_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(8 * 100, 5)).eval()
    # two operations for each multiplication, forward and backward to the input
    expected = 2 * 2 * (8 * 100 * 3 * 9 + 5 * 800) / 1e9
    assert gflop_of_a_gradient(network, images(1)) == pytest.approx(expected)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
