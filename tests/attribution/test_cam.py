import captum.attr
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import vgg11

from lightning_spx.attribution import GradCAM
from lightning_spx.attribution.cam_layers import default_layer
from lightning_spx.models import ImageClassifier, SmallResNet
from tests.attribution.cases import Net, images, relative, residual_network, targets


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (Net().eval(), "conv1"),
        (Net().eval(), "norm"),
        (residual_network(), "layer4"),
        (residual_network(), "layer2.1.conv1"),
    ],
    ids=["conv", "before in-place", "resnet", "inside a block"],
)
def test_equals_captum(network: nn.Module, layer: str) -> None:
    inputs, target = images(2, 64), targets(2)
    out_of_place = network
    for module in out_of_place.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    reference = captum.attr.LayerGradCam(out_of_place, out_of_place.get_submodule(layer))
    maps = reference.attribute(inputs, target, relu_attributions=True).detach()
    expected = F.interpolate(maps, size=(64, 64), mode="bilinear", align_corners=False)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    result = GradCAM(layer).attribute(network, inputs, target)
    assert relative(result.sum(dim=1, keepdim=True), expected) < 1e-5


def test_every_channel_holds_its_share() -> None:
    result = GradCAM().attribute(Net(), images(), targets())
    assert torch.equal(result[:, 0], result[:, 1])
    assert torch.equal(result[:, 0], result[:, 2])


@pytest.mark.parametrize(
    ("network", "layer"),
    [(Net(), "relu2"), (residual_network(), "layer4"), (vgg11(weights=None), "features.19")],
    ids=["Net", "resnet18", "vgg11"],
)
def test_the_last_feature_map_before_pooling_is_found(network: nn.Module, layer: str) -> None:
    assert default_layer(network.eval(), images(1, 64)) == layer
    by_name = GradCAM(layer).attribute(network, images(2, 64), targets(2))
    assert torch.equal(GradCAM().attribute(network, images(2, 64), targets(2)), by_name)


class Backwards(nn.Module):
    """Registers its layers in the opposite order of their use."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 5)
        self.late = nn.Conv2d(4, 4, 3)
        self.early = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.late(self.early(images)).mean(dim=(2, 3)))
        return logits


def test_the_order_of_use_decides_not_the_order_of_registration() -> None:
    assert default_layer(Backwards(), images(1)) == "late"


def test_code_that_was_compiled_for_one_layer_is_not_used_for_another() -> None:
    network = Net().eval()
    inner = torch.compile(network, backend="aot_eager")
    assert isinstance(inner, nn.Module)
    compiled = nn.Sequential(inner)
    for layer in ("relu2", "norm", "relu2"):
        compiled(images())
        expected = GradCAM(layer).attribute(network, images(), targets())
        assert relative(GradCAM(f"0.{layer}").attribute(compiled, images(), targets()), expected) < 1e-5


def test_hooks_are_removed() -> None:
    network = Net()
    GradCAM().attribute(network, images(), targets())
    assert not any(module._forward_hooks for module in network.modules())


def test_what_is_no_convolutional_network_is_refused() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(300, 5))
    with pytest.raises(ValueError, match="Expected a layer of Sequential with a feature map of more than one pixel"):
        GradCAM().attribute(flat, images(), targets())
    with pytest.raises(TypeError, match=r"Expected `model` to be an nn\.Module for GradCAM, got function"):
        GradCAM().attribute(lambda x: x.flatten(1), images(), targets())


class Idle(Net):
    """Has a layer that is not used and one that gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Conv2d(3, 3, 1)
        self.several = Several()

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(self.several(images)[0])


class Several(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images


def test_a_wrong_layer_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match=r"to name a module of Idle, such as conv1, norm, .*, got 'layer9'\."):
        GradCAM("layer9").attribute(Idle(), images(), targets())
    for name in ("idle", "several"):
        with pytest.raises(ValueError, match=rf"Expected `layer` '{name}' to return a feature map .* got no output"):
            GradCAM(name).attribute(Idle(), images(), targets())
    with pytest.raises(ValueError, match=r"Expected `layer` 'head' to return a feature map .* got shape \(4, 5\)"):
        GradCAM("head").attribute(Idle(), images(), targets())


def test_a_wrong_layer_of_a_classifier_is_answered_with_layers_of_its_network() -> None:
    with pytest.raises(ValueError, match=r"such as network\.stem, network\.stages, network\.head, got 'nosuch'\."):
        GradCAM("nosuch").attribute(ImageClassifier(SmallResNet(num_classes=3, width=4)), images(2), targets(2))
