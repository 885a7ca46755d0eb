import copy
from collections.abc import Callable

import captum.attr
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F
from torchvision.models import mobilenet_v2

from lightning_spx.attribution import (
    Attribution,
    GradCAM,
    Gradient,
    GuidedBackprop,
    GuidedGradCAM,
    SmoothGrad,
    saliency_map,
)
from lightning_spx.metrics import saliency_ssim
from lightning_spx.models import SmallResNet, cascading_randomisation
from tests.attribution.cases import Net, images, relative, residual_network, small_transformer, targets
from tests.attribution.test_plugged_in import Checkpointed, traced

WEIGHTS = [torch.randn(shape, generator=torch.Generator().manual_seed(4)) for shape in [(12, 9), (9, 7), (7, 3)]]


def three_layers(inputs: Tensor) -> Tensor:
    first, second, last = WEIGHTS
    return F.relu(torch.relu(inputs.flatten(1) @ first) @ second) @ last


def without_in_place(network: nn.Module) -> nn.Module:
    """For captum, whose hooks on modules an operation in place breaks."""
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return network.eval()


def test_equals_a_backward_pass_by_hand() -> None:
    inputs = images(3, 2) - 0.5
    result = GuidedBackprop().attribute(three_layers, inputs, [0, 2, 1])
    first, second, last = WEIGHTS
    for image, target, found in zip(inputs, [0, 2, 1], result, strict=True):
        before = [image.flatten() @ first]
        before.append(before[0].clamp(min=0) @ second)
        signal = last[:, target]
        for weight, activation in zip((second, first), reversed(before), strict=True):
            passed = [float(s) if s > 0 and a > 0 else 0.0 for s, a in zip(signal, activation, strict=True)]
            signal = weight @ torch.tensor(passed)
        assert relative(found.flatten(), signal) < 1e-5
    assert relative(Gradient().attribute(three_layers, inputs, [0, 2, 1]), result) > 0.1


@pytest.mark.parametrize(("network", "size"), [(Net(), 10), (residual_network(), 40)], ids=["Net", "ResNet-18"])
@pytest.mark.filterwarnings("ignore:Setting")
def test_equals_captum_and_is_no_plain_gradient(network: nn.Module, size: int) -> None:
    inputs, target = images(3, size), targets(3)
    result = GuidedBackprop().attribute(network, inputs, target)
    theirs = captum.attr.GuidedBackprop(without_in_place(copy.deepcopy(network)))
    expected = theirs.attribute(inputs.clone().requires_grad_(), target=target)
    assert relative(result, expected.detach()) < 1e-5
    assert relative(Gradient().attribute(network, inputs, target), result) > 0.1


def test_equals_pytorch_grad_cam() -> None:
    pytorch_grad_cam = pytest.importorskip("pytorch_grad_cam")
    inputs, target = images(2), targets(2)
    result = GuidedBackprop().attribute(Net(), inputs, target)
    theirs = pytorch_grad_cam.GuidedBackpropReLUModel(Net(), device="cpu")
    for image, label, found in zip(inputs, target.tolist(), result, strict=True):
        expected = torch.from_numpy(theirs(image[None].clone(), label)).movedim(2, 0)
        assert relative(found, expected) < 1e-5


class Spelled(nn.Module):
    """`Net`, with its ReLUs as a function, an operator, in place, and one module called twice."""

    def __init__(self, first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.first, self.second = Net(), first, second

    def forward(self, inputs: Tensor) -> Tensor:
        network = self.network
        features = self.second(network.conv2(self.first(network.norm(network.conv1(inputs)))))
        logits: Tensor = network.head(network.pool(features).flatten(1))
        return logits


REUSED = nn.ReLU()


Rectifier = Callable[[Tensor], Tensor]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (F.relu, torch.relu),
        (Tensor.relu_, Tensor.relu),
        (lambda x: F.relu(x, inplace=True), torch.ops.aten.relu.default),
        (REUSED, REUSED),
        (lambda x: F.relu(x).relu(), lambda x: x.relu().relu()),
    ],
    ids=["functions", "methods", "in place", "reused", "twice"],
)
def test_every_spelling_of_relu_is_guided(
    first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]
) -> None:
    expected = GuidedBackprop().attribute(Net(), images(), targets())
    assert relative(GuidedBackprop().attribute(Spelled(first, second), images(), targets()), expected) < 1e-6


def into_a_view(features: Tensor) -> Tensor:
    features[:, :2].relu_()
    return features.relu()


class OwnRectifier(torch.autograd.Function):
    """A rectifier whose backward pass is written by hand, as some libraries have them to save memory."""

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor) -> Tensor:
        return features.clamp(min=0)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        return gradient


@pytest.mark.parametrize(
    ("rectifier", "found"),
    [
        (F.gelu, "GELU"),
        (F.silu, "SiLU"),
        (F.relu6, "ReLU6 or Hardtanh"),
        (nn.PReLU(6), "PReLU"),
        (lambda x: x.clamp_min(0.0), r"clamp\(min=0\)"),
        (lambda x: x.clamp(min=0), r"clamp\(min=0\)"),
        (lambda x: torch.maximum(x, torch.zeros(1)), "torch.maximum"),
    ],
)
def test_another_rectifier_is_named_even_beside_relu(rectifier: Rectifier, found: str) -> None:
    expected = rf"Expected Spelled to have ReLU and no other rectifier, .* not defined, got {found}\."
    for method in (GuidedBackprop(), GuidedGradCAM("network.conv2")):
        with pytest.raises(ValueError, match=expected):
            method.attribute(Spelled(rectifier, F.relu), images(), targets())


