"""What GradCAM takes for a feature map: channels first or last, and nothing else of four axes."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_spx.attribution import GradCAM
from lightning_spx.attribution.cam_layers import default_layer
from tests.attribution.cases import images, relative, targets


class Last(nn.Module):
    """Gives the channels of a feature map as its last axis."""

    def forward(self, features: Tensor) -> Tensor:
        return features.movedim(1, 3)


class First(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.movedim(3, 1)


class Attention(nn.Module):
    """Self-attention whose scores, keys and windows are outputs of modules."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads, self.project = heads, nn.Linear(size, 3 * size)
        self.keys, self.scores, self.windows = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, size = tokens.shape
        query, key, value = self.project(tokens).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = self.scores((query @ self.keys(key).mT).softmax(3))
        windows = self.windows((weights @ value).flatten(0, 0).reshape(2 * batch, -1, count // 2, size // self.heads))
        attended: Tensor = tokens + windows.reshape(batch, self.heads, count, -1).movedim(1, 2).reshape(tokens.shape)
        return attended


class Transformer(nn.Module):
    """Sixteen patches of 4 x 4, so that a head's scores are as square as the image."""

    def __init__(self, size: int = 32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, size, 4, 4)
        self.attention, self.head = Attention(size, 2), nn.Linear(size, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.attention(self.patches(inputs).flatten(2).mT).mean(1))
        return logits


def channels_last(width: int = 6) -> nn.Sequential:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, width, 3, padding=1, stride=2), Last(), nn.LayerNorm(width), nn.Linear(width, width)]
    return nn.Sequential(*body, First(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5)).eval()


def by_hand(network: nn.Module, layer: str, inputs: Tensor, target: Tensor, channels: int) -> Tensor:
    kept: list[Tensor] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _, __, output: kept.append(output))
    logit = network(inputs).gather(1, target[:, None]).sum()
    handle.remove()
    gradient = torch.autograd.grad(logit, kept[0])[0].movedim(channels, 1)
    activation = kept[0].detach().movedim(channels, 1)
    cam = (gradient.mean((2, 3), keepdim=True) * activation).sum(1, keepdim=True).relu()
    return F.interpolate(cam, inputs.shape[2:], mode="bilinear", align_corners=False)[:, 0]


@pytest.mark.parametrize("sides", [(12, 12), (12, 20), (20, 12)])
@pytest.mark.parametrize("width", [6, 7])
def test_channels_may_come_last(sides: tuple[int, int], width: int) -> None:
    """As many channels as rows and columns, too, where the shape tells nothing."""
    network = channels_last(width)
    inputs = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(2))
    for layer, channels in (("0", 1), ("1", 3), ("2", 3), ("3", 3), ("4", 1)):
        expected = by_hand(network, layer, inputs, targets(2), channels)
        assert relative(GradCAM(layer).attribute(network, inputs, targets(2)).sum(1), expected) < 1e-5


def test_the_last_feature_map_may_have_its_channels_last() -> None:
    network = channels_last()[:4]
    network.append(nn.Flatten()).append(nn.Linear(216, 5))
    network.eval()
    assert default_layer(network, images(1, 12)) == "3"
    expected = by_hand(network, "3", images(2, 12), targets(2), 3)
    assert relative(GradCAM().attribute(network, images(2, 12), targets(2)).sum(1), expected) < 1e-5


@pytest.mark.parametrize("layer", ["attention.scores", "attention.keys", "attention.windows"])
def test_what_an_attention_computes_is_no_feature_map(layer: str) -> None:
    network = Transformer().eval()
    with pytest.raises(ValueError, match=rf"Expected `layer` '{layer}' to return a feature map .* got shape \(\d, \d"):
        GradCAM(layer).attribute(network, images(2, 16), targets(2))
    assert default_layer(network, images(1, 16)) == "patches"


def test_a_layer_inside_of_wrappers_is_named_as_the_user_names_it() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Transformer()

        def forward(self, inputs: Tensor) -> Tensor:
            logits: Tensor = self.net(inputs)
            return logits

    with pytest.raises(ValueError, match=r"a module of Wrapped, such as net\.attention\.keys, got 'keys'"):
        GradCAM("keys").attribute(Wrapped(), images(2, 16), targets(2))
