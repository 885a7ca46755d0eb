import pytest
import torch
from torch import nn

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


def test_layers_are_randomised_from_the_last_to_the_first() -> None:
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
