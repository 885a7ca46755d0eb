"""Networks that write to their images, are checkpointed, scripted, traced or exported: the gradients of plain ones."""

from collections.abc import Callable

import captum.attr
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lightning_spx.attribution import Attribution, FromCaptum, GradCAM, Gradient, IntegratedGradients, SmoothGrad
from tests.attribution.cases import Net, images, relative, targets

METHODS = [Gradient(), Gradient(chunk_size=2), IntegratedGradients(3), SmoothGrad(num_samples=2), GradCAM()]


class Preparing(nn.Module):
    """Scales its images, in the place where they are or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.network, self.in_place = Net(), in_place

    def forward(self, inputs: Tensor) -> Tensor:
        if self.in_place:
            inputs.sub_(0.4).div_(0.2).clamp_(-1.0, 1.5)
        else:
            inputs = ((inputs - 0.4) / 0.2).clamp(-1.0, 1.5)
        logits: Tensor = self.network(inputs)
        return logits


@pytest.mark.parametrize("method", METHODS)
def test_a_model_may_write_to_what_it_is_given(method: Attribution) -> None:
    inputs = images()
    result = method.attribute(Preparing(in_place=True), inputs, targets())
    assert torch.equal(inputs, images())
    assert relative(result, method.attribute(Preparing(in_place=False), images(), targets())) < 1e-6


@pytest.mark.parametrize("method", [captum.attr.Saliency, captum.attr.IntegratedGradients, captum.attr.FeatureAblation])
def test_captum_is_not_given_a_model_that_writes_to_its_images(method: type) -> None:
    with pytest.raises(ValueError, match=f"Expected Preparing to leave its input as it is for {method.__name__}"):
        FromCaptum(method).attribute(Preparing(in_place=True), images(), targets())


class Checkpointed(nn.Module):
    def __init__(self, use_reentrant: bool) -> None:
        super().__init__()
        self.network, self.use_reentrant = Net(), use_reentrant

    def forward(self, inputs: Tensor) -> Tensor:
        network = self.network
        features = network.relu1(network.norm(network.conv1(inputs)))
        features = checkpoint(self.second, features, use_reentrant=self.use_reentrant)
        logits: Tensor = network.head(network.pool(features).flatten(1))
        return logits

    def second(self, features: Tensor) -> Tensor:
        result: Tensor = self.network.relu2(self.network.conv2(features))
        return result


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("method", [*METHODS[:4], GradCAM("network.relu1")])
def test_an_activation_checkpoint_changes_nothing(method: Attribution, use_reentrant: bool) -> None:
    network = Checkpointed(use_reentrant)
    plain = GradCAM("relu1") if isinstance(method, GradCAM) else method
    expected = plain.attribute(Net(), images(), targets())
    assert relative(method.attribute(network, images(), targets()), expected) < 1e-6
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_a_layer_inside_of_a_checkpoint_is_explained_or_named() -> None:
    expected = GradCAM().attribute(Net(), images(), targets())
    assert relative(GradCAM().attribute(Checkpointed(use_reentrant=False), images(), targets()), expected) < 1e-6
    with pytest.raises(
        ValueError, match=r"Expected `layer` 'network.relu2' to be evaluated with gradients, .*reentrant"
    ):
        GradCAM().attribute(Checkpointed(use_reentrant=True), images(), targets())


def traced(network: nn.Module) -> nn.Module:
    # PyTorch types it not at all
    trace: Callable[[nn.Module, Tensor], nn.Module] = torch.jit.trace
    return trace(network, images())


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize(
    "build",
    [
        torch.jit.script,
        lambda network: torch.jit.freeze(torch.jit.script(network)),
        traced,
        lambda network: torch.export.export(network, (images(),)).module(),
        torch.fx.symbolic_trace,
    ],
    ids=["scripted", "frozen", "traced", "exported", "fx"],
)
def test_what_was_compiled_ahead_gives_the_same(build: Callable[[nn.Module], nn.Module]) -> None:
    network = build(Net().eval())
    inputs, target = images(8), targets(8)
    result = Gradient(chunk_size=4).attribute(network, inputs, target)
    assert relative(result, Gradient().attribute(Net(), inputs, target)) < 1e-5


def test_a_module_exported_for_another_batch_says_so() -> None:
    network = torch.export.export(Net().eval(), (images(),)).module()
    with pytest.raises(ValueError, match=r"a batch of shape \(8, 3, 10, 10\), got one that was exported for others"):
        Gradient().attribute(network, images(8), targets(8))


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_layers_of_torchscript_are_not_looked_into() -> None:
    network = traced(Net().eval())
    with pytest.raises(ValueError, match=r"got none: class activation maps explain .* modules that run in Python"):
        GradCAM().attribute(network, images(), targets())
    with pytest.raises(
        TypeError, match="Expected layers that run in Python for a class activation map, got TorchScript"
    ):
        GradCAM("conv1").attribute(network, images(), targets())
