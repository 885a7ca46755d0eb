"""A metric whose value is the mean over images of one number per image."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.utilities.plot import _AX_TYPE, _PLOT_OUT_TYPE

from lightning_spx.metrics.unshared import UnsharedMetric


class ImageMean(UnsharedMetric):
    """The mean over images of one value per image; a subclass's `update` passes the values to `accumulate`.

    A NaN value is left out of the mean and counted in the state `num_dropped` (a sum over the images of this process;
    `compute` gathers all processes). Without any image the value is NaN. States are sums in float64, so that the result
    depends neither on the batch size nor on the order of the batches.

    Example:
        >>> import torch
        >>> class MeanBrightness(ImageMean):
        ...     def update(self, images: torch.Tensor) -> None:
        ...         self.accumulate(images.mean(dim=(1, 2, 3)))
        >>> metric = MeanBrightness()
        >>> metric.update(torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4), torch.full((3, 4, 4), torch.nan)]))
        >>> metric.compute(), metric.num_dropped
        (tensor(0.5000), tensor(1))
    """

    is_differentiable = False
    full_state_update = False

    total: Tensor
    num_images: Tensor
    num_dropped: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", default=torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_images", default=torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("num_dropped", default=torch.tensor(0), dist_reduce_fx="sum")

    def accumulate(self, values: Tensor) -> None:
        """Add the values of a batch of images, shape (N,)."""
        values = values.detach().double()
        dropped = values.isnan()
        # Not in place: a state made in inference mode must not be written to outside it.
        self.total = self.total + values.nansum()
        self.num_images = self.num_images + (~dropped).sum()
        self.num_dropped = self.num_dropped + dropped.sum()

    def compute(self) -> Tensor:
        """Return the mean over all images that have a value, a float32 scalar."""
        return (self.total / self.num_images).float()

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: _AX_TYPE | None = None) -> _PLOT_OUT_TYPE:
        """Plot the value, or the given value or series of values, into `ax` or a new figure."""
        return self._plot(val, ax)
