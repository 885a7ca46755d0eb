"""Maps that no model has made: what an image shows by itself, which any two maps of it may share.

Two maps of an image agree where both show its edges, its centre or its brightness, whatever the models have learnt.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from numbers import Real

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from lightning_spx.attribution import Attribution

BLACK = torch.zeros(1, 1, 1)
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


def distances(images: Tensor, baselines: Sequence[Tensor]) -> Tensor:
    """Return how far each value is from the baselines, a factor of methods like integrated gradients.

    A mean over several baselines has a factor for each: all of them together are as strong as their root mean square,
    and cancel to the distance from the mean baseline where the gradient is the same on all paths.

    Args:
        images: (N, C, H, W).
        baselines: at least one, each broadcasting to an image (C, H, W), in units of the image.

    Returns:
        (N, K, C, H, W), not negative: one distance, or for several baselines both.

    Raises:
        ValueError: a baseline does not broadcast to the images.

    Example:
        >>> images = torch.tensor([[[[0.25]], [[1.0]]]])
        >>> distances(images, [torch.tensor([[[0.5]]])]).flatten()
        tensor([0.2500, 0.5000])
        >>> distances(images, [torch.zeros(1, 1, 1), torch.ones(1, 1, 1)]).shape
        torch.Size([1, 2, 2, 1, 1])
    """
    total, squares = torch.zeros_like(images), torch.zeros_like(images)
    for baseline in baselines:
        if not fits(baseline, images):
            raise ValueError(
                f"Expected `baseline` to have one value or one for each of {images.shape[1]} channels, "
                f"got shape {tuple(baseline.shape)}."
            )
        apart = images - baseline.to(images)
        total, squares = total + apart, squares + apart.square()
    number = len(baselines)
    both = [(squares / number).sqrt(), (total / number).abs()]
    return torch.stack(both if number > 1 else both[1:], 1)


def fits(baseline: Tensor, images: Tensor) -> bool:
    """Whether a tensor broadcasts to an image.

    Args:
        baseline: of any shape.
        images: (N, C, H, W).

    Example:
        >>> [fits(torch.zeros(shape), torch.zeros(2, 3, 4, 4)) for shape in ((3, 1, 1), (4, 1, 1), (5, 3, 4, 4))]
        [True, False, False]
    """
    # a comparison from the right, as torch broadcasts
    pairs = zip(reversed(baseline.shape), reversed(images.shape[1:]), strict=False)
    return baseline.ndim < images.ndim and all(own in (1, size) for own, size in pairs)


def baselines_of(method: object) -> list[Tensor]:
    """Return the baselines of a method, or of those that it smooths, averages or ranks by; black if there are none.

    Images that a method compares with are baselines too.

    Example:
        >>> from lightning_spx.attribution import IntegratedGradients, MeanAttribution, SmoothGrad
        >>> [each.item() for each in baselines_of(SmoothGrad(base=IntegratedGradients(baseline=(0.5,))))]
        [0.5]
        >>> ends = MeanAttribution((IntegratedGradients(), IntegratedGradients(baseline=(1.0,))))
        >>> [each.item() for each in baselines_of(ends)]
        [0.0, 1.0]
    """
    return _known_baselines(method) or [BLACK]


def _known_baselines(method: object) -> list[Tensor]:
    references = getattr(method, "references", None)
    if isinstance(references, Tensor) and references.ndim == 4:
        return list(references)
    baseline = getattr(method, "baseline", None)
    if isinstance(baseline, Tensor) and baseline.ndim in (3, 4):
        return list(baseline) if baseline.ndim == 4 else [baseline]
    if isinstance(baseline, Tensor):
        return [baseline.reshape(-1, 1, 1)]
    values = list(baseline) if isinstance(baseline, list | tuple) else [baseline]
    if all(isinstance(value, Real) for value in values):
        return [torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1)]
    members = [getattr(method, each.name) for each in fields(method)] if is_dataclass(method) else []
    every = [each for member in members for each in (member if isinstance(member, tuple | list) else [member])]
    return [found for each in every if isinstance(each, Attribution) for found in _known_baselines(each) or [BLACK]]
