"""Class activation maps equal those of pytorch-grad-cam on networks of four libraries, before it scales them."""

from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from lightning_spx.attribution import Attribution, GradCAM, GradCAMPlusPlus, LayerCAM
from lightning_spx.attribution.cam_layers import default_layer
from tests.attribution.cases import relative, targets

pytest.importorskip("pytorch_grad_cam")

CREATE: Callable[..., nn.Module] = timm.create_model
METHODS: list[Attribution] = [GradCAM(), GradCAMPlusPlus(), LayerCAM()]


class Logits(nn.Module):
    """Takes the logits out of the answer of a model of the transformers library."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images).logits
        return logits


def tokens(prefix: int, height: int, width: int) -> Callable[[Tensor], Tensor]:
    """The `reshape_transform` that pytorch-grad-cam's documentation gives for vision transformers."""

    def reshape(output: Tensor) -> Tensor:
        return output[:, prefix:].reshape(len(output), height, width, output.shape[2]).permute(0, 3, 1, 2)

    return reshape


def last(output: Tensor) -> Tensor:
    """The one for channels that come last."""
    return output.permute(0, 3, 1, 2)


def of_timm(name: str, **settings: object) -> Callable[[], nn.Module]:
    return lambda: CREATE(name, num_classes=5, **settings)


def of_transformers(kind: str, **settings: object) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        transformers = pytest.importorskip("transformers")
        configuration = getattr(transformers, f"{kind}Config")(num_labels=5, **settings)
        return Logits(getattr(transformers, f"{kind}ForImageClassification")(configuration))

    return build


def torchvision_vit() -> nn.Module:
    network: nn.Module = models.VisionTransformer(64, 16, 3, 4, 32, 64, num_classes=5)
    # torchvision begins with a head of zeros, whose maps are zero too
    nn.init.normal_(network.get_submodule("heads.head").get_parameter("weight"))
    return network


SMALL_VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
# how to build a network, its images' sides, the layer that must be chosen, how it is read
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int], str, Callable[[Tensor], Tensor] | None]] = {
    "timm ViT": (of_timm("vit_tiny_patch16_224", img_size=64), (64, 64), "blocks.11.norm1", tokens(1, 4, 4)),
    "timm ViT, wide": (
        of_timm("vit_tiny_patch16_224", img_size=(32, 64), depth=3),
        (32, 64),
        "blocks.2.norm1",
        tokens(1, 2, 4),
    ),
    "timm ViT, mean of patches": (
        of_timm("vit_tiny_patch16_224", img_size=64, depth=3, class_token=False, global_pool="avg"),
        (64, 64),
        "blocks.2.norm1",
        tokens(0, 4, 4),
    ),
    "timm ViT, registers": (
        of_timm("vit_small_patch14_reg4_dinov2", img_size=(56, 70), depth=2),
        (56, 70),
        "blocks.1.norm1",
        tokens(5, 4, 5),
    ),
    "timm DeiT": (
        of_timm("deit_tiny_patch16_224", img_size=64, depth=3),
        (64, 64),
        "blocks.2.norm1",
        tokens(1, 4, 4),
    ),
    "timm DeiT, distilled": (
        of_timm("deit_tiny_distilled_patch16_224", img_size=64, depth=3),
        (64, 64),
        "blocks.2.norm1",
        tokens(2, 4, 4),
    ),
    "timm BEiT": (
        of_timm("beit_base_patch16_224", img_size=64, depth=2, embed_dim=48, num_heads=4, init_values=None),
        (64, 64),
        "blocks.1.norm1",
        tokens(1, 4, 4),
    ),
    "timm Swin": (
        of_timm("swin_tiny_patch4_window7_224", img_size=(64, 96), window_size=2, depths=(1, 1, 2), embed_dim=24),
        (64, 96),
        "layers.2",
        last,
    ),
    "torchvision ViT": (
        torchvision_vit,
        (64, 64),
        "encoder.layers.encoder_layer_2.ln_1",
        tokens(1, 4, 4),
    ),
    "torchvision Swin": (
        lambda: models.SwinTransformer([4, 4], 24, [2, 2, 2], [2, 4, 8], [2, 2], num_classes=5),
        (64, 96),
        "features.5",
        last,
    ),
    "transformers ViT": (
        of_transformers("ViT", image_size=64, patch_size=16, **SMALL_VIT),
        (64, 64),
        "model.vit.layers.1.layernorm_before",
        tokens(1, 4, 4),
    ),
    "transformers BEiT": (
        of_transformers("Beit", image_size=64, patch_size=16, layer_scale_init_value=1.0, **SMALL_VIT),
        (64, 64),
        "model.beit.layers.1.layernorm_before",
        tokens(1, 4, 4),
    ),
    "ResNet": (lambda: models.resnet18(num_classes=5), (64, 64), "layer4", None),
    "ConvNeXt": (of_timm("convnext_atto"), (64, 96), "norm_pre", None),
    "EfficientNet": (of_timm("efficientnet_b0"), (64, 64), "bn2", None),
}


def theirs(
    method: Attribution, network: nn.Module, layer: str, read: Callable[[Tensor], Tensor] | None, images: Tensor
) -> Tensor:
    """The map of pytorch-grad-cam at the layer's resolution, before it is scaled to [0, 1] and resized by OpenCV."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    part = network.get_submodule(layer)
    chosen = [ClassifierOutputTarget(label) for label in targets(len(images)).tolist()]
    with getattr(pytorch_grad_cam, type(method).__name__)(network, [part], reshape_transform=read) as cam:
        cam(images, chosen)
        kept = cam.activations_and_grads
        activations, gradients = kept.activations[0].numpy(), kept.gradients[0].numpy()
        maps = cam.get_cam_image(images, part, chosen, activations, gradients, False)
    return torch.from_numpy(np.maximum(maps, 0))[:, None]


@pytest.mark.parametrize("case", CASES)
def test_equals_pytorch_grad_cam_at_the_layer_that_is_chosen(case: str) -> None:
    build, sides, layer, read = CASES[case]
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = build().eval()
        inputs = torch.rand(4, 3, *sides)
    assert default_layer(network, inputs[:1]) == layer
    for method in METHODS:
        maps = theirs(method, network, layer, read, inputs)
        expected = F.interpolate(maps, size=sides, mode="bilinear", align_corners=False)
        assert expected.any()
        assert relative(method.attribute(network, inputs, targets(4)).sum(1, keepdim=True), expected) < 1e-5
