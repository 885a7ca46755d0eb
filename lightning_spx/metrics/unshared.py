"""A metric that a `MetricCollection` never merges with another one."""

import torch
from torch import Tensor
from torchmetrics import Metric


class UnsharedMetric(Metric):
    """A metric that keeps its own states even in a `torchmetrics.MetricCollection` with default compute groups.

    A collection merges two metrics if their states have the same names and agree after the first batch; from then on it
    updates only one of them. Sums over images often agree by chance: for blank maps, identical maps or a single pixel.
    The state `unshared` is NaN, which equals nothing, so the metrics never seem to agree; it stays NaN through sums
    over processes, copies and resets.

    Example:
        >>> from torchmetrics import MetricCollection
        >>> from lightning_spx.metrics import MassAccuracy, PointingGame
        >>> both = MetricCollection([MassAccuracy(), PointingGame()])
        >>> both.update(torch.zeros(1, 1, 4), torch.tensor([[[True, True, False, False]]]))
        >>> both.update(torch.tensor([[[1.0, 0.0, 3.0, 0.0]]]), torch.tensor([[[True, True, False, False]]]))
        >>> both.compute()
        {'MassAccuracy': tensor(0.3750), 'PointingGame': tensor(0.2500)}
    """

    unshared: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("unshared", default=torch.tensor(torch.nan), dist_reduce_fx="sum")
