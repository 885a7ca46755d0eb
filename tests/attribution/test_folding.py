"""Normalizations folded into convolutions: the same gradients, and nothing that is only like what was observed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from lightning_spx.attribution import Gradient, SmoothGrad, VarGrad, input_gradient
from lightning_spx.attribution.chunks import collected, one_each
from lightning_spx.attribution.folding import FoldingRefusedError, NormalizationFolding
from lightning_spx.attribution.gradient import gradients_at
from lightning_spx.attribution.guards import explaining
from tests.attribution.cases import Net, Notes, images, relative, residual_network, targets


def observed(network: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[NormalizationFolding, Tensor]:
    """Observe a model, as constant as it is while it is explained, then call it with what was seen folded."""
    with explaining(network, inputs.device, "fp32") as model:
        folding = NormalizationFolding.observed(model, inputs)
    with torch.no_grad(), folding.evaluation():
        result = network(inputs)
    return folding, result


def unsettled(channels: int) -> nn.BatchNorm2d:
    """A normalization that has seen images."""
    generator = torch.Generator().manual_seed(channels)
    norm = nn.BatchNorm2d(channels).eval()
    norm.running_mean = torch.randn(channels, generator=generator)
    norm.running_var = 0.5 + torch.rand(channels, generator=generator)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(channels, generator=generator))
        norm.bias.copy_(torch.randn(channels, generator=generator))
    return norm


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 6, 3, bias=False),
        nn.Conv2d(4, 6, 3, padding=1, stride=2),
        nn.Conv2d(4, 8, 3, groups=4, padding="same", dilation=2),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
    ],
)
@pytest.mark.parametrize("norm", [unsettled, lambda c: nn.BatchNorm2d(c, eps=0.1, affine=False)])
def test_one_convolution_does_both(convolution: nn.Conv2d, norm: Callable[[int], nn.BatchNorm2d]) -> None:
    network = nn.Sequential(convolution, norm(convolution.out_channels)).double().eval()
    inputs = torch.randn(3, 4, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    folding, result = observed(network, inputs)
    assert folding.num_folded == 1
    torch.testing.assert_close(result, network(inputs), rtol=1e-12, atol=1e-12)


def test_all_of_a_residual_network_is_folded() -> None:
    network = residual_network().double()
    inputs, target = images(2, 32).double(), targets(2)
    folding, _ = observed(network, inputs)
    assert (folding.num_folded, folding.num_left) == (20, 0)
    assert (
        relative(
            input_gradient(network, inputs, target, evaluation=folding.evaluation),
            input_gradient(network, inputs, target),
        )
        < 1e-6
    )


def test_functional_calls_are_folded_too() -> None:
    weight, norm = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0)), unsettled(5)

    def network(inputs: Tensor) -> Tensor:
        features = functional.conv2d(input=inputs, weight=weight, padding=1)
        return functional.batch_norm(
            features, norm.running_mean, norm.running_var, weight=norm.weight, bias=norm.bias, eps=norm.eps
        )

    folding, result = observed(network, images())
    assert folding.num_folded == 1
    assert relative(result, network(images()).detach()) < 1e-5


class Odd(nn.Module):
    """Uses the result of a convolution in one more way than its normalization."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(3, 4, 3), unsettled(4), unsettled(4)
        self.way = way
        self.features: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.conv(inputs)
        result: Tensor = self.norm(features)
        if self.way == "added":
            result = result + features
        elif self.way == "joined":
            result = torch.cat([result, features], 1)
        elif self.way == "kept":
            self.features.append(features)
        elif self.way == "twice":
            result = result + self.norm(self.conv(inputs.flip(3)))
        elif self.way == "two norms":
            result = result + self.other(features)
        elif self.way == "by the batch":
            result = functional.batch_norm(
                self.conv(inputs), self.norm.running_mean, self.norm.running_var, training=True
            )
        return result


@pytest.mark.parametrize("way", ["added", "joined", "kept", "twice", "two norms", "by the batch"])
def test_what_is_used_otherwise_is_not_folded(way: str) -> None:
    network = Odd(way).eval()
    expected = network(images())
    network.norm.running_mean = unsettled(4).running_mean
    folding, result = observed(network, images())
    assert folding.num_folded == 0
    assert way == "by the batch" or torch.equal(result, expected)


class Unseen(torch.autograd.Function):
    """As a kernel of somebody's own: what it does to its arguments Python does not see."""

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor, normalized: Tensor) -> Tensor:
        return 2 * features + normalized

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * gradient, gradient


