"""MeGe, the mean generalizability of explanations: how close the maps of models are when they should agree."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.utilities.plot import _AX_TYPE, _PLOT_OUT_TYPE

from lightning_spx.metrics.distances import Distance, check_distance
from lightning_spx.metrics.pair_sets import check_set, compare_models
from lightning_spx.metrics.unshared import UnsharedMetric


def mege_from_distances(distances: Tensor, agree: Tensor) -> Tensor:
    """Return MeGe = 1 / (1 + mean distance over S=) from given distances (Fel et al., WACV 2022).

    Args:
        distances: non-negative distances from `pair_distances`, shape (pairs,N); NaN entries are left out.
        agree: which distances belong to S=, shape (pairs,N), bool, from `pair_sets`.

    Returns:
        A scalar in (0, 1], float32; NaN, with a warning, if S= is empty.

    Raises:
        ValueError: if the shapes differ.
        TypeError: if `agree` is not bool.

    Example:
        >>> import torch
        >>> mege_from_distances(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor(0.3333)
    """
    check_set(agree, distances, "agree")
    total, count, _ = _sums(distances, agree)
    return _mege(total, count)


def mege(
    maps: Tensor, preds: Tensor, label: Tensor, held_out: Tensor | None = None, distance: Distance = "spearman"
) -> Tensor:
    """Return the mean generalizability: how close two models' maps are if exactly one of them trained on the image.

    Fel et al., "How Good is your Explanation?", WACV 2022: 1 / (1 + mean distance over S=).

    Args:
        maps: maps of M models for N images, shape (M,N,H,W); their scale depends on the distance, see `pair_distances`.
        preds: predicted classes, shape (M,N), integer.
        label: true classes, shape (N,), integer.
        held_out: True if the model did not train on the image, shape (M,N), bool. None: every image counts.
        distance: name of the distance, see `pair_distances`.

    Returns:
        A scalar in (0, 1], float32; 1 if all maps agree; NaN, with a warning, if S= is empty.

    Raises:
        ValueError: see `pair_distances` and `pair_sets`.
        TypeError: see `pair_sets`.

    Example:
        >>> import torch
        >>> maps = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).expand(3, -1, -1, -1)
        >>> mege(maps, torch.zeros(3, 4, dtype=torch.long), torch.zeros(4, dtype=torch.long))
        tensor(1.)
    """
    distances, agree, _ = compare_models(maps, preds, label, held_out, distance)
    return mege_from_distances(distances, agree)


class MeGe(UnsharedMetric):
    """Mean generalizability of the explanations of M models, `mege` over all images seen.

    Source: Fel et al., "How Good is your Explanation?", WACV 2022.

    A NaN distance is left out of the mean and counted in `num_dropped` (pairs times images of this process). Sums use
    float64, also over processes. If no image is in S=, the value is NaN, with a warning.

    Args:
        distance: name of the distance, see `pair_distances`.

    Raises:
        ValueError: if `distance` is unknown.

    Example:
        >>> import torch
        >>> metric = MeGe(distance="l1")
        >>> maps = torch.stack([torch.zeros(2, 4, 4), torch.ones(2, 4, 4)])
        >>> metric.update(maps, torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, dtype=torch.long))
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    total: Tensor
    num_agree: Tensor
    num_dropped: Tensor

    def __init__(self, distance: Distance = "spearman") -> None:
        super().__init__()
        check_distance(distance)
        self.distance: Distance = distance
        self.add_state("total", default=torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_agree", default=torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("num_dropped", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        maps: Tensor,
        preds: Tensor,
        label: Tensor,
        held_out: Tensor | None = None,
        segments: Tensor | None = None,
    ) -> None:
        """Compare the maps of all models for a batch of images; shapes as in `mege` and `pair_distances`."""
        distances, agree, _ = compare_models(maps, preds, label, held_out, self.distance, segments)
        total, count, dropped = _sums(distances, agree)
        # Not in place: a state made in inference mode must not be written to outside it.
        self.total = self.total + total
        self.num_agree = self.num_agree + count
        self.num_dropped = self.num_dropped + dropped

    def compute(self) -> Tensor:
        """Return MeGe over all images seen, a float32 scalar."""
        return _mege(self.total, self.num_agree)

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: _AX_TYPE | None = None) -> _PLOT_OUT_TYPE:
        """Plot the value, or the given value or series of values, into `ax` or a new figure."""
        return self._plot(val, ax)


def _sums(distances: Tensor, agree: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    chosen = distances[agree].double()
    dropped = chosen.isnan().sum()
    return chosen.nansum(), agree.sum() - dropped, dropped


def _mege(total: Tensor, count: Tensor) -> Tensor:
    if count == 0:
        warnings.warn("MeGe is NaN: no counting image is classified correctly by two models.", stacklevel=3)
    return (1 / (1 + total / count)).float()
