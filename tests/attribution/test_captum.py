import random
from typing import Any, cast

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import FromCaptum, Gradient, IntegratedGradients
from tests.attribution.cases import Net, images, random_states, relative, targets


class Fixed:
    """A method that returns what it was given."""

    def __init__(self, result: object) -> None:
        self.result = result

    def attribute(self, inputs: Tensor, target: Tensor) -> object:
        return self.result


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        (captum.attr.DeepLift, {}),
        (captum.attr.Saliency, {"abs": False}),
        (captum.attr.Deconvolution, {}),
        (captum.attr.FeatureAblation, {"feature_mask": torch.arange(100).reshape(1, 1, 10, 10) // 25}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_equals_captum_called_by_hand(method: type, arguments: dict[str, object]) -> None:
    network = Net().eval()
    for module in (network.relu1, network.relu2):
        module.inplace = False
    expected = method(network).attribute(images().requires_grad_(), target=targets(), **arguments).detach().float()
    result = FromCaptum(method, arguments, chunk_size=3).attribute(network.train(), images(), targets())
    assert relative(result, expected) < 1e-5


def test_our_methods_are_those_of_captum() -> None:
    network = Net()
    for ours, theirs in (
        (Gradient(), FromCaptum(captum.attr.Saliency, {"abs": False})),
        (
            IntegratedGradients(7),
            FromCaptum(captum.attr.IntegratedGradients, {"n_steps": 7, "method": "gausslegendre"}),
        ),
    ):
        expected = theirs.attribute(network, images(), targets())
        assert relative(ours.attribute(network, images(), targets()), expected) < 1e-5


def test_a_function_may_build_the_method() -> None:
    def tunnel(model: nn.Module) -> object:
        return captum.attr.NoiseTunnel(captum.attr.Saliency(model))

    method = FromCaptum(tunnel, {"nt_samples": 2, "stdevs": 0.1}, seed=0)
    assert bool(method.attribute(Net(), images(), targets()).any())


def random_method(seed: int | None) -> FromCaptum:
    return FromCaptum(captum.attr.GradientShap, {"baselines": torch.zeros(2, 3, 10, 10), "stdevs": 0.1}, seed=seed)


def test_random_methods_depend_on_seed_and_image_only() -> None:
    network, inputs, target = Net().double(), images().double(), targets()
    method = FromCaptum(
        captum.attr.GradientShap, {"baselines": torch.zeros(2, 3, 10, 10, dtype=torch.float64), "stdevs": 0.1}, seed=3
    )
    result = method.attribute(network, inputs, target)
    torch.rand(3), np.random.rand(3), random.random()
    assert relative(method.attribute(network, inputs.flip(0), target.flip(0)).flip(0), result) < 1e-6
    assert relative(method.attribute(network, inputs[2:], target[2:]), result[2:]) < 1e-6


def test_random_methods_leave_every_random_state() -> None:
    network = Net()
    states = random_states()
    first = random_method(0).attribute(network, images(), targets())
    assert random_states() == states
    assert relative(random_method(1).attribute(network, images(), targets()), first) > 0.01


def test_random_methods_need_a_seed() -> None:
    with pytest.raises(ValueError, match="Expected `seed` to be an int for GradientShap, which draws random numbers"):
        random_method(None).attribute(Net(), images(), targets())


def test_results_of_another_kind_shape_or_value_are_refused() -> None:
    def returning(result: object) -> FromCaptum:
        return FromCaptum(lambda model: Fixed(result))

    with pytest.raises(TypeError, match=r"Expected <lambda> to return a tensor, got tuple"):
        returning((images(), images())).attribute(Net(), images(), targets())
    with pytest.raises(ValueError, match=r"return the shape of the inputs \(4, 3, 10, 10\), got \(4, 1, 10, 10\)"):
        returning(images()[:, :1]).attribute(Net(), images(), targets())
    broken = images()
    broken[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"FromCaptum\(<lambda>\): expected a finite attribution, .* positions \[1\]"):
        returning(broken).attribute(Net(), images(), targets())


def test_settings_are_checked() -> None:
    with pytest.raises(TypeError, match=r"Expected `method` to be a class of captum\.attr, got 'DeepLift'"):
        FromCaptum(method=cast(Any, "DeepLift"))
    with pytest.raises(ValueError, match="Expected `chunk_size` to be positive or None, got 0"):
        FromCaptum(captum.attr.DeepLift, chunk_size=0)
