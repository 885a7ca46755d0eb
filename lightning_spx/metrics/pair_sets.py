"""Selects the images that count for two models, and compares the maps of both."""

import torch
from torch import Tensor

from lightning_spx.metrics.distances import Distance, pair_distances
from lightning_spx.metrics.shapes import check_real


def pair_sets(preds: Tensor, label: Tensor, held_out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return, for every two models, the images that both get right and those that exactly one gets right.

    Fel et al. (WACV 2022) call them S= and S!=. An image counts for a pair if exactly one of the two models did not see
    it in training; an image that both get wrong is in neither set.

    Args:
        preds: predicted classes of M models for N images, shape (M,N), integer.
        label: true class, shape (N,), integer.
        held_out: True if the model did not see the image in training, shape (M,N), bool. None: every image counts for
            every pair (for models that saw none of the images).

    Returns:
        `agree` and `differ`, each of shape (M (M - 1) / 2, N), bool, pairs in the order of
        `itertools.combinations(range(M), 2)`.

    Raises:
        ValueError: if the shapes do not fit or there are fewer than two models.
        TypeError: if `preds` are not classes or `held_out` is not bool.

    Example:
        >>> import torch
        >>> agree, differ = pair_sets(torch.tensor([[0, 1, 1], [0, 1, 0]]), torch.tensor([0, 0, 0]))
        >>> agree, differ
        (tensor([[ True, False, False]]), tensor([[False, False,  True]]))
    """
    for name, classes in (("preds", preds), ("label", label)):
        if not isinstance(classes, Tensor):
            raise TypeError(f"Expected `{name}` to be a tensor of classes, got {type(classes).__name__}.")
    if preds.ndim != 2 or len(preds) < 2:
        raise ValueError(f"Expected `preds` of shape (M,N) with at least 2 models, got {tuple(preds.shape)}.")
    if preds.is_floating_point():
        raise TypeError(f"Expected `preds` to be integer classes, got {preds.dtype}.")
    if label.shape != preds.shape[1:]:
        raise ValueError(f"Expected `label` of shape {tuple(preds.shape[1:])}, got {tuple(label.shape)}.")
    first, second = torch.combinations(torch.arange(len(preds), device=preds.device)).unbind(dim=1)
    correct = preds == label
    agree, differ = correct[first] & correct[second], correct[first] ^ correct[second]
    if held_out is None:
        return agree, differ
    if held_out.dtype != torch.bool:
        raise TypeError(f"Expected `held_out` to be bool, got {held_out.dtype}.")
    if held_out.shape != preds.shape:
        raise ValueError(f"Expected `held_out` of shape {tuple(preds.shape)}, got {tuple(held_out.shape)}.")
    counts = held_out[first] ^ held_out[second]
    return agree & counts, differ & counts


def check_set(chosen: Tensor, distances: Tensor, name: str) -> None:
    """Raise unless a set of pairs and images fits the distances it selects from.

    Example:
        >>> import torch
        >>> check_set(torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2), "agree")
    """
    if chosen.dtype != torch.bool:
        raise TypeError(f"Expected `{name}` to be bool, got {chosen.dtype}.")
    if chosen.shape != distances.shape:
        raise ValueError(f"Expected `{name}` of shape {tuple(distances.shape)}, got {tuple(chosen.shape)}.")


def compare_models(
    maps: Tensor,
    preds: Tensor,
    label: Tensor,
    held_out: Tensor | None,
    distance: Distance,
    segments: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `pair_distances` and `pair_sets`, after checking that both are about the same models and images.

    Args:
        maps: maps of M models for N images, shape (M,N,H,W).
        preds: predicted classes, shape (M,N), integer.
        label: true classes, shape (N,), integer.
        held_out: as in `pair_sets`, shape (M,N), bool, or None.
        distance: name of the distance.
        segments: as in `pair_distances`, shape (N,H,W), or None.

    Returns:
        `distances`, `agree` and `differ`, each of shape (pairs,N).

    Raises:
        ValueError: if the shapes do not fit.
        TypeError: if a tensor has another type.

    Example:
        >>> import torch
        >>> preds, label = torch.zeros(2, 1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
        >>> compare_models(torch.ones(2, 1, 4, 4), preds, label, None, "l1")
        (tensor([[0.]]), tensor([[True]]), tensor([[False]]))
    """
    check_real(maps, "maps")
    agree, differ = pair_sets(preds, label, held_out)
    if maps.shape[:2] != preds.shape:
        raise ValueError(
            f"Expected `maps` of shape (M,N,H,W) with (M,N) = {tuple(preds.shape)}, got {tuple(maps.shape)}."
        )
    return pair_distances(maps.detach(), distance, segments), agree, differ
