"""Which logit is explained, and which targets and outputs are refused."""

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    Attribution,
    Gradient,
)
from lightning_spx.attribution.logits import explained_logits
from tests.attribution.cases import Net, every_method, images, relative, targets


def test_the_raw_logit_is_explained_not_its_softmax() -> None:
    result = Gradient().attribute(lambda x: 100 * x.flatten(1), torch.ones(1, 3, 1, 1), torch.tensor([2]))
    assert result.flatten().tolist() == [0.0, 0.0, 100.0]


@every_method
def test_a_model_with_one_output_takes_no_target(method: Attribution) -> None:
    network = nn.Sequential(Net(1), nn.Flatten(0))
    with_class = method.attribute(Net(1), images(2), torch.zeros(2, dtype=torch.int64))
    assert relative(method.attribute(network, images(2), None), with_class) < 1e-5


@every_method
def test_target_must_be_one_integer_for_each_image(method: Attribution) -> None:
    with pytest.raises(TypeError, match=r"Expected `target` to be an integer, one for each .*, got torch\.float32"):
        method.attribute(Net(), images(), targets().float())
    with pytest.raises(ValueError, match=r"Expected `target` of shape \(4,\), got \(3,\)"):
        method.attribute(Net(), images(), targets(3))


@every_method
@pytest.mark.parametrize("wrong", [-1, 5])
def test_target_must_be_a_class_of_the_model(method: Attribution, wrong: int) -> None:
    with pytest.raises(ValueError, match=f"Expected `target` to be at least 0 and below 5, got {wrong}"):
        method.attribute(Net(), images(2), torch.tensor([0, wrong]))


@every_method
def test_target_and_output_must_agree(method: Attribution) -> None:
    with pytest.raises(ValueError, match=r"Expected a `target` for a model that returns \(N, 5\), got None"):
        method.attribute(Net(), images(), None)
    with pytest.raises(ValueError, match=r"Expected `target` to be None for a model that returns \(N,\)"):
        method.attribute(nn.Sequential(Net(1), nn.Flatten(0)), images(), targets())


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = Net()

    def forward(self, images: Tensor) -> object:
        logits = self.network(images)
        return logits, logits


@every_method
def test_logits_are_found_at_the_head_of_a_tuple(method: Attribution) -> None:
    pair = Pair()
    expected = method.attribute(pair.network, images(), targets())
    torch.testing.assert_close(method.attribute(pair, images(), targets()), expected, atol=0, rtol=0)


class Nothing(Pair):
    def forward(self, images: Tensor) -> object:
        return {"scores": self.network(images)}


@every_method
def test_output_must_be_a_tensor_of_one_or_two_dimensions(method: Attribution) -> None:
    with pytest.raises(TypeError, match=r"Expected the model's `forward` to return logits.* got dict with scores"):
        method.attribute(Nothing(), images(), targets())
    with pytest.raises(ValueError, match=r"Expected the model to return shape \(N, K\) or \(N,\)"):
        method.attribute(nn.Sequential(Net(), nn.Unflatten(1, (5, 1))), images(), targets())


def test_explained_logits_are_those_of_the_targets() -> None:
    table = torch.arange(6.0).reshape(3, 2)
    assert explained_logits(lambda x: table, images(3), torch.tensor([1, 0, 1])).tolist() == [1.0, 2.0, 5.0]
    assert explained_logits(lambda x: table[:, 0], images(3), None).tolist() == [0.0, 2.0, 4.0]