class Hidden(nn.Module):
    """Uses the result of a convolution a second time, or it alone, where no call of Python shows it."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.norm, self.way = nn.Conv2d(3, 4, 3), unsettled(4), way

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.conv(inputs)
        normalized = self.norm(features)
        with torch._C.DisableTorchFunction():
            result: Tensor = features.exp() if self.way == "alone" else Unseen.apply(features, normalized)
            return result


@pytest.mark.parametrize("way", ["as well", "alone"])
def test_what_python_does_not_see_is_not_folded(way: str) -> None:
    network = Hidden(way).eval()
    folding, result = observed(network, images())
    assert (folding.num_folded, folding.num_left) == (0, 1)
    assert torch.equal(result, network(images()))


class Redrawn(nn.Module):
    """A network whose normalization or convolution takes something from the images."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.norm, self.way = nn.Conv2d(3, 4, 3), unsettled(4), way

    def forward(self, inputs: Tensor) -> Tensor:
        gate = inputs.mean() * torch.arange(4.0, device=inputs.device)
        weight: Tensor = self.conv.weight
        bias: Tensor | None = self.conv.bias
        scale: Tensor = self.norm.weight
        shift: Tensor = self.norm.bias
        if self.way == "written":
            with torch.no_grad():
                shift.copy_(gate)
        elif self.way == "weight":
            weight = weight * gate[:, None, None, None]
        features = functional.conv2d(inputs, weight, gate if self.way == "bias" else bias)
        mean, variance = self.norm.running_mean, self.norm.running_var
        scale, shift = gate if self.way == "scale" else scale, gate if self.way == "shift" else shift
        return functional.batch_norm(features, mean, variance, scale, shift).square().mean((2, 3))


@pytest.mark.parametrize("way", ["written", "weight", "bias", "scale", "shift"])
def test_what_each_call_brings_along_is_not_frozen(way: str) -> None:
    inputs, network = images(3), Redrawn(way).eval()
    expected = torch.cat([input_gradient(network, image[None], torch.tensor([1])) for image in inputs])
    # the whole batch it may well take something from, as each is one image
    gradients = gradients_at(
        "Gradient", network, one_each(inputs), torch.ones(3, dtype=torch.int64), chunk_size=1, neighbors=False
    )
    assert relative(collected(gradients, inputs), expected) < 1e-6


def test_all_chunks_are_evaluated_alike() -> None:
    """So that copies without noise have no variance at all."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), unsettled(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    result = VarGrad(Gradient(chunk_size=4), num_samples=10, stdev=0.0).attribute(network, images(), targets() % 4)
    assert float(result.max()) == 0.0


@pytest.mark.parametrize("way", ["added", "added after", "two norms", "nothing"])
def test_what_is_used_otherwise_later_is_refused(way: str) -> None:
    class Changing(Odd):
        def forward(self, inputs: Tensor) -> Tensor:
            features = self.conv(inputs)
            results: dict[str, Callable[[], Tensor]] = {
                "": lambda: self.norm(features),
                "added": lambda: features + 1,
                "added after": lambda: self.norm(features) + features,
                "two norms": lambda: self.other(features),
                "nothing": lambda: inputs,
            }
            return results[self.way]()

    network = Changing("").eval()
    folding, _ = observed(network, images())
    assert folding.num_folded == 1
    network.way = way
    with pytest.raises(FoldingRefusedError), folding.evaluation():
        network(images())


def test_a_model_that_changes_its_mind_is_explained_as_it_is() -> None:
    class Late(Net):
        # a count that is no part of the model's state, which would be put back
        calls = Notes()

        def forward(self, images: Tensor) -> Tensor:
            self.calls.append(1)
            if len(self.calls.taken) < 3:
                return super().forward(images)
            features = self.conv1(images)
            logits: Tensor = self.head(self.pool(self.norm(features) + features).flatten(1).repeat(1, 2)[:, :32])
            return logits

    network = Late().eval()
    result = Gradient(chunk_size=1).attribute(network, images(3), targets(3))
    assert len(network.calls.taken) > 3
    assert relative(result[2:], Gradient().attribute(network, images(3)[2:], targets(3)[2:])) < 1e-6


def test_the_model_is_left_as_it_was() -> None:
    network = Net().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    forwards = [vars(part).get("forward") for part in network.modules()]
    SmoothGrad(Gradient(chunk_size=2), num_samples=6).attribute(network, images(), targets())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [vars(part).get("forward") for part in network.modules()] == forwards
    assert network.training


def test_what_was_compiled_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), unsettled(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    compiled = torch.compile(network, backend="eager")
    looked_at = []
    look = NormalizationFolding.observed

    def noted(model: Callable[[Tensor], Tensor], inputs: Tensor) -> NormalizationFolding:
        looked_at.append(model)
        return look(model, inputs)

    monkeypatch.setattr(NormalizationFolding, "observed", noted)
    result = Gradient(chunk_size=2).attribute(compiled, images(), targets() % 4)
    assert not looked_at
    assert relative(result, Gradient(chunk_size=2).attribute(network, images(), targets() % 4)) < 1e-5
    assert looked_at == [network]
