"""How well a discriminator tells real images from translated ones: the AUC and its interval."""

import torch
from scipy.stats import norm
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


def separation_auc(real: Tensor, translated: Tensor, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the probability that a real image scores above a translated one, ties one half, with its interval.

    The interval is DeLong's (Biometrics 1988), over images and for this discriminator; where the classes are separated
    it has no width.

    Args:
        real: scores of real images, `(m,)`.
        translated: scores of translated images, `(n,)`.
        confidence: of the interval, in (0, 1).

    Returns:
        AUC, lower and upper limit, in [0, 1]; NaN for both limits with fewer than two images of a kind.

    Raises:
        ValueError: if there is no image of a kind.

    Example:
        >>> separation_auc(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]))[0]
        0.875
    """
    if not len(real) or not len(translated):
        raise ValueError(f"Expected scores of both kinds, got {len(real)} real and {len(translated)} translated.")
    # sorting once in place of m x n comparisons: how many of the others lie below, and below or level
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
        """Add scores of real `(m,)` and of translated images `(n,)`."""
        self.real.append(real.detach().float())
        self.translated.append(translated.detach().float())

    def compute(self) -> Tensor:
        """Return AUC, lower and upper limit, `(3,)`."""
        return torch.tensor(separation_auc(dim_zero_cat(self.real), dim_zero_cat(self.translated)))
