"""The memory format in which the networks of this package are trained."""

from torch import Tensor, nn


def in_training_format(images: Tensor, network: nn.Module) -> Tensor:
    """Return images in the default memory format where the weights of `network` learn from them, else as they are.

    In `torch.channels_last`, torch 2.13.0 to 2.14.1 compute wrong weight gradients of convolutions with fewer than 8
    channels on processors with AVX2 and without AVX-512, or end the process. Images alone bring that format along, such
    as those made of an `(H, W, C)` array. Gradients with respect to the images are right in either format.

    Args:
        images: `(N, C, H, W)`.
        network: whose parameters say by `requires_grad` whether they learn.

    Returns:
        The same values.

    Example:
        >>> import torch
        >>> images = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
        >>> in_training_format(images, nn.Conv2d(3, 4, 1)).is_contiguous()
        True
    """
    learns = any(parameter.requires_grad for parameter in network.parameters())
    return images.contiguous() if learns else images
