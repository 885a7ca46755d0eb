"""Makes a network for images of one size accept images of another size."""

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional


class AtSize(nn.Module):
    """Resizes images to the size that a network expects, as its first layer (bilinear, antialiased).

    Gradients pass through the resizing by the chain rule, so maps of networks with different sizes have the same
    pixels.

    Args:
        network: a network for images `(N, C, image_size, image_size)`.
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
        """Return the network's output for images `(N, C, H, W)` resized to its size."""
        size = [self.image_size, self.image_size]
        if list(images.shape[-2:]) == size:
            inputs = images
        elif images.device.type != "cpu" and torch.are_deterministic_algorithms_enabled():
            # torch's gradient of resizing has no deterministic algorithm on a GPU
            inputs = resized_by_products(images, self.image_size)
        else:
            inputs = functional.resize(images, size, antialias=True)
        outputs: Tensor = self.network(inputs)
        return outputs


def resized_by_products(images: Tensor, image_size: int) -> Tensor:
    """Resize images with two matrix products, whose gradients are matrix products too.

    Args:
        images: `(N, C, H, W)`.
        image_size: side in pixels.

    Returns:
        `(N, C, image_size, image_size)`, equal to `resize(images, antialias=True)` up to rounding.

    Example:
        >>> resized_by_products(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), 1)
        tensor([[[[1.5000]]]])
    """
    # a column is a resized line with a single one in it; float64, so that neither autocast nor TF32 applies
    rows, columns = (
        functional.resize(torch.eye(length, dtype=torch.float64)[None], [image_size, length], antialias=True)[0]
        for length in images.shape[-2:]
    )
    resized: Tensor = rows.to(images.device) @ images.double() @ columns.T.to(images.device)
    return resized.to(images.dtype)
