import copy
import logging

import captum.attr
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_spx.attribution import IntegratedGradients, completeness_gap, integrated_gradients
from lightning_spx.attribution.path import gauss_legendre
from tests.attribution.cases import Net, Notes, images, relative, residual_network, targets


@given(st.integers(1, 60))
@settings(deadline=None, max_examples=20)
def test_nodes_integrate_polynomials_exactly(num_steps: int) -> None:
    nodes, weights = gauss_legendre(num_steps)
    assert sum(weights) == pytest.approx(1.0, abs=1e-15)
    degree = 2 * num_steps - 1
    assert sum(w * t**degree for t, w in zip(nodes, weights, strict=True)) == pytest.approx(1 / (degree + 1), rel=1e-9)


@pytest.mark.parametrize("network", [Net().eval(), residual_network()], ids=["Net", "resnet18"])
def test_equals_captum(network: nn.Module) -> None:
    # float64: in float32 the two round differently, and a ReLU on its edge makes that visible
    network, inputs, target = copy.deepcopy(network).double(), images(2, 32).double(), targets(2)
    mean = (0.4, 0.5, 0.6)
    expected = captum.attr.IntegratedGradients(network).attribute(
        inputs,
        inputs.new_tensor(mean)[None, :, None, None].expand_as(inputs),
        target,
        n_steps=6,
        method="gausslegendre",
    )
    assert relative(IntegratedGradients(6, mean).attribute(network, inputs, target), expected.detach().float()) < 1e-5


def test_quadratic_model_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(12, 12, generator=generator)
    matrix = matrix + matrix.T
    inputs, start = torch.rand(2, 2, 3, 2, 2, generator=generator)

    def model(x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return ((flat @ matrix) * flat).sum(1) / 2

    # the gradient A x is linear on the path, so its mean is the gradient in the middle
    expected = ((inputs - start).flatten(1) * (((inputs + start) / 2).flatten(1) @ matrix)).reshape(inputs.shape)
    for num_steps in (1, 2, 50):
        assert relative(integrated_gradients(model, inputs, None, start, num_steps), expected) < 1e-5


def test_the_default_baseline_is_black_and_one_value_serves_all_channels() -> None:
    network, inputs, target = Net(), images(), targets()
    black = integrated_gradients(network, inputs, target, torch.zeros(3, 10, 10), 5)
    assert torch.equal(IntegratedGradients(5).attribute(network, inputs, target), black)
    gray = IntegratedGradients(5, (0.5,)).attribute(network, inputs, target)
    assert torch.equal(IntegratedGradients(5, (0.5, 0.5, 0.5)).attribute(network, inputs, target), gray)
    assert relative(gray, black) > 0.1


def test_an_image_equal_to_its_baseline_has_no_attribution() -> None:
    assert not integrated_gradients(Net(), images(), targets(), images(), 3).any()


def test_the_sum_is_the_change_of_the_logit_and_the_gap_says_how_far_off() -> None:
    def model(x: Tensor) -> Tensor:
        return (x**4).sum((1, 2, 3))

    inputs, black = images(), torch.zeros(1)
    exact = integrated_gradients(model, inputs, None, black, 2)
    assert float(completeness_gap(model, inputs, None, exact, black).abs().max()) < 1e-4
    # one node in the middle: the integral of 4 t^3 is taken as 1/2 instead of 1
    middle = integrated_gradients(model, inputs, None, black, 1)
    gap = completeness_gap(model, inputs, None, middle, black)
    assert relative(gap, -model(inputs) / 2) < 1e-5


def test_the_gap_equals_captums_convergence_delta() -> None:
    network, inputs, target = Net().eval(), images(), targets()
    reference = captum.attr.IntegratedGradients(network)
    attribution, delta = reference.attribute(inputs, target=target, n_steps=3, return_convergence_delta=True)
    gap = completeness_gap(network, inputs, target, attribution, torch.zeros(1), chunk_size=3)
    assert relative(gap, delta.float()) < 1e-4


def test_the_largest_gap_is_logged_at_two_forward_passes(caplog: pytest.LogCaptureFixture) -> None:
    network, sizes = Net(), Notes()
    network.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    method = IntegratedGradients(3)
    result = method.attribute(network, images(), targets())
    # the second time is a look at one image by itself
    assert (sizes.taken, caplog.text) == ([12, 1], "")
    sizes.taken.clear()
    with caplog.at_level(logging.INFO, logger="lightning_spx.attribution.path"):
        method.attribute(network, images(), targets())
    assert sizes.taken == [12, 1, 4, 4]
    gap = completeness_gap(network, images(), targets(), result, torch.zeros(1)).abs().max().item()
    assert f"largest completeness gap of the batch {gap:.3g}" in caplog.text


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="Expected `num_steps` to be positive, got 0"):
        IntegratedGradients(num_steps=0)
    for wrong in ((), (0.0, float("nan"))):
        with pytest.raises(ValueError, match="Expected `baseline` to hold finite values, one or one for each channel"):
            IntegratedGradients(baseline=wrong)
    with pytest.raises(
        ValueError, match=r"Expected `baseline` to broadcast to \(4, 3, 10, 10\), got shape \(2, 1, 1\)"
    ):
        IntegratedGradients(baseline=(0.0, 1.0)).attribute(Net(), images(), targets())
    with pytest.raises(ValueError, match=r"Expected `attribution` of shape \(4, 3, 10, 10\), got \(3, 3, 10, 10\)"):
        completeness_gap(Net(), images(), targets(), images(3), torch.zeros(1))
    with pytest.raises(ValueError, match="Expected `num_steps` to be positive, got 0"):
        integrated_gradients(Net(), images(), targets(), torch.zeros(1), num_steps=0)
