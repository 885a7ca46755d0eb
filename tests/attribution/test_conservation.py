"""A sum that is not what a method of captum promises is said; a rough one is not."""

import re

import captum.attr
import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import FromCaptum
from tests.attribution.cases import Net, images, targets


class Functional(nn.Module):
    """Its ReLU is no module, so that DeepLift does not see it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head((self.convolution(inputs) - 0.3).relu().mean((2, 3)))
        return logits


class Linear(nn.Module):
    """Images times weights, without a bias that takes a share."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 5, 10, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.layer(inputs)
        return logits.flatten(1)


class LRP:
    """Relevance out of all proportion, as captum's is where a network adds what almost cancels."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def has_convergence_delta(self) -> bool:
        return True

    def attribute(self, inputs: Tensor, target: Tensor) -> Tensor:
        return torch.full_like(inputs, 1e7)


def test_relevance_that_is_not_that_of_the_logit_is_said_with_both_sums() -> None:
    (logit,) = Linear()(images(1))[:, 0].tolist()
    line = (
        f"Expected LRP to return attributions whose sum is the logit, {logit:.4g}, got a sum of 3e+09: "
        "captum does not explain Linear rightly."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        FromCaptum(LRP).attribute(Linear(), images(1), targets(1))


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_a_layer_that_deeplift_does_not_see_is_said() -> None:
    with pytest.warns(UserWarning, match="Expected DeepLift to return attributions whose sum is the logit's change"):
        FromCaptum(captum.attr.DeepLift).attribute(Functional(), images(), targets())


@pytest.mark.filterwarnings("error:Expected")
@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
@pytest.mark.parametrize("network", [Net(), Linear()], ids=["Net", "linear"])
@pytest.mark.parametrize(
    "method",
    [
        FromCaptum(captum.attr.DeepLift),
        FromCaptum(captum.attr.DeepLift, {"baselines": 0.5}),
        FromCaptum(captum.attr.DeepLift, precision="bf16"),
        FromCaptum(captum.attr.DeepLiftShap, {"baselines": images(3)}),
        FromCaptum(captum.attr.IntegratedGradients, {"n_steps": 4}),
        FromCaptum(captum.attr.GradientShap, {"baselines": images(3)}, seed=0),
        FromCaptum(lambda model: captum.attr.IntegratedGradients(model, multiply_by_inputs=False)),
        FromCaptum(
            lambda model: captum.attr.NoiseTunnel(captum.attr.IntegratedGradients(model)),
            {"nt_type": "smoothgrad_sq", "nt_samples": 2},
            seed=0,
        ),
        FromCaptum(captum.attr.Saliency),
    ],
    ids=["DeepLift", "gray", "bf16", "Shap", "IG", "GradientShap", "local", "tunnel", "Saliency"],
)
def test_right_uses_are_left_in_peace(method: FromCaptum, network: nn.Module) -> None:
    assert method.attribute(network, images(), targets()).any()


@pytest.mark.filterwarnings("error:Expected")
def test_lrp_conserves_in_a_linear_network() -> None:
    result = FromCaptum(captum.attr.LRP).attribute(Linear(), images(), targets())
    logits = Linear()(images()).gather(1, targets()[:, None])[:, 0]
    torch.testing.assert_close(result.sum((1, 2, 3)), logits, atol=1e-3, rtol=1e-3)
