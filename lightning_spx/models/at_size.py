"""A network that takes images of one size, for images of another."""

from torch import Tensor, nn
from torchvision.transforms.v2 import functional


class AtSize(nn.Module):
    """Resize images to the side that a network takes, as its first layer (bilinear, antialiased).

    A gradient goes through the resizing by the chain rule, so that maps of networks of several sizes are of the same
    pixels.

    Args:
        network: takes images `(N, C, image_size, image_size)`.
        image_size: side in pixels, 1 or more.

    Raises:
        ValueError: if the size is below 1.

    Example:
        >>> import torch
        >>> AtSize(nn.AvgPool2d(2), image_size=4)(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 2, 2])
    """

    def __init__(self, network: nn.Module, image_size: int) -> None:
        super().__init__()
        if image_size < 1:
            raise ValueError(f"Expected `image_size` to be at least 1, got {image_size}.")
        self.network = network
        self.image_size = image_size

    def forward(self, images: Tensor) -> Tensor:
        """Return what the network returns for images `(N, C, H, W)` brought to its size."""
        size = [self.image_size, self.image_size]
        inputs = images if list(images.shape[-2:]) == size else functional.resize(images, size, antialias=True)
        outputs: Tensor = self.network(inputs)
        return outputs
