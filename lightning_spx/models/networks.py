"""Networks for small images, and loading of plain weight files into any network."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from lightning_spx.models.memory_format import in_training_format
from lightning_spx.models.saved_weights import read_saved
from lightning_spx.models.weights import load_weights, under_own_names


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization and a shortcut (He et al. 2016, figure 5 left).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: stride of the first convolution and of the shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        # not in place, because attribution methods hook modules and an in-place ReLU breaks backward hooks
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return features `(N, out_channels, H / stride, W / stride)`."""
        residual = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(features)))))
        return torch.relu(residual + self.shortcut(features))


class SmallResNet(nn.Module):
    """A residual network of 8 layers for small images that trains on a CPU in minutes.

    A 3x3 stem and three stages of one basic block each, of `width`, `2 width` and `4 width` channels, then global
    average pooling (the CIFAR network of He et al. 2016, section 4.2, with n = 1 and a projection shortcut). It takes
    any image of 8 px or more.

    Args:
        num_classes: number of logits.
        width: number of channels of the first stage.

    Raises:
        ValueError: if `num_classes` or `width` is below 1.

    Example:
        >>> import torch
        >>> SmallResNet(num_classes=10)(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10, width: int = 16) -> None:
        super().__init__()
        for name, value in (("num_classes", num_classes), ("width", width)):
            if value < 1:
                raise ValueError(f"Expected `{name}` to be at least 1, got {value}.")
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(
            BasicBlock(width, width),
            BasicBlock(width, 2 * width, stride=2),
            BasicBlock(2 * width, 4 * width, stride=2),
        )
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(N, num_classes)` for images `(N, 3, H, W)`."""
        features: Tensor = self.stages(self.stem(in_training_format(images, self)))
        logits: Tensor = self.head(features.mean(dim=(2, 3)))
        return logits


def cifar_resnet18(num_classes: int = 10) -> nn.Module:
    """Return torchvision's ResNet-18 adapted to 32 px images: a 3x3 stem of stride 1 and no max-pooling.

    Args:
        num_classes: number of logits.

    Example:
        >>> cifar_resnet18(num_classes=5).fc.out_features
        5
    """
    network: nn.Module = resnet18(num_classes=num_classes)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def pretrained(network: nn.Module, weights: Path) -> nn.Module:
    """Return `network` with the weights of a plain state file.

    Args:
        network: a network of the architecture whose weights were saved.
        weights: a file written by `torch.save(network.state_dict(), path)`, a Lightning checkpoint, a `.safetensors`
            file, or the folder of a Hugging Face model.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file contains no state, or the state of another architecture.

    Example:
        >>> import tempfile
        >>> trained = SmallResNet(width=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(trained.state_dict(), f"{folder}/weights.pt")
        ...     network = pretrained(SmallResNet(width=4), Path(folder, "weights.pt"))
        >>> torch.equal(network.head.weight, trained.head.weight)
        True
    """
    path = Path(weights)
    state = read_saved(path).state
    try:
        load_weights(network, under_own_names(network, state))
    except ValueError as error:
        raise ValueError(f"Expected {path} to fit {type(network).__name__}, got {error}.") from error
    return network
