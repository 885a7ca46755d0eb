from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    AdaptiveIntegratedGradients,
    IntegratedGradients,
    adaptive_integrated_gradients,
    completeness_gap,
    integrated_gradients,
)
from lightning_spx.attribution.adaptive import chebyshev_nodes
from tests.attribution.cases import Net, Notes, images, relative, targets


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = Net().double()
        self.seen = Notes()

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(len(inputs))
        logits: Tensor = self.network(inputs)
        return logits


def clenshaw_curtis(num_steps: int) -> np.ndarray:
    """Weights of Clenshaw and Curtis on [0, 1], by solving for the integrals of all polynomials; ends included."""
    nodes = np.cos(np.pi * np.arange(num_steps + 2) / (num_steps + 1))
    powers = np.polynomial.chebyshev.chebvander(nodes, num_steps + 1).T
    degree = np.arange(num_steps + 2)
    integrals = np.where(degree % 2 == 0, 2 / (1 - degree.astype(float) ** 2 + (degree == 1)), 0)
    return np.linalg.solve(powers, integrals) / 2


@pytest.mark.parametrize("num_steps", [7, 15, 63])
def test_rules_are_nested_and_near_clenshaw_curtis(num_steps: int) -> None:
    nodes, weights = chebyshev_nodes(num_steps)
    finer_nodes, finer_weights = chebyshev_nodes(2 * num_steps + 1)
    assert finer_nodes[1::2] == pytest.approx(nodes)
    assert finer_weights[1::2] == pytest.approx(weights)
    scaled = np.array(weights) / sum(weights)
    assert np.abs(scaled - clenshaw_curtis(num_steps)[1:-1]).max() < 2 / (num_steps + 1) ** 2


def test_the_integral_of_a_polynomial() -> None:
    # d/dx of x^4: the path integral is x^4 itself
    inputs = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64).view(1, 1, 1, 3)
    found = adaptive_integrated_gradients(
        lambda x: (x**4).sum((1, 2, 3)), inputs, None, torch.zeros(1), tolerance=0, max_steps=2047
    )
    assert found.attribution.flatten().tolist() == pytest.approx([0.0625, 1.0, 16.0], rel=1e-5)
    assert found.num_evaluations.tolist() == [2047]


def test_it_approaches_many_gauss_legendre_nodes() -> None:
    network, inputs, target = Net().double().eval(), images().double(), targets()
    expected = integrated_gradients(network, inputs, target, torch.zeros(1), num_steps=1000)
    errors = []
    for tolerance in (0.5, 0.05, 0.005):
        method = AdaptiveIntegratedGradients(tolerance, max_steps=4095)
        result = method.attribute(network, inputs, target)
        errors.append(float((result - expected).norm() / expected.norm()))
        assert errors[-1] < tolerance
    assert errors[0] > errors[1] > errors[2]


def test_every_evaluation_is_counted_and_each_image_stops_by_itself() -> None:
    model, inputs, target = Counting(), images(5).double(), targets(5)
    inputs[3] = 0  # on the baseline: an empty map, which no doubling changes
    found = adaptive_integrated_gradients(model, inputs, target, torch.zeros(1), tolerance=0.02, max_steps=1023)
    # and one image was looked at by itself
    assert int(found.num_evaluations.sum()) + 1 == sum(model.seen.taken)
    assert found.num_evaluations[3] == 15
    assert len(set(found.num_evaluations.tolist())) > 1
    assert (found.change < 0.02).all()
    assert not found.attribution[3].any()
    for image in range(5):
        alone = adaptive_integrated_gradients(
            model, inputs[image : image + 1], target[image : image + 1], torch.zeros(1), tolerance=0.02, max_steps=1023
        )
        assert alone.num_evaluations[0] == found.num_evaluations[image]
        assert relative(alone.attribution[0], found.attribution[image]) < 1e-6 or image == 3


def test_an_image_that_does_not_settle_says_so() -> None:
    found = adaptive_integrated_gradients(
        Net().eval(), images(), targets(), torch.zeros(1), tolerance=1e-6, max_steps=31
    )
    assert found.num_evaluations.tolist() == [31] * 4
    assert (found.change > 1e-6).all()


def test_baseline_and_completeness() -> None:
    network, inputs, target = Net().double().eval(), images().double(), targets()
    method = AdaptiveIntegratedGradients(tolerance=0.005, max_steps=4095, baseline=(0.2, 0.5, 0.1))
    result = method.attribute(network, inputs, target)
    start = torch.tensor(method.baseline, dtype=torch.float64)[:, None, None]
    assert completeness_gap(network, inputs, target, result, start).abs().max() < 0.02
    plain = IntegratedGradients(1000, baseline=method.baseline).attribute(network, inputs, target)
    assert relative(result, plain) < 0.02


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AdaptiveIntegratedGradients(tolerance=-0.1), "finite and non-negative, got -0.1"),
        (
            lambda: AdaptiveIntegratedGradients(tolerance=float("nan")),
            "finite and non-negative, got nan",
        ),
        (
            lambda: AdaptiveIntegratedGradients(max_steps=50),
            "a power of two minus one and at least 15, got 50",
        ),
        (lambda: AdaptiveIntegratedGradients(max_steps=7), "and at least 15, got 7"),
        (lambda: AdaptiveIntegratedGradients(baseline=()), "`baseline` to hold finite values"),
    ],
)
def test_settings_that_make_no_sense(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_no_images() -> None:
    assert AdaptiveIntegratedGradients().attribute(Net(), images(0), targets(0)).shape == (0, 3, 10, 10)
