"""IROF: how much of the target's probability is lost when whole segments are removed."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.probability import Model, check_target, target_probabilities
from lightning_spx.metrics.removal import check_images, removal_ranks, substrate_of, without_value
from lightning_spx.metrics.shapes import check_real, check_segments


def irof(
    model: Model,
    images: Tensor,
    target: Tensor,
    saliency: Tensor,
    segments: Tensor,
    mean: tuple[float, ...],
    seed: int = 0,
    batch_size: int = 64,
) -> Tensor:
    """Return the area over the target's probability while segments become one color, the most salient first.

    The probability is relative to the untouched image's, and the axis is the fraction of removed segments (Rieger and
    Hansen, IROF, 2020). High is good.

    Args:
        model: maps images (n,C,H,W) to logits (n,K).
        images: in [0, 1], shape (N,C,H,W).
        target: target classes, shape (N,) int64.
        saliency: maps of any scale, shape (N,H,W); a segment's saliency is the mean over its pixels.
        segments: ids `0..S-1` without gaps, shape (N,H,W) int64.
        mean: color of removed segments, one number for each channel: the mean color of the data set.
        seed: seeds the order of ties.
        batch_size: number of images evaluated at a time.

    Returns:
        Areas, at most 1, shape (N,), float32; NaN for a map with a NaN or a probability of 0.

    Raises:
        ValueError: if a shape does not fit or the model's output is not finite.
        TypeError: if `target` is not int64.

    Example:
        >>> model = lambda x: torch.stack([40 * x[:, 0, 0, 0] - 20, -40 * x[:, 0, 0, 0] + 20], 1)
        >>> images, segments = torch.ones(1, 3, 1, 2), torch.tensor([[[0, 1]]])
        >>> irof(model, images, torch.tensor([0]), torch.tensor([[[1.0, 0.0]]]), segments, mean=(0.0, 0.0, 0.0))
        tensor([0.7500])
    """
    if batch_size < 1:
        raise ValueError(f"Expected `batch_size` to be at least 1, got {batch_size}.")
    check_images(images)
    color: object = mean
    if images.ndim == 4 and (not hasattr(color, "__len__") or len(color) != images.shape[1]):
        raise ValueError(f"Expected `mean` to hold a number for each of {images.shape[1]} channels, got {mean!r}.")
    check_real(saliency, "saliency")
    check_target(target)
    check_segments(segments, tuple(saliency.shape))
    if not len(images):
        return torch.zeros(0, device=images.device)
    counts: list[int] = []

    def without_segments() -> Iterator[tuple[Tensor, Tensor]]:
        # the number of points is the number of segments, which differs between images: one image at a time
        for position in range(len(images)):
            here = slice(position, position + 1)
            ranks = removal_ranks(saliency[here], images[here], seed, segments[here])
            base = substrate_of(images[here], mean)
            counts.append(int(ranks.max()) + 1)
            # a chunk of removals at a time, because each removal needs a copy of the image
            for steps in torch.split(torch.arange(counts[-1] + 1, device=ranks.device), batch_size):
                removed = torch.where((ranks < steps[:, None, None])[:, None], base, images[here])
                yield removed, target[here].expand(len(removed))

    probability = torch.cat(target_probabilities(model, without_segments(), batch_size)).double()
    curves = torch.split(probability, [count + 1 for count in counts])
    areas = [1 - torch.trapezoid(curve / curve[0], dx=1 / count) for curve, count in zip(curves, counts, strict=True)]
    area = torch.stack(areas).float()
    return area.masked_fill(without_value(saliency) | ~area.isfinite(), torch.nan)


class IROF(ImageMean):
    """Mean over images of `irof`; images without a value are skipped and counted in `num_dropped`.

    Source: Rieger and Hansen, IROF, ICLR Workshop 2020.

    Args:
        mean: color of removed segments, one number for each channel: the mean color of the data set.
        seed: seeds the order of ties.
        batch_size: number of images evaluated at a time.

    Example:
        >>> metric = IROF(mean=(0.0, 0.0, 0.0))
        >>> model = lambda x: torch.stack([40 * x[:, 0, 0, 0] - 20, -40 * x[:, 0, 0, 0] + 20], 1)
        >>> images, segments = torch.ones(1, 3, 1, 2), torch.tensor([[[0, 1]]])
        >>> metric.update(model, images, torch.tensor([0]), torch.tensor([[[1.0, 0.0]]]), segments)
        >>> metric.compute()
        tensor(0.7500)
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(self, mean: tuple[float, ...], seed: int = 0, batch_size: int = 64) -> None:
        super().__init__()
        self.mean = mean
        self.seed = seed
        self.batch_size = batch_size

    def update(self, model: Model, images: Tensor, target: Tensor, saliency: Tensor, segments: Tensor) -> None:
        """Measure a batch of images (N,C,H,W) with their targets (N,), maps and segments (N,H,W)."""
        self.accumulate(irof(model, images, target, saliency, segments, self.mean, self.seed, self.batch_size))
