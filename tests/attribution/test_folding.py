"""Normalisations folded into convolutions: the same gradients, and nothing that is only like what was observed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_spx.attribution import Gradient, SmoothGrad, input_gradient
from lightning_spx.attribution.folding import FoldingRefusedError, NormalisationFolding
from tests.attribution.cases import Net, images, relative, residual_network, targets


def twice(network: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[NormalisationFolding, Tensor]:
    """Observe a model, then call it with what was seen folded."""
    folding = NormalisationFolding()
    for _ in range(2):
        with torch.no_grad(), folding.evaluation():
            result = network(inputs)
    return folding, result


def unsettled(channels: int) -> nn.BatchNorm2d:
    """A normalisation that has seen images."""
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
    folding, result = twice(network, inputs)
    assert folding.num_folded == 1
    torch.testing.assert_close(result, network(inputs), rtol=1e-12, atol=1e-12)


def test_all_of_a_residual_network_is_folded() -> None:
    network = residual_network().double()
    inputs, target = images(2, 32).double(), targets(2)
    folding = NormalisationFolding()
    observed = input_gradient(network, inputs, target, evaluation=folding.evaluation())
    assert folding.num_folded == 20
    folded = input_gradient(network, inputs, target, evaluation=folding.evaluation())
    assert torch.equal(observed, input_gradient(network, inputs, target))
    assert relative(folded, observed) < 1e-6


def test_functional_calls_are_folded_too() -> None:
    weight, norm = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0)), unsettled(5)

    def network(inputs: Tensor) -> Tensor:
        features = functional.conv2d(input=inputs, weight=weight, padding=1)
        return functional.batch_norm(
            features, norm.running_mean, norm.running_var, weight=norm.weight, bias=norm.bias, eps=norm.eps
        )

    folding, result = twice(network, images())
    assert folding.num_folded == 1
    assert relative(result, network(images())) < 1e-5


class Odd(nn.Module):
    """Uses the result of a convolution in one more way than its normalisation."""

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
    folding, result = twice(network, images())
    assert folding.num_folded == 0
    assert way == "by the batch" or torch.equal(result, expected)


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
    folding, _ = twice(network, images())
    assert folding.num_folded == 1
    network.way = way
    with pytest.raises(FoldingRefusedError), folding.evaluation():
        network(images())


def test_a_model_that_changes_its_mind_is_explained_as_it_is() -> None:
    class Late(Net):
        calls = 0

        def forward(self, images: Tensor) -> Tensor:
            self.calls += 1
            if self.calls < 3:
                return super().forward(images)
            features = self.conv1(images)
            logits: Tensor = self.head(self.pool(self.norm(features) + features).flatten(1).repeat(1, 2)[:, :32])
            return logits

    network = Late().eval()
    late = Late().eval()
    late.calls = 3
    result = Gradient(chunk_size=1).attribute(network, images(3), targets(3))
    assert relative(result[2:], Gradient().attribute(late, images(3)[2:], targets(3)[2:])) < 1e-6


def test_an_observation_that_was_cut_short_tells_nothing() -> None:
    network = Odd("added").eval()
    folding = NormalisationFolding()

    def broken() -> None:
        with folding.evaluation():
            network.norm(network.conv(images()))
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        broken()
    for _ in range(2):
        with folding.evaluation():
            result = network(images())
    assert folding.num_folded == 0
    assert torch.equal(result, network(images()))


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
    enabled = []
    begin = NormalisationFolding.__init__

    def noted(self: NormalisationFolding, enabled_: bool = True) -> None:
        enabled.append(enabled_)
        begin(self, enabled_)

    monkeypatch.setattr(NormalisationFolding, "__init__", lambda self, enabled=True: noted(self, enabled))
    result = Gradient(chunk_size=2).attribute(compiled, images(), targets() % 4)
    assert relative(result, Gradient(chunk_size=2).attribute(network, images(), targets() % 4)) < 1e-5
    assert enabled == [False, True]
