"""Networks, images and methods that several tests share."""

import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import DeepLift
from torch import Tensor, nn
from torchvision.models import VisionTransformer, resnet18

from lightning_spx.attribution import (
    RISE,
    XRAI,
    AdaptiveIntegratedGradients,
    Attribution,
    ExpectedGradients,
    FeatureAblation,
    FromCaptum,
    GradCAM,
    GradCAMPlusPlus,
    Gradient,
    GuidedBackprop,
    GuidedGradCAM,
    InputXGradient,
    IntegratedGradients,
    KernelShap,
    LayerCAM,
    MeanAttribution,
    MoreauGrad,
    Occlusion,
    SegmentAttribution,
    SmoothGrad,
    SparsifiedSmoothGrad,
    VarGrad,
)
from lightning_spx.attribution.method import Model
from lightning_spx.superpixels import Grid, Slic

METHODS: list[Attribution] = [
    Gradient(),
    InputXGradient(),
    IntegratedGradients(num_steps=6),
    AdaptiveIntegratedGradients(max_steps=15),
    SmoothGrad(num_samples=4),
    SmoothGrad(num_samples=4, antithetic=True),
    SmoothGrad(IntegratedGradients(num_steps=3), num_samples=3),
    SmoothGrad(FromCaptum(DeepLift), num_samples=3),
    VarGrad(num_samples=4),
    SparsifiedSmoothGrad(num_samples=4),
    MoreauGrad(num_steps=3, num_samples=2, average_last=2),
    GradCAM(),
    GradCAMPlusPlus(),
    LayerCAM(),
    FromCaptum(DeepLift),
    MeanAttribution((IntegratedGradients(num_steps=3), InputXGradient())),
    XRAI((Slic(n_segments=4), Grid(n_segments=9)), InputXGradient(), dilation=1, min_new_pixels=2),
    SegmentAttribution(FeatureAblation(), Grid(4)),
    SegmentAttribution(KernelShap(num_samples=12), Grid(4)),
    RISE(num_masks=5, grid_size=3),
    GuidedBackprop(),
    GuidedGradCAM(),
    Occlusion(window=5, stride=5),
    # plain dark colors, which fit images of any size
    ExpectedGradients(num_samples=4).with_references(torch.tensor([0.0, 0.1, 0.2]).expand(3, 3)[..., None, None]),
]


def name_of(method: object) -> str:
    base = getattr(method, "base", None) or (method.method if isinstance(method, SegmentAttribution) else None)
    name = type(method).__name__ + ("-antithetic" if getattr(method, "antithetic", False) else "")
    return f"{name}-{name_of(base)}" if base else name


every_method = pytest.mark.parametrize("method", METHODS, ids=name_of)


class Notes:
    """What a model notes of its calls for a test: no part of its state, which is put back after it was explained."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def append(self, note: object) -> None:
        self.taken.append(note)


class Net(nn.Module):
    """Everything that reacts to train mode or to hooks: BatchNorm, in-place ReLU, Dropout."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(32, num_classes)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        self.norm.running_mean = 0.1 * torch.randn(6, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        features = self.relu1(self.norm(self.conv1(images)))
        features = self.relu2(self.conv2(features))
        logits: Tensor = self.head(self.dropout(self.pool(features).flatten(1)))
        return logits


def residual_network() -> nn.Module:
    """A torchvision ResNet-18 in eval mode, always with the same random weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network: nn.Module = resnet18(weights=None)
    return network.eval()


def small_transformer() -> nn.Module:
    """A vision transformer of 4 patches of 16 px in eval mode, always with the same random weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network: nn.Module = VisionTransformer(32, 16, 1, 2, 8, 16, num_classes=5)
        # torchvision begins with a head of zeros, whose logits are the same for every image
        nn.init.normal_(network.get_submodule("heads.head").get_parameter("weight"))
    return network.eval()


def images(num: int = 4, size: int = 10) -> Tensor:
    return torch.rand(num, 3, size, size, generator=torch.Generator().manual_seed(1))


def targets(num: int = 4) -> Tensor:
    return torch.arange(num) % 5


def random_states() -> bytes:
    """Of torch, NumPy and Python."""
    return pickle.dumps((torch.get_rng_state().tolist(), np.random.get_state(), random.getstate()))


def relative(result: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest expected value."""
    return float((result - expected).abs().max() / expected.abs().max())


class Plain(Attribution):
    """A method of a user's own that is no dataclass."""

    seed = 7

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        return torch.zeros_like(inputs)
