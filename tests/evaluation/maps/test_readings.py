"""A network that ends with a softmax: independent right value, the network without it."""

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.evaluation.maps.model_maps import ModelMaps, explain_model
from lightning_spx.evaluation.maps.readings import are_given, check_logits, predicted, probability_of
from lightning_spx.models.image_model import ImageModel

LABEL = torch.arange(5) % 3


def network(*last: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    head = nn.Linear(8, 3)
    nn.init.normal_(head.weight, std=4.0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head, *last).eval()


def explained(model: nn.Module, label: Tensor = LABEL) -> ModelMaps:
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    methods: dict[str, Attribution] = {"Gradient": Gradient()}
    maps = explain_model(
        ImageModel(model),
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
@pytest.mark.parametrize("last", [nn.Identity(), nn.LogSoftmax(1)])
def test_other_outputs_are_logits(last: nn.Module) -> None:
    maps = explained(network(last))
    outputs: Tensor = network(last)(torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    right = outputs.softmax(1).gather(1, (torch.arange(5) % 3)[:, None])[:, 0]
    torch.testing.assert_close(maps.probability, right)


STEEP = 50


def test_sigmoids_of_several_findings_are_used_as_they_are_and_it_is_said() -> None:
    model = network(nn.Sigmoid())
    with pytest.warns(UserWarning, match="^The outputs of Sequential look like probabilities of findings") as said:
        maps = explained(model)
    assert sum("of findings" in str(each.message) for each in said) == 1
    outputs: Tensor = model(torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(maps.probability, outputs[torch.arange(5), torch.arange(5) % 3])


@pytest.mark.parametrize("last", [nn.Identity(), nn.Sigmoid()])
def test_the_probability_of_one_output_is_that_of_the_explained_class(last: nn.Module) -> None:
    two, images = network(), torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    middle = float((two(images)[:, 1] - two(images)[:, 0]).median())

    class One(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = two(images)
            # apart from one another, as those of a network that has learnt something
            answer: Tensor = last((STEEP * (logits[:, 1] - logits[:, 0] - middle))[:, None])
            return answer

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        maps = explained(One(), torch.arange(5) % 2)
    logits = STEEP * (two(images)[:, :2] - torch.tensor([0.0, middle]))
    torch.testing.assert_close(maps.probability, logits.softmax(1)[torch.arange(5), torch.arange(5) % 2])
    assert torch.equal(maps.preds, logits.argmax(1))
    is_sigmoid = isinstance(last, nn.Sigmoid)
    assert sum("look like probabilities already" in str(each.message) for each in said) == is_sigmoid


def test_few_outputs_between_zero_and_one_are_logits_and_it_is_said() -> None:
    with pytest.warns(UserWarning, match="too few images .3. to tell"):
        assert not are_given(torch.tensor([0.25, 0.5, 0.75]), "net")


def test_findings_are_read_each_by_itself() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.0], [-3.0, 0.5, 1e-6]])
    assert predicted(logits, given=False, head="multi_label").tolist() == [[1, 0, 0], [0, 1, 1]]
    assert predicted(logits.sigmoid(), given=True, head="multi_label").tolist() == [[1, 0, 0], [0, 1, 1]]
    finding = torch.tensor([2, 0])
    assert probability_of(logits, finding, given=False, head="multi_label").tolist() == pytest.approx(
        [0.5, 1 / (1 + math.exp(3))]
    )
    given = probability_of(logits.sigmoid(), finding, given=True, head="multi_label")
    assert given.tolist() == pytest.approx([0.5, 1 / (1 + math.exp(3))])


def test_a_single_finding_may_be_a_column() -> None:
    logits = torch.tensor([[0.5], [-0.5]])
    assert check_logits(logits, "Net", 2, "multi_label") is logits
    assert predicted(logits, given=False, head="multi_label").tolist() == [[1], [0]]
    for other in (torch.zeros(2), torch.zeros(2, 0), torch.zeros(3, 2), torch.zeros(2, 2, 2)):
        with pytest.raises(
            ValueError, match=r"Expected Net to return logits \(N, K\), one for each finding, with N = 2"
        ):
            check_logits(other, "Net", 2, "multi_label")
