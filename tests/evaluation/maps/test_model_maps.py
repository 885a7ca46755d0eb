import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.evaluation.maps.model_maps import ModelMaps, explain_model
from lightning_spx.models.image_model import ImageModel

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Brightness(Attribution):
    """Asks the model nothing."""

    def attribute(self, model: object, inputs: Tensor, target: Tensor | None) -> Tensor:
        return inputs.float()


class Classifier(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.head, self.way = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), way

    def forward(self, inputs: Tensor) -> Tensor:
        if self.way == "mixes":
            inputs = inputs - inputs.mean(0)
        elif self.way == "writes":
            inputs.sub_(0.4).div_(0.2)
        else:
            inputs = (inputs - 0.4) / 0.2
        logits: Tensor = self.head(self.convolution(inputs).relu().mean((2, 3)))
        return logits


def maps(way: str, method: Attribution) -> ModelMaps | None:
    model = ImageModel(Classifier(way))
    return explain_model(
        model, {"method": method}, IMAGES.clone(), None, batch_size=4, device=torch.device("cpu"), seed_offset=0
    )


@pytest.mark.parametrize("method", [Gradient(), Brightness()])
def test_a_model_whose_answers_depend_on_the_batch_is_refused_whatever_the_method(method: Attribution) -> None:
    with pytest.raises(ValueError, match="Expected Classifier to answer each image by itself"):
        maps("mixes", method)


def test_a_model_that_writes_to_its_images_is_explained_as_one_that_does_not() -> None:
    written, plain = maps("writes", Gradient()), maps("", Gradient())
    assert written is not None
    assert plain is not None
    torch.testing.assert_close(written.attributions["method"], plain.attributions["method"])
    torch.testing.assert_close(written.probability, plain.probability)
