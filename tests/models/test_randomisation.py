import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import utils
from torch.nn.utils import parametrizations, parametrize, prune
from torchvision.ops import FrozenBatchNorm2d

from lightning_spx.models import SmallResNet, cascading_randomisation


def changed_layers(before: nn.Module, after: nn.Module) -> set[str]:
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    return {name.rpartition(".")[0] for (name, old), new in pairs if not torch.equal(old, new)}


class OwnParameter(nn.Module):
    """A parameter of its own, and no way to draw it anew."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.arange(50.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


def test_layers_are_randomized_from_the_last_to_the_first() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 50), OwnParameter())
    stages = list(cascading_randomisation(model, num_stages=4))
    assert [share for share, _ in stages] == [0.25, 0.5, 0.75, 1.0]
    assert [changed_layers(model, other) for _, other in stages] == [
        {"4"},
        {"3", "4"},
        {"2", "3", "4"},
        {"0", "2", "3", "4"},
    ]
    scale = stages[0][1].get_parameter("4.scale")
    assert torch.equal(scale.sort().values, torch.arange(50.0))
    # a layer is the same in all stages
    assert torch.equal(stages[1][1].get_parameter("3.weight"), stages[3][1].get_parameter("3.weight"))


def test_seeded_and_without_trace() -> None:
    model = SmallResNet(width=4).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    (_, first), (_, again) = next(cascading_randomisation(model, 1)), next(cascading_randomisation(model, 1))
    (_, other) = next(cascading_randomisation(model, 1, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(first(images), again(images))
        assert not torch.equal(first(images), other(images))
        assert first(images).isfinite().all()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="`num_stages` to be at least 1"):
        next(cascading_randomisation(nn.Linear(1, 1), 0))
    with pytest.raises(ValueError, match="parameters"):
        next(cascading_randomisation(nn.ReLU(), 1))


class NoReset(nn.Linear):
    """Says that it has drawn its weights anew, and has not."""

    def reset_parameters(self) -> None:
        if not hasattr(self, "drawn"):
            self.drawn = True
            super().reset_parameters()


class HalfReset(NoReset):
    """Draws a bias anew, and shrinks the weight."""

    def reset_parameters(self) -> None:
        if hasattr(self, "drawn"):
            self.bias.zero_()
            self.weight.mul_(0.5)
        super().reset_parameters()


class Symmetric(nn.Module):
    """A parametrization without a right inverse."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.triu() + weight.triu(1).T


def computed_by_a_hook_of_a_user(layer: nn.Linear) -> nn.Linear:
    weight = layer.weight.detach()
    del layer.weight
    layer.weight_orig = nn.Parameter(weight)
    layer.register_forward_pre_hook(lambda module, _: setattr(module, "weight", 2 * module.weight_orig))
    return layer


def pruned(layer: nn.Module, amount: float) -> nn.Module:
    # functions without types
    prune_weights: Callable[..., nn.Module] = prune.l1_unstructured
    return prune_weights(layer, "weight", amount)


def parametrized(layer: nn.Module) -> nn.Module:
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return layer


def weight(net: nn.Module, place: str) -> Tensor:
    found = net.get_submodule(place).weight
    assert isinstance(found, Tensor)
    return found


WRAPPED: dict[str, Callable[[nn.Linear], nn.Module]] = {
    "plain": lambda layer: layer,
    "weight norm": utils.weight_norm,
    "spectral norm": utils.spectral_norm,
    "pruned": lambda layer: pruned(layer, 0.3),
    "pruned twice": lambda layer: pruned(pruned(layer, 0.3), 0.3),
    "parametrized weight norm": parametrizations.weight_norm,
    "parametrized spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "no right inverse": parametrized,
    "a user's hook": computed_by_a_hook_of_a_user,
    "scripted": torch.jit.script,
    "no reset": lambda _: NoReset(24, 24),
    "half a reset": lambda _: HalfReset(24, 24),
}


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]).detach())[0, 1])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", WRAPPED)
def test_the_weight_that_a_forward_pass_uses_has_nothing_to_do_with_the_trained_one(kind: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(24, 24), WRAPPED[kind](nn.Linear(24, 24)), nn.Linear(24, 2)).eval()
    images = torch.rand(3, 24)
    # with gradients: a weight that was computed belongs to a graph, which cannot be copied
    net(images).sum().backward()
    trained = weight(net, "1").detach().clone()
    stages = list(cascading_randomisation(net, 3))
    assert [share for share, _ in stages] == [1 / 3, 2 / 3, 1.0]
    for stage, (_, randomized) in enumerate(stages):
        with torch.no_grad():
            assert randomized(images).isfinite().all()
        found = weight(randomized, "1")
        # three standard deviations of a correlation by chance
        assert abs(correlation(found, trained)) < 3 / 24 or stage == 0
        assert stage != 0 or torch.allclose(found, trained)
    assert torch.equal(weight(net, "1"), trained)
    if "spectral" in kind:
        assert float(torch.linalg.matrix_norm(weight(stages[-1][1], "1").detach(), 2)) == pytest.approx(1.0, abs=0.05)


