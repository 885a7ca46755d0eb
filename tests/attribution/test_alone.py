"""An answer that depends on the rest of the batch is refused by every method; all that only looks like it is not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, GradCAM, Gradient, InputXGradient, IntegratedGradients, SmoothGrad
from tests.attribution.cases import METHODS, Net, Notes, images, name_of, relative, targets


class Mixing(nn.Module):
    """A network in which the images of a batch meet, in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.network, self.way = Net(), way
        if way == "batch norm":
            self.network.norm = nn.BatchNorm2d(6, track_running_stats=False)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.way == "mean":
            inputs = inputs - inputs.mean(0)
        elif self.way == "detached":
            inputs = inputs - inputs.detach().mean(0)
        logits: Tensor = self.network(inputs)
        if self.way == "deviation":
            logits = logits + 5 * inputs.std(0, unbiased=False).mean()
        elif self.way == "softmax":
            logits = logits.softmax(0)
        elif self.way == "the one before":
            logits = logits + 0.3 * logits.roll(1, 0) * (torch.arange(len(logits)) > 0)[:, None]
        return logits


MIXINGS = ["mean", "detached", "batch norm", "deviation", "softmax", "the one before"]
REFUSED = "Expected Mixing to answer each image by itself, got logits .* apart"


@pytest.mark.parametrize("way", MIXINGS)
@pytest.mark.parametrize("chunk_size", [1, 2, 4, None])
def test_a_model_that_mixes_images_is_refused_at_any_chunk_size(way: str, chunk_size: int | None) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        Gradient(chunk_size=chunk_size).attribute(Mixing(way), images(), targets())


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_every_method_refuses_it(method: Attribution) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        method.attribute(Mixing("mean").double(), images().double(), targets())


def test_the_layer_that_mixes_is_named_where_it_is_known() -> None:
    with pytest.raises(ValueError, match=r"`network\.norm` \(BatchNorm2d without running statistics\)"):
        Gradient().attribute(Mixing("batch norm"), images(), targets())


def test_a_function_that_mixes_images_is_refused() -> None:
    network = Net().eval()
    with pytest.raises(ValueError, match="Expected <lambda> to answer each image by itself"):
        InputXGradient().attribute(lambda x: network(x - x.mean(0)), images(), targets())


def test_one_image_has_no_neighbors() -> None:
    for way in MIXINGS:
        network = Mixing(way)
        assert Gradient().attribute(network, images(1), targets(1)).isfinite().all()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("build", [GradCAM, Gradient, IntegratedGradients, lambda **k: SmoothGrad(Gradient(**k))])
def test_rounding_is_no_dependence(build: Callable[..., Attribution], precision: str) -> None:
    """In bfloat16 all logits cancel but for rounding, which is then as large as they are."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    head = nn.Linear(16, 5)
    network = nn.Sequential(*layers, head).eval()
    with torch.no_grad():
        head.bias.copy_(-network(images(16)).mean(0))
    assert build(precision=precision).attribute(network, images(16), targets(16)).any()


class Squeezing(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs**2).mean((2, 3)).squeeze()


def test_a_model_that_squeezes_the_batch_away_is_explained() -> None:
    for size in (2, 3):
        expected = torch.zeros(size, 3, 10, 10)
        for image, target in enumerate(targets(size)):
            expected[image, target] = images(size)[image, target] / 50
        assert relative(Gradient().attribute(Squeezing(), images(size), targets(size)), expected) < 1e-6


def test_a_model_that_draws_random_numbers_is_taken_at_its_word() -> None:
    noise = torch.Generator().manual_seed(0)
    for model in (
        lambda x: (x * torch.rand_like(x)).flatten(1)[:, :5],
        lambda x: (x * torch.rand(x.shape, generator=noise)).flatten(1)[:, :5],
    ):
        assert Gradient().attribute(model, images(), targets()).any()


def test_one_image_is_evaluated_once_more_and_no_other() -> None:
    sizes = Notes()

    def model(inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        return inputs.flatten(1)

    Gradient().attribute(model, images(8), targets(8))
    IntegratedGradients(10).attribute(model, images(8), targets(8))
    assert sizes.taken == [8, 1, 80, 1]
