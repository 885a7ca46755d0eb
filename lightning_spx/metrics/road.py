"""ROAD: the target's probability after pixels are removed and filled in from their neighbors."""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.imputation import impute
from lightning_spx.metrics.probability import Model, check_target, target_probabilities
from lightning_spx.metrics.removal import image_generator, removal_ranks, without_value

Order = Literal["morf", "lerf"]
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)


def road(
    model: Model,
    images: Tensor,
    target: Tensor,
    saliency: Tensor,
    fraction: float = 0.5,
    order: Order = "morf",
    noise: float = 0.01,
    seed: int = 0,
    batch_size: int = 64,
) -> Tensor:
    """Return the target's probability after a fraction of the pixels is replaced by noisy linear imputation.

    Exactly `round(fraction * H * W)` pixels are removed; ties are broken at random (seeded). Each of them becomes the
    weighted mean of its neighbors, solved jointly, plus Gaussian noise (Rong et al., ICML 2022).

    Args:
        model: maps images (n,C,H,W) to logits (n,K).
        images: in [0, 1], shape (N,C,H,W).
        target: target classes, shape (N,) int64.
        saliency: maps of any scale, shape (N,H,W).
        fraction: fraction of the pixels to remove, in [0, 1].
        order: "morf" removes the most relevant first (low is good), "lerf" the least relevant (high is good).
        noise: standard deviation of the noise on imputed pixels.
        seed: seeds ties and noise, which depend only on the seed and the image.
        batch_size: number of images evaluated at a time.

    Returns:
        Probabilities, shape (N,), float32; NaN for a map with a NaN.

    Raises:
        ValueError: if a shape does not fit, a setting is out of its range or the model's output is not finite.
        TypeError: if `target` is not int64.

    Example:
        >>> model = lambda x: torch.stack([20 * x[:, 0, 0, 0] - 10, -20 * x[:, 0, 0, 0] + 10], 1)
        >>> images = torch.tensor([[[[1.0, 0.0]]]])
        >>> saliency = torch.tensor([[[1.0, 0.0]]])
        >>> [road(model, images, torch.tensor([0]), saliency, order=order, noise=0.0) for order in ("morf", "lerf")]
        [tensor([2.0612e-09]), tensor([1.])]
    """
    check_settings([fraction], noise, batch_size)
    if order not in ("morf", "lerf"):
        raise ValueError(f"Expected `order` to be 'morf' or 'lerf', got {order!r}.")
    ranks = removal_ranks(saliency, images, seed)
    settings = (noise, seed, batch_size)
    values = probabilities_after_imputation(model, images, target, ranks, [(fraction, order)], *settings)[0]
    return values.masked_fill(without_value(saliency), torch.nan)


def check_settings(fractions: Sequence[float], noise: float, batch_size: int) -> None:
    """Raise a ValueError for a fraction outside [0, 1], negative noise, or a batch size below 1."""
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ValueError(f"Expected `fraction` to be in [0, 1], got {fraction}.")
    if not fractions:
        raise ValueError("Expected `fractions` to name at least one, got none.")
    if not noise >= 0:
        raise ValueError(f"Expected `noise` to be non-negative, got {noise}.")
    if batch_size < 1:
        raise ValueError(f"Expected `batch_size` to be at least 1, got {batch_size}.")


def probabilities_after_imputation(
    model: Model,
    images: Tensor,
    target: Tensor,
    ranks: Tensor,
    removals: Sequence[tuple[float, Order]],
    noise: float,
    seed: int,
    batch_size: int,
) -> Tensor:
    """Return the probability (removals,N) after every removal of a fraction of the pixels, by ranks (N,H,W).

    `road` uses it; it serves maps that are ranked once for many fractions.
    """
    check_target(target)
    draws = noise_of(images, seed)

    def filled() -> Iterator[tuple[Tensor, Tensor]]:
        for fraction, order in removals:
            removed = removed_in(ranks, fraction, order)
            for start in range(0, len(images), batch_size):
                here = slice(start, start + batch_size)
                yield impute_noisily(images[here], removed[here], noise * draws[here]), target[here]

    values = [torch.zeros(0, device=images.device), *target_probabilities(model, filled(), batch_size)]
    return torch.cat(values).view(len(removals), len(images))


