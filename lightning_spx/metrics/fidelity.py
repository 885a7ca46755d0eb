"""Fidelity error: how far pooling moves a map from the plain map of the same method."""

from torch import Tensor
from torch.linalg import vector_norm

from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.shapes import check_same_shape, scaled, without_channel


def fidelity_error(saliency: Tensor, reference: Tensor) -> Tensor:
    """Return the L2 distance between a map and the plain map of the same method, both scaled to unit L2 norm.

    Args:
        saliency: non-negative magnitudes, not normalized, shape (N,H,W) or (N,1,H,W).
        reference: magnitudes of the plain map, of the same shape.

    Returns:
        Distances, 0 for the same map and at most the square root of 2, shape (N,), float32; NaN if a map is all zero or
        has a NaN.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> import torch
        >>> fidelity_error(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]]))
        tensor([0.7654])
    """
    saliency, reference = without_channel(saliency), without_channel(reference)
    check_same_shape(saliency, reference, "(N,H,W)")
    first, second = (scaled(maps.detach().flatten(1)) for maps in (saliency, reference))
    apart = first / vector_norm(first, dim=1, keepdim=True) - second / vector_norm(second, dim=1, keepdim=True)
    distance: Tensor = vector_norm(apart, dim=1)
    return distance.float()


class FidelityError(ImageMean):
    """Mean over images of `fidelity_error`; images without a value are skipped and counted in `num_dropped`.

    Example:
        >>> import torch
        >>> metric = FidelityError()
        >>> metric.update(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]]))
        >>> metric.compute()
        tensor(0.7654)
    """

    higher_is_better = False
    plot_lower_bound = 0.0

    def update(self, saliency: Tensor, reference: Tensor) -> None:
        """Measure a batch of maps and their plain maps, shapes (N,H,W)."""
        self.accumulate(fidelity_error(saliency, reference))
