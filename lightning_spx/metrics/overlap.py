"""Overlap of the most salient pixels of two maps, one value per image."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs
from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.shapes import check_same_shape, without_channel


def topk_overlap(saliency: Tensor, reference: Tensor, k: float = 0.1) -> Tensor:
    """Return the fraction of each map's top-k pixels that are also top-k pixels of its reference.

    Pixels that tie at the border of the set share its last places. If larger values take a of the p places, each of the
    t tied pixels has weight (p - a)/t; the value is the sum of the products of both maps' weights, divided by p. This
    is the exact expectation if ties are broken at random in each map independently, so no seed is needed. A constant
    map scores p/(HW), the value of chance, and a map with ties scores less than 1 against itself. Sets with overlap o
    have the intersection over union o/(2 - o).

    Args:
        saliency: maps, shape (N,H,W) or (N,1,H,W), any scale.
        reference: the maps to compare with, of the same shape. Infinities count as larger or smaller than all numbers.
        k: fraction of the pixels in the set, in (0, 1]; the number of places p is `max(1, round(k * H * W))`.

    Returns:
        Values in [0, 1], shape (N,), float32; NaN if a map has a NaN.

    Raises:
        ValueError: if the shapes do not fit or `k` is not in (0, 1].

    Example:
        >>> import torch
        >>> first = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
        >>> topk_overlap(first, first.flip(2), k=0.5), topk_overlap(first, torch.ones(1, 2, 2), k=0.5)
        (tensor([1.]), tensor([0.5000]))
    """
    _check_k(k)
    saliency, reference = without_channel(saliency), without_channel(reference)
    check_same_shape(saliency, reference, "(N,H,W)")
    places = max(1, round(k * saliency.shape[1] * saliency.shape[2]))
    shared = _membership(saliency, places) * _membership(reference, places)
    return (shared.sum(dim=1, dtype=torch.float64) / places).float()


def overlap_of_pairs(
    values: Tensor, pairs: Sequence[tuple[int, int]], k: float = 0.1, sizes: Tensor | None = None
) -> Tensor:
    """Compute `topk_overlap` of chosen pairs of maps of the same images, making the set of each map once.

    Args:
        values: K maps of N images with one value for each pixel or segment, shape (K,N,D), any scale.
        pairs: the two maps of each pair.
        k: fraction of the pixels in the set, in (0, 1].
        sizes: how many pixels each value stands for, shape (N,D) float64; None: one each.

    Returns:
        Values in [0, 1], shape (pairs,N), float32.

    Raises:
        ValueError: if `k` is not in (0, 1].

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[4.0, 3.0, 2.0, 1.0]], [[1.0, 2.0, 3.0, 4.0]], [[4.0, 1.0, 3.0, 2.0]]])
        >>> overlap_of_pairs(maps, [(0, 1), (0, 2), (1, 2)], k=0.5).flatten()
        tensor([0.0000, 0.5000, 0.5000])
    """
    _check_k(k)
    if sizes is None:
        places = max(1, round(k * values.shape[2]))
        known = values.to(torch.promote_types(values.dtype, torch.float32))
        compiled = None if needs_tensor_operations(values) else _compiled()
        if compiled is not None:
            return compiled(known, np.array(pairs, dtype=np.int64).reshape(-1, 2), places).float()
        members = [_membership(each, places) for each in known]
        shared = [(members[i] * members[j]).sum(dim=1, dtype=torch.float64) for i, j in pairs]
        return (torch.stack(shared) / places).float()
    # of each image by itself, because in a batch images have the same number of pixels
    number = torch.tensor([max(1, round(k * pixels)) for pixels in sizes.sum(1).tolist()], device=values.device)
    shares = _membership_of_sizes(values, sizes, number.double()[:, None])
    of_first, of_second = (shares[[pair[side] for pair in pairs]] for side in (0, 1))
    shared_pixels: Tensor = (of_first * of_second * sizes).sum(dim=2)
    return (shared_pixels / number).float()


class TopKOverlap(ImageMean):
    """Mean over images of `topk_overlap`: how many of the most salient pixels two models share.

    Source: Ghorbani et al., Interpretation of Neural Networks Is Fragile, AAAI 2019 (top-k intersection).

    Images with a NaN are skipped and counted in `num_dropped`.

    Args:
        k: fraction of the pixels in the set, in (0, 1].

    Raises:
        ValueError: if `k` is not in (0, 1].

    Example:
        >>> import torch
        >>> metric = TopKOverlap(k=0.25)
        >>> metric.update(torch.ones(3, 8, 8), torch.ones(3, 8, 8))
        >>> metric.compute()
        tensor(0.2500)
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(self, k: float = 0.1) -> None:
        super().__init__()
        _check_k(k)
        self.k = k

    def update(self, saliency: Tensor, reference: Tensor) -> None:
        """Compare a batch of maps, shapes (N,H,W) or (N,1,H,W)."""
        self.accumulate(topk_overlap(saliency, reference, k=self.k))


@cache
def _compiled() -> Callable[[Tensor, NDArray[np.int64], int], Tensor] | None:
    """Return the compiled version if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.metrics.pairs_compiled import overlaps

        return overlaps
    return None


def _membership(maps: Tensor, places: int) -> Tensor:
    values = maps.flatten(1).to(torch.promote_types(maps.dtype, torch.float32))
    # not `kthvalue`: some PyTorch releases refuse it on a GPU if algorithms must be deterministic
    smallest = values.topk(places, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    above, tied = values > smallest, values == smallest
    share = (places - above.sum(dim=1, keepdim=True)) / tied.sum(dim=1, keepdim=True)
    membership = torch.where(tied, share, above.float())
    return membership.masked_fill_(values.isnan().any(dim=1, keepdim=True), torch.nan)


def _membership_of_sizes(values: Tensor, sizes: Tensor, places: Tensor) -> Tensor:
    """Return the weight (K,N,D) of each pixel of a value in the set of its map; `places` (N,1) is the set's size."""
    there = torch.where(sizes > 0, values, -torch.inf)
    largest, order = there.sort(dim=2, descending=True)
    upto = sizes.expand_as(values).gather(2, order).cumsum(dim=2)
    smallest = largest.gather(2, torch.searchsorted(upto, places.expand(*upto.shape[:2], 1).contiguous()))
    above, tied = there > smallest, there == smallest
    share = (places - (above * sizes).sum(dim=2, keepdim=True)) / (tied * sizes).sum(dim=2, keepdim=True)
    return torch.where(tied, share, above.double()).masked_fill_(values.isnan().any(2, keepdim=True), torch.nan)


def _check_k(k: float) -> None:
    if not 0 < k <= 1:
        raise ValueError(f"Expected `k` to be in (0, 1], got {k}.")