def removed_in(ranks: Tensor, fraction: float, order: Order) -> Tensor:
    """Return which pixels a fraction removes, bool, for ranks of pixels (..., H, W) in which 0 is the most relevant.

    Example:
        >>> removed_in(torch.tensor([[2, 0, 1, 3]]), 0.25, "lerf")
        tensor([[False, False, False,  True]])
    """
    num_pixels = ranks.shape[-2] * ranks.shape[-1]
    count = round(fraction * num_pixels)
    return ranks < count if order == "morf" else ranks >= num_pixels - count


def noise_of(images: Tensor, seed: int) -> Tensor:
    """Draw standard normal noise for images (N,C,H,W), which depends only on the seed and each image."""
    draws = [torch.randn(image.shape, generator=image_generator(image, f"road:{seed}")) for image in images]
    return torch.stack(draws).to(images) if draws else torch.zeros_like(images)


def impute_noisily(images: Tensor, removed: Tensor, noise: Tensor) -> Tensor:
    """Impute the removed pixels (N,H,W) of images (N,C,H,W) and add noise, (N,C,H,W), to these pixels."""
    return impute(images, removed) + noise * removed[:, None]


class ROAD(ImageMean):
    """Mean of `road` over images and fractions; "combined" is half of the difference between `lerf` and `morf`.

    Source: Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022.

    Args:
        order: "morf" (low is good), "lerf" (high is good) or "combined", (lerf - morf) / 2, which is 0 for an
            uninformative map.
        fractions: fractions of the pixels to remove.
        noise: standard deviation of the noise on imputed pixels.
        seed: seeds ties and noise.
        batch_size: number of images evaluated at a time.

    Example:
        >>> model = lambda x: torch.stack([20 * x[:, 0, 0, 0] - 10, -20 * x[:, 0, 0, 0] + 10], 1)
        >>> metric = ROAD(fractions=[0.5], noise=0.0)
        >>> metric.update(model, torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([0]), torch.tensor([[[1.0, 0.0]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    # the better direction depends on the order, but torchmetrics asks the class
    higher_is_better = None
    plot_lower_bound = -0.5
    plot_upper_bound = 1.0

    def __init__(
        self,
        order: Literal["morf", "lerf", "combined"] = "combined",
        fractions: Sequence[float] = FRACTIONS,
        noise: float = 0.01,
        seed: int = 0,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        if order not in ("morf", "lerf", "combined"):
            raise ValueError(f"Expected `order` to be 'morf', 'lerf' or 'combined', got {order!r}.")
        check_settings(fractions, noise, batch_size)
        self.order: Literal["morf", "lerf", "combined"] = order
        self.fractions = tuple(fractions)
        self.noise = noise
        self.seed = seed
        self.batch_size = batch_size

    def update(self, model: Model, images: Tensor, target: Tensor, saliency: Tensor) -> None:
        """Measure a batch of images (N,C,H,W) with their targets (N,) and maps (N,H,W)."""
        # ranked once for all fractions
        ranks = removal_ranks(saliency, images, self.seed)
        orders: list[Order] = ["lerf", "morf"] if self.order == "combined" else [self.order]
        removals = [(fraction, order) for order in orders for fraction in self.fractions]
        settings = (self.noise, self.seed, self.batch_size)
        after = probabilities_after_imputation(model, images, target, ranks, removals, *settings)
        means = after.view(len(orders), len(self.fractions), len(images)).mean(1)
        values = (means[0] - means[1]) / 2 if self.order == "combined" else means[0]
        self.accumulate(values.masked_fill(without_value(saliency), torch.nan))
