"""Modules whose weights are awkward to put others in the place of, and checkpoints of them."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torchmetrics import CatMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from lightning_spx.models import Normalize
from lightning_spx.models.image_model import ImageModel

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALE = Normalize(MEAN, STD)
PLAIN = None
TARGET = torch.tensor([0, 3, 1])


def explained_model(module: nn.Module, scale: Normalize | None, state: Mapping[str, Any] | None = None) -> ImageModel:
    """The module behind a loader's normalization, with its own weights or others."""
    return ImageModel(module, preprocess=scale).with_weights(state)


def images(channels: int = 3) -> Tensor:
    return torch.rand(3, channels, 8, 8, generator=torch.Generator().manual_seed(0))


def normalized(pixels: Tensor) -> Tensor:
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class Convolutional(nn.Module):
    """Batch statistics, dropout and an in-place layer."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(256, 5))

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.net(pixels))
        return logits


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.head = nn.Linear(8, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        rows = self.second(self.first(pixels.mean(1)).tanh()).tanh()
        logits: Tensor = self.head(rows.mean(1))
        return logits


class Normed(nn.Module):
    """A weight that is computed from two others."""

    def __init__(self) -> None:
        super().__init__()
        self.head = weight_norm(nn.Linear(192, 5))
        self.register_buffer("shift", torch.randn(5), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(pixels.flatten(1))
        return logits


class Recurrent(nn.Module):
    """An LSTM, which keeps a list of its weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.LSTM(24, 5, batch_first=True)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden: Tensor = self.rows(pixels.transpose(1, 2).flatten(2))[0]
        return hidden[:, -1]


class Attentive(nn.Module):
    """Attention, which has another way of computing for evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(24, 2, 16, batch_first=True)
        self.head = nn.Linear(24, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layer(pixels.transpose(1, 2).flatten(2)).mean(1))
        return logits


class WithMetrics(Convolutional):
    """Metrics whose states are in the module's state, one of them a list."""

    def __init__(self) -> None:
        super().__init__()
        self.accuracy: Metric = MulticlassAccuracy(num_classes=5)
        self.seen: Metric = CatMetric()
        for metric in (self.accuracy, self.seen):
            metric.persistent(True)
        self.accuracy.update(torch.randint(5, (9,)), torch.randint(5, (9,)))
        self.seen.update(torch.rand(2))


class WithExtraState(Convolutional):
    """State that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        return {"epoch": 3}

    def set_extra_state(self, state: object) -> None:
        assert state == {"epoch": 3}


ARCHITECTURES: list[Callable[[], nn.Module]] = [
    *(Convolutional, Tied, Normed, Recurrent, Attentive, WithMetrics, WithExtraState),
]


def pair(make: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module]:
    """Two trained modules, in training mode, with batch statistics of their own."""
    torch.manual_seed(0)
    modules = make(), make()
    for module in modules:
        with torch.no_grad():
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    buffer.add_(torch.rand_like(buffer))
    return modules


def saved(module: nn.Module, path: Path) -> Path:
    torch.save({"state_dict": module.state_dict()}, path)
    return path


def copy_with(module: nn.Module, state: dict[str, Any]) -> nn.Module:
    result = copy.deepcopy(module)
    result.load_state_dict(state)
    return result.eval()
