"""Deletion and insertion: the target's probability while pixels are removed or inserted, most salient first."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.probability import Model, target_probabilities
from lightning_spx.metrics.removal import Substrate, removal_ranks, substrate_of, without_value


def deletion(
    model: Model,
    images: Tensor,
    target: Tensor,
    saliency: Tensor,
    num_steps: int = 32,
    substrate: Substrate = "black",
    segments: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> Tensor:
    """Return the area under the target's probability while the most salient pixels are removed first; low is good.

    The trapezoidal rule integrates over the fraction of removed pixels, from 0 to 1 (Petsiuk et al., RISE, BMVC 2018).
    With `segments`, whole segments are removed at once, and a step is as wide as its segments are large.

    Args:
        model: maps images (n,C,H,W) to logits (n,K).
        images: in [0, 1], shape (N,C,H,W).
        target: classes whose probability is measured, shape (N,) int64.
        saliency: maps of any scale, shape (N,H,W).
        num_steps: number of removals; if it exceeds the number of pixels or segments, they are removed one by one.
        substrate: what replaces removed pixels: "black", "blur" or a color.
        segments: shape (N,H,W) int64, or None to remove pixels.
        seed: seeds the order of ties.
        batch_size: number of images evaluated at a time.

    Returns:
        Areas in [0, 1], shape (N,), float32; NaN for a map with a NaN.

    Raises:
        ValueError: if a shape does not fit, `num_steps` is below 1 or the model's output is not finite.
        TypeError: if `target` is not int64.

    Example:
        >>> model = lambda x: torch.stack([20 * x[:, 0, 0, 0] - 10, -20 * x[:, 0, 0, 0] + 10], 1)
        >>> saliency = torch.tensor([[[1.0, 0.0]]])
        >>> deletion(model, torch.ones(1, 3, 1, 2), torch.tensor([0]), saliency, num_steps=2)
        tensor([0.2500])
    """
    ranks = removal_ranks(saliency, images, seed, segments)
    base = substrate_of(images, substrate)
    area = removal_area(model, images, base, target, ranks, num_steps, batch_size)
    return area.masked_fill(without_value(saliency), torch.nan)


def insertion(
    model: Model,
    images: Tensor,
    target: Tensor,
    saliency: Tensor,
    num_steps: int = 32,
    substrate: Substrate = "black",
    segments: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> Tensor:
    """Return the area under the probability while the most salient pixels are inserted first; high is good.

    Arguments, results and errors are those of `deletion`; pixels are inserted into the substrate. With the same
    substrate, an uninformative map has on average the same deletion and insertion.

    Example:
        >>> model = lambda x: torch.stack([20 * x[:, 0, 0, 0] - 10, -20 * x[:, 0, 0, 0] + 10], 1)
        >>> saliency = torch.tensor([[[1.0, 0.0]]])
        >>> insertion(model, torch.ones(1, 3, 1, 2), torch.tensor([0]), saliency, num_steps=2)
        tensor([0.7500])
    """
    ranks = removal_ranks(saliency, images, seed, segments)
    base = substrate_of(images, substrate)
    area = removal_area(model, base, images, target, ranks, num_steps, batch_size)
    return area.masked_fill(without_value(saliency), torch.nan)


def removal_area(
    model: Model, start: Tensor, end: Tensor, target: Tensor, ranks: Tensor, num_steps: int, batch_size: int
) -> Tensor:
    """Return the area under `removal_curve`, shape (N,), which both deletion and insertion use.

    Raises:
        ValueError: if `num_steps` is below 1.
    """
    if num_steps < 1:
        raise ValueError(f"Expected `num_steps` to be at least 1, got {num_steps}.")
    probability, changed = removal_curve(model, start, end, target, ranks, num_steps, batch_size)
    return torch.trapezoid(probability.double(), changed, dim=0).float()


def removal_curve(
    model: Model, start: Tensor, end: Tensor, target: Tensor, ranks: Tensor, num_steps: int, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Measure the probability while pixels change from `start` to `end`.

    Args:
        model: maps images (n,C,H,W) to logits (n,K).
        start: images at the first point, shape (N,C,H,W).
        end: images at the last point, shape (N,C,H,W).
        target: target classes, shape (N,) int64.
        ranks: ranks of pixels or segments, shape (N,H,W) int64; rank 0 changes first.
        num_steps: number of points after the first, spread over the ranks as evenly as possible.
        batch_size: number of images evaluated at a time.

    Returns:
        Probabilities and fractions of changed pixels, both of shape (points,N), the fractions in float64.
    """
    levels = ranks.flatten(1).amax(1) + 1 if len(ranks) else ranks.new_zeros(0)
    changed = []

    def mixed() -> Iterator[tuple[Tensor, Tensor]]:
        for count in step_counts(levels, num_steps):
            gone = ranks < count[:, None, None]
            changed.append(gone.flatten(1).double().mean(1))
            yield torch.where(gone[:, None], end, start), target

    probability = target_probabilities(model, mixed(), batch_size)
    return torch.stack(probability), torch.stack(changed)