def test_networks_without_relu_are_refused() -> None:
    for model, found in ((small_transformer(), "GELU"), (mobilenet_v2(), "ReLU6 or Hardtanh")):
        with pytest.raises(ValueError, match=f"not defined, got {found}"):
            GuidedBackprop().attribute(model, images(2, 32), targets(2))
    with pytest.raises(ValueError, match=r"Expected <lambda> to have ReLU and no other rectifier, .* got none"):
        GuidedBackprop().attribute(lambda x: x.flatten(1), images(), targets())


def test_what_hides_a_relu_is_refused() -> None:
    with pytest.raises(ValueError, match=r"to show its ReLUs for guided .*, got an operation that writes to a view"):
        GuidedBackprop().attribute(Spelled(into_a_view, F.relu), images(), targets())
    with pytest.raises(ValueError, match="got the autograd function OwnRectifier"):
        GuidedBackprop().attribute(Spelled(OwnRectifier.apply, F.relu), images(), targets())
    with pytest.raises(ValueError, match="got an activation checkpoint that is not `use_reentrant=False`"):
        GuidedBackprop().attribute(Checkpointed(use_reentrant=True), images(), targets())


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize(
    "build",
    [
        lambda: Checkpointed(use_reentrant=False),
        lambda: torch.compile(Net(), backend="aot_eager"),
        lambda: traced(Net().eval()),
        lambda: torch.export.export(Net().eval(), (images(),)).module(),
    ],
    ids=["checkpointed", "compiled", "traced", "exported"],
)
def test_other_ways_to_run_a_network_are_guided_too(build: Callable[[], nn.Module]) -> None:
    network = build()
    method = GuidedBackprop(chunk_size=4)
    assert relative(method.attribute(network, images(), targets()), method.attribute(Net(), images(), targets())) < 1e-5


def test_the_model_keeps_its_own_gradient() -> None:
    network = Net().eval()
    expected = Gradient().attribute(network, images(), targets())
    GuidedBackprop().attribute(network, images(), targets())
    assert torch.equal(Gradient().attribute(network, images(), targets()), expected)


def test_smoothgrad_of_it_is_the_mean_over_noisy_copies() -> None:
    still = SmoothGrad(GuidedBackprop(), num_samples=3, stdev=0.0).attribute(Net(), images(), targets())
    assert relative(still, GuidedBackprop().attribute(Net(), images(), targets())) < 1e-6


def test_the_product_equals_captums_with_a_bilinear_map() -> None:
    network = without_in_place(Net())
    inputs, target = images(), targets()
    theirs = captum.attr.GuidedGradCam(network, network.get_submodule("conv2"))
    variable = inputs.clone().requires_grad_()
    expected = theirs.attribute(variable, target=target, interpolate_mode="bilinear").detach()
    result = GuidedGradCAM("conv2").attribute(Net(), inputs, target)
    # captum takes the positive part of the map only after it was scaled up
    same = GradCAM("conv2").attribute(Net(), inputs, target)[:, :1] > 0
    assert float(same.float().mean()) > 0.2
    assert relative(result * same, expected * same) < 1e-5


class PlainConvolutions(nn.Sequential):
    """Six convolutions with ReLU and two poolings, as in VGG, always with the same random weights."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            for number in range(6):
                layers += [nn.Conv2d(16 if number else 3, 16, 3, padding=1), nn.ReLU()]
                if number in (1, 3):
                    layers.append(nn.MaxPool2d(2))
            super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))


def rectangles(num: int = 6) -> Tensor:
    """Images of a few random rectangles, `(num, 3, 32, 32)`."""
    generator = torch.Generator().manual_seed(3)
    result = torch.full((num, 3, 32, 32), 0.3)
    for image in result:
        for _ in range(4):
            top, left = torch.randint(22, (2,), generator=generator).tolist()
            height, width = torch.randint(4, 12, (2,), generator=generator).tolist()
            image[:, top : top + height, left : left + width] = torch.rand(3, 1, 1, generator=generator)
    return result


def similarities(method: Attribution, network: nn.Module, inputs: Tensor) -> list[float]:
    """Of the maps before and after the upper layers are randomized, as the sanity check of a study measures them."""
    target = network(inputs).argmax(1)
    own = saliency_map(method.attribute(network, inputs, target))
    return [
        float(saliency_ssim(own, saliency_map(method.attribute(randomized, inputs, target))).mean())
        for share, randomized in cascading_randomisation(network.eval(), 4)
        if share < 0.6
    ]


def test_the_sanity_check_sees_that_it_survives_what_the_gradient_does_not() -> None:
    network, inputs = PlainConvolutions(), rectangles()
    # after two and four of seven layers
    assert max(similarities(Gradient(), network, inputs)) < 0.2
    guided = similarities(GuidedBackprop(), network, inputs)
    assert guided[0] > 0.8
    assert guided[1] > 0.5


def test_residual_networks_of_this_package_are_guided() -> None:
    network = SmallResNet(width=4)
    result = GuidedBackprop().attribute(network, images(2, 16), targets(2))
    assert relative(Gradient().attribute(network, images(2, 16), targets(2)), result) > 0.1
