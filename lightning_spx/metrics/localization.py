"""Measures whether saliency lies inside or outside the object's mask, one value per image."""

import torch
from torch import Tensor

from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.ranks import average_ranks, sorted_values
from lightning_spx.metrics.shapes import check_real, scaled


def mass_accuracy(saliency: Tensor, mask: Tensor) -> Tensor:
    """Return the fraction of the saliency inside the mask; chance gives the mask's share of the image's area.

    Args:
        saliency: non-negative maps, shape (N,H,W).
        mask: the object, shape (N,H,W), bool.

    Returns:
        Values in [0, 1], shape (N,), float32; NaN for an empty mask or a map with a NaN. A map of zeros, into which
        `saliency_map` turns a constant map, scores like every other constant map: chance.

    Raises:
        ValueError: if the shapes do not fit or a saliency is negative.
        TypeError: if the mask is not bool.

    Example:
        >>> mass_accuracy(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[False, True]]]))
        tensor([0.7500])
    """
    values, inside = _flat(saliency, mask)
    if bool((values < 0).any()):
        raise ValueError(f"Expected `saliency` to be non-negative, got {values[values < 0][0].item():.3g}.")
    values = scaled(values)
    values = values.where((values != 0).any(dim=1, keepdim=True), 1.0)
    share = (values * inside).sum(dim=1) / values.sum(dim=1)
    return share.masked_fill(~inside.any(dim=1), torch.nan).float()


def pointing_game(saliency: Tensor, mask: Tensor) -> Tensor:
    """Return the fraction of the most salient pixels inside the mask; chance gives the mask's share of the area.

    With a single maximum it is 1 for a hit and 0 for a miss (Zhang et al., Excitation Backprop, IJCV 2018, without a
    margin). The pixels of a super-pixel map tie, and each of them counts as a fraction.

    Args:
        saliency: maps of any scale, shape (N,H,W).
        mask: the object, shape (N,H,W), bool.

    Returns:
        Values in [0, 1], shape (N,), float32; NaN for an empty mask or a map with a NaN.

    Raises:
        ValueError: if the shapes do not fit.
        TypeError: if the mask is not bool.

    Example:
        >>> pointing_game(torch.tensor([[[3.0, 3.0, 1.0]]]), torch.tensor([[[False, True, True]]]))
        tensor([0.5000])
    """
    values, inside = _flat(saliency, mask)
    top = values == values.amax(dim=1, keepdim=True)  # a NaN equals nothing, which gives 0 / 0 below
    share = (top & inside).sum(dim=1, dtype=torch.float64) / top.sum(dim=1)
    return share.masked_fill(~inside.any(dim=1), torch.nan).float()


def mask_auc(saliency: Tensor, mask: Tensor) -> Tensor:
    """Return the area under the ROC curve of the saliency as a detector of the mask's pixels; chance gives one half.

    It is the probability that a pixel inside the mask is more salient than one outside, where ties count one half (Mann
    and Whitney 1947).

    Args:
        saliency: maps of any scale, shape (N,H,W).
        mask: the object, shape (N,H,W), bool.

    Returns:
        Values in [0, 1], shape (N,), float32; NaN for an empty or a full mask or a map with a NaN.

    Raises:
        ValueError: if the shapes do not fit.
        TypeError: if the mask is not bool.

    Example:
        >>> mask_auc(torch.tensor([[[1.0, 2.0, 2.0]]]), torch.tensor([[[False, True, False]]]))
        tensor([0.7500])
    """
    values, inside = _flat(saliency, mask)
    positive = inside.sum(dim=1, dtype=torch.float64)
    negative = inside.shape[1] - positive
    rank_sum = (average_ranks(values) * inside).sum(dim=1)
    area = (rank_sum - positive * (positive + 1) / 2) / (positive * negative)
    return area.masked_fill((positive == 0) | (negative == 0), torch.nan).float()


