"""ReCo, the relative consistency of explanations: whether maps differ more when the models' predictions differ."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.utilities.plot import _AX_TYPE, _PLOT_OUT_TYPE

from lightning_spx.metrics.distances import Distance, check_distance
from lightning_spx.metrics.pair_sets import check_set, compare_models
from lightning_spx.metrics.unshared import UnsharedMetric


def reco_from_distances(distances: Tensor, agree: Tensor, differ: Tensor) -> Tensor:
    """Return ReCo from given distances: the one-sided Kolmogorov-Smirnov distance of S= and S!=.

    It is the maximum over all observed t of P(d <= t | S=) - P(d <= t | S!=), or 0 if that is negative (Fel et al.,
    WACV 2022). With the strict inequalities of the authors' code, two separated single values would give 0; here they
    give 1.

    Args:
        distances: distances from `pair_distances`, shape (pairs,N); NaN entries are left out.
        agree: which distances belong to S=, shape (pairs,N), bool, from `pair_sets`.
        differ: which distances belong to S!=, shape (pairs,N), bool, from `pair_sets`.

    Returns:
        A scalar in [0, 1], float32; NaN, with a warning, if one of the sets is empty.

    Raises:
        ValueError: if the shapes differ.
        TypeError: if `agree` or `differ` is not bool.

    Example:
        >>> import torch
        >>> distances = torch.tensor([[0.1, 0.3, 0.2, 0.4]])
        >>> agree = torch.tensor([[True, True, False, False]])
        >>> reco_from_distances(distances, agree, ~agree)
        tensor(0.5000)
    """
    check_set(agree, distances, "agree")
    check_set(differ, distances, "differ")
    valid = ~distances.isnan()
    return _reco(distances[agree & valid], distances[differ & valid])


def reco(
    maps: Tensor, preds: Tensor, label: Tensor, held_out: Tensor | None = None, distance: Distance = "spearman"
) -> Tensor:
    """Return the relative consistency: how well the distance of two models' maps tells if they agree on an image.

    Fel et al., "How Good is your Explanation?", WACV 2022; `reco_from_distances` has the definition.

    Args:
        maps: maps of M models for N images, shape (M,N,H,W); their scale depends on the distance, see `pair_distances`.
        preds: predicted classes, shape (M,N), integer.
        label: true classes, shape (N,), integer.
        held_out: True if the model did not train on the image, shape (M,N), bool. None: every image counts.
        distance: name of the distance, see `pair_distances`.

    Returns:
        A scalar in [0, 1], float32; NaN, with a warning, if S= or S!= is empty.

    Raises:
        ValueError: see `pair_distances` and `pair_sets`.
        TypeError: see `pair_sets`.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[1.0, 1.0], [1.0, 5.0]]).view(2, 2, 1, 1)
        >>> reco(maps, torch.tensor([[0, 0], [0, 1]]), torch.tensor([0, 0]), distance="l1")
        tensor(1.)
    """
    return reco_from_distances(*compare_models(maps, preds, label, held_out, distance))


class ReCo(UnsharedMetric):
    """Relative consistency of the explanations of M models, `reco` over all images seen.

    Source: Fel et al., "How Good is your Explanation?", WACV 2022.

    It keeps the distances of both sets (4 bytes per pair and image), because ReCo needs their order. A NaN distance is
    left out and counted in `num_dropped` (pairs times images of this process). If one of the sets is empty, the value
    is NaN, with a warning.

    Args:
        distance: name of the distance, see `pair_distances`.

    Raises:
        ValueError: if `distance` is unknown.

    Example:
        >>> import torch
        >>> metric = ReCo(distance="l1")
        >>> maps = torch.tensor([[1.0, 1.0], [1.0, 5.0]]).view(2, 2, 1, 1)
        >>> metric.update(maps, torch.tensor([[0, 0], [0, 1]]), torch.tensor([0, 0]))
        >>> metric.compute()
        tensor(1.)
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    agree: list[Tensor] | Tensor
    differ: list[Tensor] | Tensor
    num_dropped: Tensor

    def __init__(self, distance: Distance = "spearman") -> None:
        super().__init__()
        check_distance(distance)
        self.distance: Distance = distance
        self.add_state("agree", default=[], dist_reduce_fx="cat")
        self.add_state("differ", default=[], dist_reduce_fx="cat")
        self.add_state("num_dropped", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        maps: Tensor,
        preds: Tensor,
        label: Tensor,
        held_out: Tensor | None = None,
        segments: Tensor | None = None,
    ) -> None:
        """Compare the maps of all models for a batch of images; shapes as in `reco` and `pair_distances`."""
        distances, agree, differ = compare_models(maps, preds, label, held_out, self.distance, segments)
        dropped = distances.isnan()
        self.agree = [*self.agree, distances[agree & ~dropped]]
        self.differ = [*self.differ, distances[differ & ~dropped]]
        self.num_dropped = self.num_dropped + ((agree | differ) & dropped).sum()

    def compute(self) -> Tensor:
        """Return ReCo over all images seen, a float32 scalar."""
        return _reco(_joined(self.agree), _joined(self.differ))

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: _AX_TYPE | None = None) -> _PLOT_OUT_TYPE:
        """Plot the value, or the given value or series of values, into `ax` or a new figure."""
        return self._plot(val, ax)


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    # a list of each update's values in one process; one tensor after gathering several processes
    if isinstance(state, Tensor):
        return state
    return torch.cat(state) if state else torch.empty(0)


def _reco(agree: Tensor, differ: Tensor) -> Tensor:
    if not (len(agree) and len(differ)):
        empty = "two models" if not len(agree) else "exactly one of two models"
        warnings.warn(f"ReCo is NaN: no counting image is classified correctly by {empty}.", stacklevel=3)
        return torch.tensor(torch.nan, device=agree.device)
    thresholds = torch.cat([agree, differ])
    below_agree, below_differ = (
        torch.searchsorted(chosen.sort().values, thresholds, right=True).double() / len(chosen)
        for chosen in (agree, differ)
    )
    return (below_agree - below_differ).max().clamp(min=0.0).float()
