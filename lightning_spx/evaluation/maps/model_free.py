"""Maps that no model has made: what an image shows by itself, which any two maps of it may share.

Two maps of an image agree where both show its edges, its centre or its brightness, whatever the models have learnt.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from lightning_spx.attribution import Attribution

BLACK = (0.0,)
# of a side of the image, the standard deviation of the blob in its middle
CENTRE_WIDTH = 0.25


def edges(images: Tensor) -> Tensor:
    """Return the strength of edges: the root of the sum of squared Sobel derivatives over channels and directions.

    Of one channel it is 4 times `skimage.filters.sobel` times the root of 2, whose kernels are divided by 4 and whose
    squares are averaged over the directions. The pixels at the border are repeated beyond it.

    Args:
        images: (N, C, H, W) floating point.

    Returns:
        (N, H, W), not negative.

    Example:
        >>> step = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 1, 4, 4)
        >>> edges(step)[0, 1]
        tensor([0., 4., 4., 0.])
    """
    across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]).to(images)
    channels = pad(images.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    derivatives: Tensor = conv2d(channels, torch.stack([across, across.T])[:, None])
    return derivatives.square().view(len(images), -1, *images.shape[-2:]).sum(1).sqrt()


def centre(height: int, width: int) -> Tensor:
    """Return a Gaussian blob in the middle, whose standard deviation is a quarter of the side along each axis.

    Args:
        height: in pixels.
        width: in pixels.

    Returns:
        (H, W) in (0, 1], which is 1 in the middle.

    Example:
        >>> centre(1, 3)
        tensor([[0.4111, 1.0000, 0.4111]])
    """
    rows, columns = (
        torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / (CENTRE_WIDTH * side)).square())
        for side in (height, width)
    )
    return rows[:, None] * columns


def distances(images: Tensor, baseline: Sequence[float] = BLACK) -> Tensor:
    """Return how far each value is from the baseline, a factor of methods like integrated gradients.

    Args:
        images: (N, C, H, W).
        baseline: one value for all channels or one for each, in units of the image.

    Returns:
        (N, C, H, W), not negative.

    Raises:
        ValueError: the baseline has neither one value nor one for each channel.

    Example:
        >>> distances(torch.tensor([[[[0.25]], [[1.0]]]]), (0.5,)).flatten()
        tensor([0.2500, 0.5000])
    """
    if len(baseline) not in (1, images.shape[1]):
        raise ValueError(
            f"Expected `baseline` to have one value or one for each of {images.shape[1]} channels, got {len(baseline)}."
        )
    return (images - torch.tensor(baseline).to(images)[:, None, None]).abs()


def baseline_of(method: Attribution) -> tuple[float, ...]:
    """Return the baseline of a method, or of the method that it smooths; black if it has none.

    Example:
        >>> from lightning_spx.attribution import IntegratedGradients, SmoothGrad
        >>> baseline_of(SmoothGrad(base=IntegratedGradients(baseline=(0.5,)))), baseline_of(SmoothGrad())
        ((0.5,), (0.0,))
    """
    found = getattr(method, "baseline", None)
    if isinstance(found, tuple):
        return found
    base = getattr(method, "base", None)
    return baseline_of(base) if isinstance(base, Attribution) else BLACK