def test_a_pruning_mask_is_forgotten_and_its_sparsity_kept() -> None:
    net = nn.Sequential(pruned(nn.Linear(24, 24), 0.5))
    (_, randomized) = next(cascading_randomisation(net, 1))
    old, new = (each.get_buffer("0.weight_mask") for each in (net, randomized))
    assert abs(correlation(old, new)) < 3 / 24
    assert old.sum() == new.sum() == 288


@pytest.mark.parametrize("value", [torch.full((16,), 0.5), torch.tensor(0.07), torch.zeros(4, 4)])
def test_a_constant_that_permutes_to_itself_is_drawn_near_by(value: Tensor) -> None:
    layer = OwnParameter()
    layer.scale = nn.Parameter(value.clone())
    (_, randomized) = next(cascading_randomisation(layer, 1))
    found = randomized.get_parameter("scale").detach()
    assert bool((found != value).all())
    low, high = (value / 2, value * 1.5) if bool((value > 0).all()) else (value - 0.1, value + 0.1)
    assert bool(((found >= low) & (found <= high)).all())


@pytest.mark.parametrize(
    "layer", [nn.LSTM(8, 8), nn.MultiheadAttention(16, 4), nn.TransformerEncoderLayer(16, 4, 32), nn.GRUCell(8, 8)]
)
def test_every_parameter_of_layers_with_many_is_forgotten(layer: nn.Module) -> None:
    trained = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    (_, randomized) = next(cascading_randomisation(trained, 1))
    for (name, old), new in zip(trained.named_parameters(), randomized.parameters(), strict=True):
        assert not torch.equal(old, new), name
        assert old.numel() < 64 or abs(correlation(old.detach(), new.detach())) < 0.4, name


def test_complex_weights_are_forgotten() -> None:
    layer = OwnParameter()
    layer.scale = nn.Parameter(torch.randn(100, dtype=torch.cfloat, generator=torch.Generator().manual_seed(0)))
    (_, randomized) = next(cascading_randomisation(layer, 1))
    old, new = (torch.view_as_real(each.get_parameter("scale").detach()) for each in (layer, randomized))
    assert abs(correlation(old, new)) < 0.3


@pytest.mark.parametrize("norm", [FrozenBatchNorm2d(16), nn.BatchNorm2d(16, affine=False)])
def test_what_a_normalization_without_parameters_has_learnt_is_forgotten(norm: nn.Module) -> None:
    for name, buffer in norm.named_buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(16, generator=torch.Generator().manual_seed(len(name))))
    net = nn.Sequential(norm, nn.Conv2d(16, 2, 1))
    (half, first), (_, randomized) = cascading_randomisation(net, 2)
    assert half == 0.5
    for (name, old), kept, new in zip(
        norm.named_buffers(), first.get_submodule("0").buffers(), randomized.get_submodule("0").buffers(), strict=True
    ):
        if old.is_floating_point():
            assert not torch.equal(old, new), name
            assert torch.equal(old, kept), name


class Codebook(nn.Module):
    """Words that are learnt as averages, so they are no parameters, beside constants that are not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("words", torch.rand(8, 8))
        self.register_buffer("window", torch.hann_window(64), persistent=False)


def test_a_saved_buffer_that_stays_is_named_once() -> None:
    net = nn.Sequential(nn.Linear(2, 2), Codebook())
    with pytest.warns(UserWarning, match=r"^The buffer '1.words' stays as it is in the randomized model: .*$") as said:
        list(cascading_randomisation(net, 2))
    assert len(said) == 1


def test_networks_of_ordinary_layers_are_randomized_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(cascading_randomisation(SmallResNet(width=4), 2))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_weights_that_are_out_of_reach_are_refused_by_name() -> None:
    quantize: Callable[..., nn.Module] = torch.ao.quantization.quantize_dynamic
    quantized = quantize(nn.Sequential(nn.Linear(8, 8)), {nn.Linear}, torch.qint8)
    frozen = torch.jit.freeze(torch.jit.script(nn.Linear(8, 8).eval()))
    for layer, name in ((quantized, r"1\.0\._packed"), (frozen, "'1'")):
        with pytest.raises(ValueError, match=f"^Expected layers whose weights are parameters, got '?{name}.*$"):
            next(cascading_randomisation(nn.Sequential(nn.Linear(8, 8), layer), 1))
    with pytest.raises(ValueError, match=r"^Expected a trained model, got one whose layer '0' has no `weight` yet\.$"):
        next(cascading_randomisation(nn.Sequential(nn.LazyLinear(2)), 1))


def test_tied_weights_stay_tied_and_are_forgotten() -> None:
    first, last = nn.Linear(16, 16), nn.Linear(16, 16)
    last.weight = first.weight
    (_, randomized) = next(cascading_randomisation(nn.Sequential(first, nn.ReLU(), last), 1))
    assert weight(randomized, "0") is weight(randomized, "2")
    assert abs(correlation(first.weight.detach(), weight(randomized, "0").detach())) < 0.25
