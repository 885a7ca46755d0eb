"""The memory format in which the networks of this package are trained."""

from torch import Tensor, nn


def in_training_format(images: Tensor, network: nn.Module) -> Tensor:
    """Return images in the default memory format if weights of `network` are trained, otherwise unchanged.

    In `torch.channels_last`, torch 2.13.0 to 2.14.1 compute wrong weight gradients of convolutions with fewer than 8
    channels on processors with AVX2 and without AVX-512, or crash. The images alone can cause that format, for example
    if they were made from an `(H, W, C)` array. Gradients with respect to the images are right in either format.

    Args:
        images: `(N, C, H, W)`.
        network: the network; `requires_grad` of its parameters says whether they are trained.

    Returns:
        The images, with the same values.

    Example:
        >>> import torch
        >>> images = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
        >>> in_training_format(images, nn.Conv2d(3, 4, 1)).is_contiguous()
        True
    """
    learns = any(parameter.requires_grad for parameter in network.parameters())
    return images.contiguous() if learns else images
