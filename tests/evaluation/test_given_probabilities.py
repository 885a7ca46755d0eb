"""A network that ends with a softmax: independent right value, the network without it."""

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.evaluation.evaluator.explained_model import ExplainedModel, ImageScale
from lightning_spx.evaluation.evaluator.model_maps import ModelMaps, explain_model


def network(*last: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    head = nn.Linear(8, 3)
    nn.init.normal_(head.weight, std=4.0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head, *last).eval()


def explained(model: nn.Module) -> ModelMaps:
    images, label = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 3
    methods: dict[str, Attribution] = {"Gradient": Gradient()}
    maps = explain_model(
        ExplainedModel(model, ImageScale(None, None)),
        methods,
        images,
        label,
        batch_size=2,
        device=torch.device("cpu"),
        seed_offset=0,
    )
    assert maps is not None
    return maps


def test_probabilities_are_used_as_they_are_and_it_is_said() -> None:
    with pytest.warns(UserWarning, match="are probabilities already") as said:
        maps = explained(network(nn.Softmax(1)))
    torch.testing.assert_close(maps.probability, explained(network()).probability)
    lines = [str(each.message) for each in said]
    assert sum("The outputs of Sequential are probabilities already" in line for line in lines) == 1, lines
    assert any("their gradients are explained" in line for line in lines)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("last", [nn.Identity(), nn.LogSoftmax(1), nn.Sigmoid()])
def test_other_outputs_are_logits(last: nn.Module) -> None:
    maps = explained(network(last))
    outputs: Tensor = network(last)(torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    right = outputs.softmax(1).gather(1, (torch.arange(5) % 3)[:, None])[:, 0]
    torch.testing.assert_close(maps.probability, right)
