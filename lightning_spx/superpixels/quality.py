"""Measures how well segments follow borders that people drew, with the field's four standard numbers."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from lightning_spx.superpixels.segmenter import check_segments, is_one_map


def boundary_recall(segments: Tensor, truth: Tensor, tolerance: int = 2) -> Tensor:
    """Return the fraction of true border pixels that have a segment border near them; high is good.

    Source: Martin, Fowlkes and Malik, PAMI 2004; as in Stutz et al., Superpixels: an evaluation, CVIU 2018.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.
        truth: Of the same shape, int64, non-negative labels of true regions.
        tolerance: Largest distance in rows and in columns, in pixels.

    Returns:
        `(N,)` in [0, 1], `()` for one image; NaN if the truth has no border.

    Raises:
        ValueError: If the shapes differ, `segments` breaks its contract or a label is negative.

    Example:
        >>> truth = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
        >>> boundary_recall(torch.tensor([[[0, 1, 1, 1, 1, 1]]]), truth, tolerance=1)
        tensor([0.5000])
    """
    if is_one_map(segments) and is_one_map(truth):
        return boundary_recall(segments[None], truth[None], tolerance)[0]
    _check(segments, truth)
    near = max_pool2d(_borders(segments).float(), 2 * tolerance + 1, stride=1, padding=tolerance) > 0
    true = _borders(truth)
    return (near & true).flatten(1).sum(1) / true.flatten(1).sum(1)


def undersegmentation_error(segments: Tensor, truth: Tensor) -> Tensor:
    """Return the share of pixels that leak over true borders, the smaller part of each overlap; low is good.

    Source: Neubert and Protzel, Superpixel Benchmark and Comparison, 2012.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.
        truth: Of the same shape, int64, non-negative labels of true regions.

    Returns:
        `(N,)`, `()` for one image, 0 if no segment crosses a true border.

    Raises:
        ValueError: If the shapes differ, `segments` breaks its contract or a label is negative.

    Example:
        >>> truth = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
        >>> undersegmentation_error(torch.tensor([[[0, 0, 0, 0, 1, 1]]]), truth)
        tensor([0.3333])
    """
    if is_one_map(segments) and is_one_map(truth):
        return undersegmentation_error(segments[None], truth[None])[0]
    _check(segments, truth)
    errors = []
    for overlap in (_overlaps(*pair) for pair in zip(segments, truth, strict=True)):
        leaks = torch.minimum(overlap, overlap.sum(1, keepdim=True) - overlap)
        errors.append(leaks.sum() / overlap.sum())
    return torch.stack(errors).float() if errors else torch.zeros(0)


def achievable_accuracy(segments: Tensor, truth: Tensor) -> Tensor:
    """Return the share of pixels that are right if each segment takes its most frequent true label; high is good.

    Source: Liu et al., Entropy Rate Superpixel Segmentation, CVPR 2011.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.
        truth: Of the same shape, int64, non-negative labels of true regions.

    Returns:
        `(N,)` in (0, 1], `()` for one image.

    Raises:
        ValueError: If the shapes differ, `segments` breaks its contract or a label is negative.

    Example:
        >>> truth = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
        >>> achievable_accuracy(torch.tensor([[[0, 0, 0, 0, 1, 1]]]), truth)
        tensor([0.8333])
    """
    if is_one_map(segments) and is_one_map(truth):
        return achievable_accuracy(segments[None], truth[None])[0]
    _check(segments, truth)
    pairs = (_overlaps(*pair) for pair in zip(segments, truth, strict=True))
    shares = [overlap.amax(1).sum() / overlap.sum() for overlap in pairs]
    return torch.stack(shares).float() if shares else torch.zeros(0)


def compactness(segments: Tensor) -> Tensor:
    """Return the mean roundness of segments, `4 pi area / perimeter^2`, weighted by area; a square has pi / 4.

    The perimeter counts edges between pixels, including the image's border.

    Source: Schick, Fischer and Stiefelhagen, Measuring and Evaluating the Compactness of Superpixels, ICPR 2012.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.

    Returns:
        `(N,)` in (0, pi / 4], `()` for one image.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> compactness(torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1]]]))
        tensor([0.7854])
    """
    if is_one_map(segments):
        return compactness(segments[None])[0]
    check_segments(segments)
    values = []
    for ids in segments:
        area = torch.bincount(ids.flatten()).double()
        perimeter = torch.zeros_like(area)
        # pad with an extra id, so that the image's border counts
        around = torch.nn.functional.pad(ids[None, None].double(), (1, 1, 1, 1), value=-1)[0, 0].long()
        for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
            neighbor = around[rows : rows + ids.shape[0], columns : columns + ids.shape[1]]
            perimeter += torch.bincount(ids[neighbor != ids], minlength=len(area))
        values.append((area * 4 * math.pi * area / perimeter.square()).sum() / area.sum())
    return torch.stack(values).float() if values else torch.zeros(0)


def _check(segments: Tensor, truth: Tensor) -> None:
    check_segments(segments)
    if not isinstance(truth, Tensor) or truth.shape != segments.shape or truth.dtype != torch.int64:
        got = f"{truth.dtype} {tuple(truth.shape)}" if isinstance(truth, Tensor) else type(truth).__name__
        advice = ": as_segments(truth) takes any integers" if getattr(truth, "shape", None) == segments.shape else ""
        raise ValueError(f"Expected `truth` to be int64 of shape {tuple(segments.shape)}, got {got}{advice}.")
    if bool((truth < 0).any()):
        raise ValueError(f"Expected `truth` to be non-negative, got {int(truth.min())}.")


def _borders(labels: Tensor) -> Tensor:
    """Mark the pixels with another label to the left or right, above or below."""
    borders = torch.zeros_like(labels, dtype=torch.bool)
    across, down = labels[:, :, 1:] != labels[:, :, :-1], labels[:, 1:] != labels[:, :-1]
    borders[:, :, 1:] |= across
    borders[:, :, :-1] |= across
    borders[:, 1:] |= down
    borders[:, :-1] |= down
    return borders


def _overlaps(ids: Tensor, truth: Tensor) -> Tensor:
    """Count the pixels that each segment shares with each true label, (S, labels) float64."""
    # labels may be any numbers, and a table up to the largest might not fit into memory
    labels, found = np.unique(truth.flatten().numpy(force=True), return_inverse=True)
    place, num_labels = torch.from_numpy(found).to(ids.device), len(labels)
    counts = torch.bincount(ids.flatten() * num_labels + place, minlength=(int(ids.max()) + 1) * num_labels)
    return counts.view(-1, num_labels).double()