def step_counts(levels: Tensor, num_steps: int) -> Tensor:
    """Return how many ranks have changed at every point of a curve, (points,N) for N numbers of ranks.

    With fewer ranks than steps, the steps that would change nothing are skipped.

    Example:
        >>> step_counts(torch.tensor([10, 2]), 4)
        tensor([[ 0,  0],
                [ 3,  1],
                [ 5,  1],
                [ 8,  2],
                [10,  2]])
    """
    num_steps = min(num_steps, int(levels.max())) if len(levels) else 0
    steps = torch.arange(num_steps + 1, device=levels.device)[:, None]
    return torch.div(steps * levels + num_steps // 2, max(1, num_steps), rounding_mode="floor")


class _Area(ImageMean):
    """The common part of deletion and insertion: the settings of the curve and the update."""

    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    area: Callable[..., Tensor]  # `deletion` or `insertion`

    def __init__(
        self, num_steps: int = 32, substrate: Substrate = "black", seed: int = 0, batch_size: int = 64
    ) -> None:
        super().__init__()
        if num_steps < 1:
            raise ValueError(f"Expected `num_steps` to be at least 1, got {num_steps}.")
        self.num_steps = num_steps
        self.substrate: Substrate = substrate
        self.seed = seed
        self.batch_size = batch_size

    def update(
        self, model: Model, images: Tensor, target: Tensor, saliency: Tensor, segments: Tensor | None = None
    ) -> None:
        """Measure a batch of images (N,C,H,W) with their targets (N,) and maps (N,H,W)."""
        settings = (self.num_steps, self.substrate, segments, self.seed, self.batch_size)
        self.accumulate(self.area(model, images, target, saliency, *settings))


class Deletion(_Area):
    """Mean over images of `deletion`; images without a value are skipped and counted in `num_dropped`.

    Source: Petsiuk et al., RISE, BMVC 2018.

    Args:
        num_steps: number of removals.
        substrate: what replaces missing pixels: "black", "blur" or a color.
        seed: seeds the order of ties.
        batch_size: number of images evaluated at a time.

    Example:
        >>> metric = Deletion(num_steps=2)
        >>> model = lambda x: torch.stack([20 * x[:, 0, 0, 0] - 10, -20 * x[:, 0, 0, 0] + 10], 1)
        >>> metric.update(model, torch.ones(1, 3, 1, 2), torch.tensor([0]), torch.tensor([[[1.0, 0.0]]]))
        >>> metric.compute()
        tensor(0.2500)
    """

    higher_is_better = False
    area = staticmethod(deletion)


class Insertion(_Area):
    """Mean over images of `insertion`; images without a value are skipped and counted in `num_dropped`.

    Source: Petsiuk et al., RISE, BMVC 2018.

    Args:
        num_steps: number of insertions.
        substrate: what replaces missing pixels: "black", "blur" or a color.
        seed: seeds the order of ties.
        batch_size: number of images evaluated at a time.

    Example:
        >>> metric = Insertion(num_steps=2)
        >>> model = lambda x: torch.stack([20 * x[:, 0, 0, 0] - 10, -20 * x[:, 0, 0, 0] + 10], 1)
        >>> metric.update(model, torch.ones(1, 3, 1, 2), torch.tensor([0]), torch.tensor([[[1.0, 0.0]]]))
        >>> metric.compute()
        tensor(0.7500)
    """

    higher_is_better = True
    area = staticmethod(insertion)