def mask_auprc(saliency: Tensor, mask: Tensor) -> Tensor:
    """Return the area under the precision-recall curve of the saliency as a detector of the mask's pixels.

    It is the average precision, `sum_n (R_n - R_(n-1)) P_n` over the distinct values of the map from the largest on,
    where P_n and R_n are precision and recall of the pixels of at least that value: tied pixels count together, and
    nothing is interpolated. It equals `sklearn.metrics.average_precision_score`. A constant map scores the mask's share
    of the image's area. A map of noise scores a little more, on average `H/D (D - p)/(D - 1)` more than (p - 1)/(D - 1)
    for p of D pixels with the harmonic number H = 1 + 1/2 + ... + 1/D: 0.103 for a share of 0.098 of 32 x 32 pixels.

    Args:
        saliency: maps of any scale, shape (N,H,W).
        mask: the object, shape (N,H,W), bool.

    Returns:
        Values in [0, 1], shape (N,), float32; NaN for an empty or a full mask or a map with a NaN.

    Raises:
        ValueError: if the shapes do not fit.
        TypeError: if the mask is not bool.

    Example:
        >>> mask_auprc(torch.tensor([[[1.0, 2.0, 2.0]]]), torch.tensor([[[False, True, False]]]))
        tensor([0.5000])
    """
    values, inside = _flat(saliency, mask)
    ordered, order = sorted_values(values)
    descending = ordered.flip(1)
    # added up as whole numbers, because a GPU may add floats in any order
    hits = inside.gather(1, order).flip(1).cumsum(dim=1)
    last = torch.ones_like(inside)  # of the pixels that tie
    last[:, :-1] = descending[:, 1:] != descending[:, :-1]
    reached = hits.where(last, 0).cummax(dim=1).values
    gained = reached.diff(dim=1, prepend=reached.new_zeros(len(reached), 1))
    precision = hits / torch.arange(1, hits.shape[1] + 1, dtype=torch.float64, device=hits.device)
    positive = hits[:, -1]
    area = (gained * precision).sum(dim=1) / positive
    unknown = (positive == 0) | (positive == hits.shape[1]) | values.isnan().any(dim=1)
    return area.masked_fill(unknown, torch.nan).float()


class MassAccuracy(ImageMean):
    """Mean over images of `mass_accuracy`; images without a value are skipped and counted in `num_dropped`.

    Source: Arras et al., CLEVR-XAI, Information Fusion 2022 (relevance mass accuracy).

    Example:
        >>> metric = MassAccuracy()
        >>> metric.update(torch.ones(2, 1, 4), torch.tensor([[[True, False, False, False]]] * 2))
        >>> metric.compute()
        tensor(0.2500)
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def update(self, saliency: Tensor, mask: Tensor) -> None:
        """Measure a batch of maps with their masks, shapes (N,H,W)."""
        self.accumulate(mass_accuracy(saliency, mask))


class PointingGame(ImageMean):
    """Mean over images of `pointing_game`; images without a value are skipped and counted in `num_dropped`.

    Source: Zhang et al., Excitation Backprop, IJCV 2018.

    Example:
        >>> metric = PointingGame()
        >>> metric.update(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[False, True]]]))
        >>> metric.compute()
        tensor(1.)
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def update(self, saliency: Tensor, mask: Tensor) -> None:
        """Measure a batch of maps with their masks, shapes (N,H,W)."""
        self.accumulate(pointing_game(saliency, mask))


class MaskAUC(ImageMean):
    """Mean over images of `mask_auc`; images without a value are skipped and counted in `num_dropped`.

    Source: Mann and Whitney, Ann. Math. Statist. 1947.

    Example:
        >>> metric = MaskAUC()
        >>> metric.update(torch.ones(1, 1, 2), torch.tensor([[[False, True]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def update(self, saliency: Tensor, mask: Tensor) -> None:
        """Measure a batch of maps with their masks, shapes (N,H,W)."""
        self.accumulate(mask_auc(saliency, mask))


class AUPRC(ImageMean):
    """Mean over images of `mask_auprc`; images without a value are skipped and counted in `num_dropped`.

    Source: Arun et al., Assessing the Trustworthiness of Saliency Maps, Radiology: AI 2021.

    Example:
        >>> metric = AUPRC()
        >>> metric.update(torch.ones(1, 1, 4), torch.tensor([[[False, True, False, False]]]))
        >>> metric.compute()
        tensor(0.2500)
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def update(self, saliency: Tensor, mask: Tensor) -> None:
        """Measure a batch of maps with their masks, shapes (N,H,W)."""
        self.accumulate(mask_auprc(saliency, mask))


def _flat(saliency: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Check the shapes and return the unchanged values and the bool mask, both (N, HW)."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        advice = "mask > 0, if 0 is the background" if isinstance(mask, Tensor) else "torch.as_tensor(mask)"
        raise TypeError(f"Expected `mask` to be bool, got {got}: give {advice}.")
    check_real(saliency, "saliency")
    if saliency.ndim != 3 or 0 in saliency.shape[1:]:
        raise ValueError(f"Expected `saliency` of shape (N,H,W), got {tuple(saliency.shape)}.")
    if mask.shape != saliency.shape:
        raise ValueError(
            f"Expected `mask` to have the shape of `saliency`, {tuple(saliency.shape)}, got {tuple(mask.shape)}."
        )
    return saliency.detach().flatten(1), mask.flatten(1)
