"""Errors are those against many more evaluations."""

import pytest
from torch import Tensor, nn

from lightning_spx.attribution import (
    IntegratedGradients,
)
from lightning_spx.evaluation.benchmark.exactness import path_errors, variance_ratios
from tests.attribution.cases import Net, images
from tests.evaluation.benchmark.bench_cases import bench_of


def test_errors_are_those_against_a_thousand_evaluations() -> None:
    network = Net().eval()
    errors = path_errors(bench_of(network), num_images=3)
    assert errors.groupby("what")["image"].nunique().eq(3).all()
    target = network(images(3)).argmax(1)
    exact = IntegratedGradients(1000).attribute(network, images(3), target)
    ten = IntegratedGradients(10).attribute(network, images(3), target)
    expected = (ten - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert errors.loc[errors["what"] == "10 nodes", "error"].tolist() == pytest.approx(expected.tolist(), rel=1e-3)
    fixed = errors[errors["what"] == "captum, 50 nodes"]["error"].to_numpy()
    assert fixed == pytest.approx(errors[errors["what"] == "50 nodes"]["error"].to_numpy(), abs=1e-4)


def test_antithetic_pairs_have_no_variance_for_a_quadratic_model() -> None:
    class Quadratic(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.flatten(1).square()[:, :4]

    ratios = variance_ratios(bench_of(Quadratic()), num_images=2)
    assert (ratios < 1e-6).all()
