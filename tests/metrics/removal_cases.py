"""A tiny network, images and maps for the metrics that remove pixels."""

import math

import torch
from torch import Tensor, nn

HEIGHT, WIDTH = 4, 5
PIXELS = HEIGHT * WIDTH


class TinyNet(nn.Module):
    """A linear layer over all values behind a dropout that only evaluation mode switches off."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        weight = torch.randn(3, channels * HEIGHT * WIDTH, generator=torch.Generator().manual_seed(3))
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        dropped: Tensor = self.dropout(images.flatten(1))
        return dropped @ self.weight.T


def draw(number: int = 7, seed: int = 0, channels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Images, targets and maps."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(number, channels, HEIGHT, WIDTH, generator=generator)
    target = torch.randint(0, 3, (number,), generator=generator)
    return images, target, torch.rand(number, HEIGHT, WIDTH, generator=generator)


def probability(net: TinyNet, image: Tensor, target: int) -> float:
    """The softmax by hand."""
    logits = (net.weight.detach().double() @ image.double().flatten()).tolist()
    exponentials = [math.exp(logit - max(logits)) for logit in logits]
    share: float = exponentials[target] / sum(exponentials)
    return share
