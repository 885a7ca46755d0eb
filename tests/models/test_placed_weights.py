"""A state in the place of a module's own: what another module that loaded it gives, and nothing left behind."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import dynamic
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn import utils
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

from lightning_spx.attribution import GradCAM, Gradient, IntegratedGradients, SmoothGrad
from lightning_spx.models.placed_weights import PlacedWeights, weights_of
from tests.evaluation.maps.explained_cases import explained_model

PLAIN = None
TARGET = torch.tensor([0, 1, 2, 0])


def images() -> Tensor:
    return torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def plain(seed: int, wrap: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> nn.Sequential:
    torch.manual_seed(seed)
    block = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Tanh())
    second = wrap(nn.Conv2d(6, 6, 3))
    network = nn.Sequential(block, second, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    network(images())  # statistics of its own
    return network.eval()


class TwoNames(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.backbone = plain(seed)
        self.network = nn.Sequential(self.backbone, nn.Tanh())

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network(pixels)
        return logits


class Recomputing(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.parts = plain(seed)

    def forward(self, pixels: Tensor) -> Tensor:
        features = checkpoint(self.parts[:3], pixels, use_reentrant=False)
        logits: Tensor = self.parts[3:](features)
        return logits


class Recurrent(nn.Module):
    """Its weights stand in a list too."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.rows, self.head = nn.LSTM(36, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.rows(pixels.transpose(1, 2).flatten(2))[0][:, -1])
        return logits


