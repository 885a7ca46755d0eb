from typing import cast

import captum.attr
import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    Attribution,
    GradCAM,
    Gradient,
    InputXGradient,
    IntegratedGradients,
    gradient,
    input_gradient,
)
from lightning_spx.attribution.guards import Precision
from tests.attribution.cases import Net, Notes, every_method, images, relative, residual_network, targets


def test_gradient_of_a_linear_model_is_its_weights() -> None:
    weights = torch.arange(24.0).reshape(2, 12)
    result = Gradient().attribute(lambda x: x.flatten(1) @ weights.T, torch.rand(2, 3, 2, 2), torch.tensor([1, 0]))
    assert torch.equal(result, weights[[1, 0]].reshape(2, 3, 2, 2))


@pytest.mark.parametrize("network", [Net().eval(), residual_network()], ids=["Net", "resnet18"])
def test_gradients_equal_captum(network: nn.Module) -> None:
    inputs, target = images(3, 64), targets(3)
    saliency = captum.attr.Saliency(network).attribute(inputs.clone().requires_grad_(), target=target, abs=False)
    product = captum.attr.InputXGradient(network).attribute(inputs.clone().requires_grad_(), target=target)
    assert relative(Gradient().attribute(network, inputs, target), saliency) < 1e-5
    assert relative(InputXGradient().attribute(network, inputs, target), product.detach()) < 1e-5


@every_method
def test_result_has_the_shape_of_the_inputs_detached_float32(method: Attribution) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        result = method.attribute(Net(), images(2).to(dtype).requires_grad_(), targets(2))
        assert result.shape == (2, 3, 10, 10)
        assert result.dtype == torch.float32
        assert not result.requires_grad
        assert bool(result.isfinite().all())
        assert bool(result.any())


@every_method
def test_half_precision_images_are_explained_in_float32(method: Attribution) -> None:
    half = images(2).half()
    assert torch.equal(method.attribute(Net(), half, targets(2)), method.attribute(Net(), half.float(), targets(2)))


@every_method
def test_no_images_give_no_attribution(method: Attribution) -> None:
    assert method.attribute(Net(), images()[:0], targets()[:0]).shape == (0, 3, 10, 10)


@every_method
def test_results_of_non_negative_methods_are_non_negative(method: Attribution) -> None:
    lowest = method.attribute(Net(), images(), targets()).min()
    assert (float(lowest) >= 0) == method.non_negative


def test_one_pixel_is_enough() -> None:
    result = InputXGradient().attribute(lambda x: (x**3).flatten(1), torch.full((1, 3, 1, 1), 2.0), torch.tensor([0]))
    assert result.flatten().tolist() == [24.0, 0.0, 0.0]


def test_input_gradient_is_public_and_equal_to_the_method() -> None:
    assert relative(input_gradient(Net(), images(), targets()), Gradient().attribute(Net(), images(), targets())) < 1e-6


@every_method
def test_inputs_must_be_a_batch_of_floating_point_images(method: Attribution) -> None:
    with pytest.raises(TypeError, match=r"Expected `inputs` to be a floating point tensor, got torch\.uint8"):
        method.attribute(Net(), torch.zeros(1, 3, 4, 4, dtype=torch.uint8), targets(1))
    with pytest.raises(
        ValueError, match=r"Expected `inputs` of shape \(N, C, H, W\), got \(3, 4, 4\): .*inputs\[None\]"
    ):
        method.attribute(Net(), torch.zeros(3, 4, 4), targets(1))


@every_method
def test_a_nan_names_the_method_and_the_image(method: Attribution) -> None:
    inputs = images()
    inputs[2, 0, 3, 3] = torch.nan
    with pytest.raises(ValueError, match=rf"{type(method).__name__}.* finite .* at positions \[2\]"):
        method.attribute(Net(), inputs, targets())


def test_a_gradient_that_is_infinite_is_refused_though_the_output_is_finite() -> None:
    inputs = torch.tensor([4.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    with pytest.raises(ValueError, match=r"Gradient: expected a finite gradient, got .* at positions \[1\]"):
        Gradient().attribute(lambda x: x.sqrt().flatten(1), inputs, torch.zeros(3, dtype=torch.int64))


def test_positions_in_a_later_chunk_are_positions_in_the_batch() -> None:
    inputs = images(6)
    inputs[[4, 5], 0, 0, 0] = torch.inf
    with pytest.raises(ValueError, match=r"at positions \[4, 5\]"):
        Gradient(chunk_size=2).attribute(Net(), inputs, targets(6))


def test_settings_are_checked() -> None:
    for method in (Gradient, InputXGradient, IntegratedGradients, GradCAM):
        with pytest.raises(ValueError, match="Expected `chunk_size` to be positive or None, got 0"):
            method(chunk_size=0)
        with pytest.raises(ValueError, match="Expected `precision` to be 'fp32' or 'bf16', got 'fp16'"):
            method(precision=cast(Precision, "fp16"))


class Viewing(nn.Module):
    """Works on contiguous feature maps alone."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.notes = Notes()

    def forward(self, inputs: Tensor) -> Tensor:
        self.notes.append(inputs.is_contiguous())
        features: Tensor = self.convolution(inputs).view(len(inputs), -1)
        return features.square()[:, ::64]


def test_a_model_that_views_its_feature_maps_is_given_contiguous_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "PIXELS_FOR_CHANNELS_LAST", 100)
    model = Viewing()
    result = Gradient(chunk_size=1).attribute(model, images(3), targets(3) % 4)
    # the fourth is a look at two chunks together, to see that neither depends on the other
    assert model.notes.taken == [False, True, True, True, True]
    assert relative(result, input_gradient(model, images(3), targets(3) % 4)) < 1e-6


def test_few_pixels_stay_contiguous() -> None:
    model = Viewing()
    Gradient().attribute(model, images(3), targets(3) % 4)
    # the second time is a look at one image by itself
    assert model.notes.taken == [True, True]


def test_many_pixels_have_their_channels_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "PIXELS_FOR_CHANNELS_LAST", 100)
    layouts = []
    network = Net().double().eval()

    def model(inputs: Tensor) -> Tensor:
        layouts.append(inputs.is_contiguous(memory_format=torch.channels_last))
        logits: Tensor = network(inputs)
        return logits

    result = Gradient().attribute(model, images().double(), targets())
    # the second time is a look at one image by itself
    assert layouts == [True, False]
    assert relative(result, input_gradient(network, images().double(), targets())) < 1e-6


def test_other_errors_of_a_model_are_not_tried_again() -> None:
    calls = []

    def model(inputs: Tensor) -> Tensor:
        calls.append(1)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        Gradient().attribute(model, images(), None)
    assert len(calls) == 1
