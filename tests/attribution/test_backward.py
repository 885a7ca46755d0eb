"""Gradients through float16 are those of the same weights in float32, large or small."""

import copy

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    Attribution,
    GradCAM,
    Gradient,
    IntegratedGradients,
    SmoothGrad,
)
from lightning_spx.attribution.backward import differentiate
from lightning_spx.attribution.logits import explained_logits
from tests.attribution.cases import images, relative, targets


class Scaled(nn.Module):
    """A network of a type of lower precision, whose logits or whose image are scaled outside of it."""

    def __init__(self, before: float = 1.0, after: float = 1.0, dtype: torch.dtype = torch.float16) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
        self.head = nn.Linear(8, 5)
        self.before, self.after = before, after
        self.to(dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.body(self.before * inputs.to(self.head.weight.dtype))
        logits: Tensor = self.head(features.mean((2, 3)))
        return self.after * logits


def in_float32(network: Scaled) -> Scaled:
    return copy.deepcopy(network).float()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", [Gradient(), GradCAM("body.3"), IntegratedGradients(4), SmoothGrad(num_samples=2)])
def test_gradients_that_underflow_are_those_of_float32(method: Attribution, dtype: torch.dtype) -> None:
    # 2^-10 for each logit and a mean over 44 x 44 places: a gradient of 2^-25 is nothing in float16
    network = Scaled(after=2.0**-10, dtype=dtype).eval()
    inputs = images(2, 48).to(dtype).float()
    expected = method.attribute(in_float32(network), inputs, targets(2))
    result = method.attribute(network, inputs, targets(2))
    # rounding of activations to 11 bits, or to 8, opens and closes a few ReLUs
    assert float((result - expected).norm() / expected.norm()) < (0.1 if dtype is torch.float16 else 0.3)
    assert float(((result == 0) & (expected != 0)).float().mean()) < 0.01


@pytest.mark.parametrize("after", [2.0**6, 2.0**14])
def test_gradients_that_overflow_when_scaled_are_those_of_float32(after: float) -> None:
    network = Scaled(before=2.0**-4, after=after).eval()
    inputs = images(2).half().float()
    expected = Gradient().attribute(in_float32(network), inputs, targets(2))
    result = Gradient().attribute(network, inputs, targets(2))
    assert float((result - expected).norm() / expected.norm()) < 0.1


def test_a_gradient_that_float16_cannot_hold_is_scaled_down() -> None:
    network = Scaled(before=2.0**14, after=2.0**6).eval()
    with torch.no_grad():
        network.head.weight.mul_(2.0**10)
    inputs = 2.0**-14 * images(2)
    expected = Gradient().attribute(in_float32(network), inputs, targets(2))
    assert float(expected.abs().max()) > 65504
    assert relative(Gradient().attribute(network, inputs, targets(2)), expected) < 0.1


def test_an_image_is_scaled_by_itself() -> None:
    """The neighbor of this image overflows, and is tried again with less."""
    network = Scaled().eval()

    def model(inputs: Tensor) -> Tensor:
        logits: Tensor = network(inputs)
        return logits * (2.0**12 * (inputs.amax((1, 2, 3)) > 2) + 2.0**-12)[:, None]

    inputs = images(2, 24)
    inputs[1, 0, 0, 0] = 3.0
    alone = torch.cat([Gradient().attribute(model, inputs[i : i + 1], targets(2)[i : i + 1]) for i in range(2)])
    together = Gradient().attribute(model, inputs, targets(2))
    for image in range(2):
        assert relative(together[image], alone[image]) < 1e-2
        assert alone[image].any()


def test_what_is_not_finite_at_any_scale_is_refused() -> None:
    network, inputs = Scaled().eval(), images(2)
    # the derivative of the root is infinite at 0
    inputs[1, 0, 0, 0] = 0.0
    with pytest.raises(ValueError, match=r"Gradient: expected a finite gradient, got .* at positions \[1\]"):
        Gradient().attribute(lambda x: network(x) + x[:, :1, 0, 0].half().sqrt(), inputs, targets(2))


def test_float32_is_not_scaled() -> None:
    network = in_float32(Scaled()).eval()
    variable = images().requires_grad_()
    logits = explained_logits(network, variable, targets())
    (expected,) = torch.autograd.grad(logits.sum(), variable)
    assert torch.equal(Gradient().attribute(network, images(), targets()), expected)


def test_a_power_of_two_is_taken_back_exactly() -> None:
    network = in_float32(Scaled()).eval()
    results = []
    for exponents in (None, [15, -10, 0, 3]):
        variable = images().requires_grad_()
        results.append(differentiate(explained_logits(network, variable, targets()), variable, exponents=exponents))
    assert torch.equal(results[0], results[1])


class PartlyHalf(nn.Module):
    """A float32 network with one part in float16."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.part = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 3).half()

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.autocast(inputs.device.type, enabled=False):
            features = self.part(self.first(inputs).to(self.part.weight.dtype))
        logits: Tensor = 2.0**-12 * features.float().mean((2, 3))
        return logits


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_part_in_float16_is_enough(precision: str) -> None:
    network = PartlyHalf().eval()
    expected = Gradient().attribute(copy.deepcopy(network).double(), images(2, 40).double(), targets(2))
    build: Attribution = Gradient(precision="bf16") if precision == "bf16" else Gradient()
    assert relative(build.attribute(network, images(2, 40), targets(2)), expected) < 0.02


def test_a_model_that_cannot_be_differentiated_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected a model whose output is a differentiable function of its input"):
        Gradient().attribute(lambda x: x.detach().flatten(1), images(), targets())
    constant = nn.Parameter(torch.ones(4))
    with pytest.raises(ValueError, match="Expected a model whose output is a differentiable function of its input"):
        Gradient().attribute(lambda x: constant * 2, images(), None)


def test_differentiate_keeps_the_images_apart() -> None:
    variable = torch.tensor([[2.0], [3.0]], requires_grad=True)
    assert differentiate(variable[:, 0] ** 3, variable).tolist() == [[12.0], [27.0]]