class Remembering(nn.Module):
    """Another part of it holds its Parameter by a function and in a list."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.parts = plain(seed)
        weight = self.parts.get_parameter("5.weight")
        self.listed = [weight]
        self.head = partial(nn.functional.linear, weight=weight)

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.parts[:5](pixels)
        logits: Tensor = self.head(features) + nn.functional.linear(features, self.listed[0])
        return logits


def pruned(layer: nn.Module) -> nn.Module:
    prune.random_unstructured(layer, "weight", 0.5)
    return layer


MAKERS: dict[str, Callable[[int], nn.Module]] = {
    "plain": plain,
    "two names": TwoNames,
    "recomputed activations": Recomputing,
    "recurrent": Recurrent,
    "held elsewhere": Remembering,
    "weight norm": lambda seed: plain(seed, parametrizations.weight_norm),
    "old weight norm": lambda seed: plain(seed, utils.weight_norm),
    "spectral norm": lambda seed: plain(seed, parametrizations.spectral_norm),
    "old spectral norm": lambda seed: plain(seed, utils.spectral_norm),
    "pruned": lambda seed: plain(seed, pruned),
    "wrapped block": lambda seed: plain(seed, lambda layer: checkpoint_wrapper(layer)),
}


def everything(module: nn.Module) -> list[object]:
    """Each Parameter, buffer and other attribute, as the very object, and what is in it."""
    held = [
        (name, id(value))
        for part in module.modules()
        for store in (part._parameters, part._buffers, vars(part))
        for name, value in store.items()
    ]
    tensors = [value.tolist() for value in module.state_dict().values()]
    return [held, tensors, [parameter.requires_grad for parameter in module.parameters()]]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
@pytest.mark.parametrize("method", [Gradient(), SmoothGrad(num_samples=3), IntegratedGradients(num_steps=3)])
def test_maps_are_those_of_the_other_model(make: Callable[[int], nn.Module], method: Gradient) -> None:
    module, other = make(1), make(2)
    before = everything(module)
    placed = explained_model(module, PLAIN, weights_of(module, other.state_dict()))
    torch.testing.assert_close(method.attribute(placed, images(), TARGET), method.attribute(other, images(), TARGET))
    assert everything(module) == before
    torch.testing.assert_close(method.attribute(module, images(), TARGET), method.attribute(make(1), images(), TARGET))


def test_a_layer_of_the_other_model_is_explained() -> None:
    module, other = plain(1), plain(2)
    placed = explained_model(module, PLAIN, other.state_dict())
    own = GradCAM(layer="1").attribute(other, images(), TARGET)
    torch.testing.assert_close(GradCAM(layer="1").attribute(placed, images(), TARGET), own)
    assert own.abs().max() > 0


def test_packed_weights_are_placed() -> None:
    """A quantized layer keeps them in no tensor of its state."""
    networks = []
    for seed in range(2):
        torch.manual_seed(seed)
        layer = dynamic.Linear(432, 3)
        weight = torch.quantize_per_tensor(torch.rand(3, 432) - 0.5, 0.01, 0, torch.qint8)
        layer.set_weight_bias(weight, torch.rand(3))
        networks.append(nn.Sequential(nn.Flatten(), layer))
    module, other = networks
    own, right = module(images()), other(images())
    with PlacedWeights(module, weights_of(module, other.state_dict())).placed():
        torch.testing.assert_close(module(images()), right, atol=0, rtol=0)
    torch.testing.assert_close(module(images()), own, atol=0, rtol=0)
    assert (own - right).abs().max() > 0.1


def test_weights_that_are_tied_here_and_not_there_are_refused() -> None:
    first, second, free = nn.Linear(2, 2), nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    second.weight = first.weight
    tied = nn.Sequential(first, second)
    with pytest.raises(ValueError, match=r"two values, 0\.weight and 1\.weight, for what is one tensor"):
        PlacedWeights(tied, free.state_dict())
    alike = free.state_dict() | {"1.weight": free.state_dict()["0.weight"].clone()}
    PlacedWeights(tied, alike)


@pytest.mark.parametrize("change", ["_orig_mod.{}", "module.{}", "module._orig_mod.{}"])
def test_wrappers_of_the_file_are_looked_through(change: str) -> None:
    module, other = plain(1), plain(2)
    state = {change.format(name): value for name, value in other.state_dict().items()}
    with PlacedWeights(module, weights_of(module, state)).placed():
        torch.testing.assert_close(module(images()), other(images()))


def test_wrappers_of_the_module_are_looked_through() -> None:
    module, other = plain(1), plain(2)
    wrapped = nn.DataParallel(module)
    with PlacedWeights(wrapped, weights_of(wrapped, other.state_dict())).placed():
        torch.testing.assert_close(module(images()), other(images()))
    compiled = torch.compile(plain(1))
    assert isinstance(compiled, nn.Module)
    with PlacedWeights(compiled, weights_of(compiled, other.state_dict())).placed():
        torch.testing.assert_close(compiled.get_submodule("_orig_mod")(images()), other(images()))


def test_files_without_counters_of_batches_are_placed() -> None:
    module, other = plain(1), plain(2)
    state: Any = copy.copy(other.state_dict())
    del state["0.1.num_batches_tracked"]
    with PlacedWeights(module, weights_of(module, state)).placed():
        torch.testing.assert_close(module(images()), other(images()))


def test_older_names_of_weight_norm_are_placed() -> None:
    module, other = plain(1, parametrizations.weight_norm), plain(2, utils.weight_norm)
    with PlacedWeights(module, weights_of(module, other.state_dict())).placed():
        torch.testing.assert_close(module(images()), other(images()))


def test_no_version_of_a_parameter_is_counted() -> None:
    """A graph of the user's that is alive may go backward after an explanation."""
    module = plain(1).train()
    loss = nn.functional.cross_entropy(module(images()), TARGET)
    Gradient().attribute(explained_model(module, PLAIN, plain(2).state_dict()), images(), TARGET)
    torch.autograd.backward(loss)
    right = plain(1).train()
    torch.autograd.backward(nn.functional.cross_entropy(right(images()), TARGET))
    for own, expected in zip(module.parameters(), right.parameters(), strict=True):
        torch.testing.assert_close(own.grad, expected.grad)


def test_an_uninitialized_module_is_refused() -> None:
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(ValueError, match="Expected an initialized model, got a LazyLinear"):
        explained_model(lazy, PLAIN, {"1.weight": torch.rand(3, 432), "1.bias": torch.rand(3)})
