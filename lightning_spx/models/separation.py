"""Measures how well a discriminator tells real from translated images: the AUC and its interval."""

import torch
from scipy.stats import norm
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


def separation_auc(real: Tensor, translated: Tensor, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the probability that a real image scores above a translated one (ties count half), and its interval.

    The interval is DeLong's (Biometrics 1988), over images and for this discriminator; if the classes are perfectly
    separated, its width is zero.

    Args:
        real: scores of real images, `(m,)`.
        translated: scores of translated images, `(n,)`.
        confidence: confidence level of the interval, in (0, 1).

    Returns:
        AUC, lower and upper limit, in [0, 1]; both limits are NaN with fewer than two images of a kind.

    Raises:
        ValueError: if there is no image of a kind.

    Example:
        >>> separation_auc(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]))[0]
        0.875
    """
    if not len(real) or not len(translated):
        raise ValueError(f"Expected scores of both kinds, got {len(real)} real and {len(translated)} translated.")
    # sorts once instead of comparing m x n pairs: counts how many others are lower, and how many are lower or equal
    of_real = _share_below(real.double(), translated.double())
    of_translated = 1 - _share_below(translated.double(), real.double())
    auc = float(of_real.mean())
    if len(real) < 2 or len(translated) < 2:
        return auc, float("nan"), float("nan")
    variance = of_real.var() / len(real) + of_translated.var() / len(translated)
    half = float(norm.ppf((1 + confidence) / 2)) * float(variance.sqrt())
    return auc, max(0.0, auc - half), min(1.0, auc + half)


def _share_below(values: Tensor, others: Tensor) -> Tensor:
    ordered = others.sort().values
    below = torch.searchsorted(ordered, values, right=False)
    level = torch.searchsorted(ordered, values, right=True)
    return (below + level) / (2 * len(others))


class SeparationAUC(Metric):
    """The AUC of a discriminator over all images of an epoch and all processes, with DeLong's 95 % interval.

    Example:
        >>> metric = SeparationAUC()
        >>> metric.update(torch.tensor([2.0]), torch.tensor([1.0, 0.0]))
        >>> metric.compute()[0]
        tensor(1.)
    """

    higher_is_better = True
    full_state_update = False
    real: list[Tensor]
    translated: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("real", "translated"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, real: Tensor, translated: Tensor) -> None:
        """Add scores of real images `(m,)` and translated images `(n,)`."""
        self.real.append(real.detach().float())
        self.translated.append(translated.detach().float())

    def compute(self) -> Tensor:
        """Return AUC, lower and upper limit, `(3,)`."""
        return torch.tensor(separation_auc(dim_zero_cat(self.real), dim_zero_cat(self.translated)))
