"""Shapley values of segments, estimated from random orders or from random coalitions, which captum draws."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.attribution.perturbation import (
    Logit,
    Perturbation,
    by_coalitions,
    check_draws,
    drawing,
    number_of,
    of_segments,
)


@dataclass(frozen=True)
class ShapleyValueSampling(Perturbation):
    """Shapley values, estimated by adding segments to the baseline in random orders.

    It takes one forward pass of the baseline and, for each permutation, one for each segment. The values sum to the
    change of the logit from the baseline exactly.

    Source: Castro et al., Polynomial calculation of the Shapley value based on sampling, Comput. Oper.
    Res. 2009.

    Args:
        num_samples: Number of permutations.
        seed: Seed of the permutations; with the same seed every model sees the same ones for the same image.

    Example:
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> method = ShapleyValueSampling(num_samples=2)
        >>> method.values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2)
        tensor([3., 4.])
    """

    packages: ClassVar[tuple[str, ...]] = ("captum",)

    num_samples: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_draws(self.num_samples, 1, self.seed)

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return the mean over the permutations of what a segment adds to those before it, `(S,)`."""
        import captum.attr

        number = number_of(segments)
        with drawing(image, self.seed):
            spread = captum.attr.ShapleyValueSampling(logit).attribute(
                image,
                baseline,
                feature_mask=segments,
                n_samples=self.num_samples,
                perturbations_per_eval=min(at_once, number),
            )
        return of_segments(spread, segments, number)


@dataclass(frozen=True)
class KernelShap(Perturbation):
    """Shapley values, estimated by a regression on random coalitions of segments.

    captum draws and evaluates the coalitions. The regression is solved here in float64, with a sum that is the change
    of the logit from the baseline exactly, where captum gives the two whole coalitions a weight of a million in
    float32: for 50 segments and 150 coalitions its values of a linear network are off by 0.1 %.

    Source: Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017, theorem 2.

    Args:
        num_samples: Number of forward passes of an image: coalitions, with that of all segments and that of none. At
            least one more than segments, and better several times as many.
        seed: Seed of the coalitions; with the same seed every model sees the same ones for the same image.

    Example:
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> method = KernelShap(num_samples=4)
        >>> method.values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2).float()
        tensor([3., 4.])
    """

    packages: ClassVar[tuple[str, ...]] = ("captum",)

    num_samples: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_draws(self.num_samples, 3, self.seed)

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return the coefficients of the regression, `(S,)` float64."""
        import captum.attr

        number = number_of(segments)
        if number == 1:
            # captum divides by zero
            return (logit(image) - logit(baseline)).double()
        if self.num_samples <= number:
            raise ValueError(
                f"Expected `num_samples` of KernelShap to be more than the {number} segments of an image, got "
                f"{self.num_samples}: take several times as many, or fewer segments."
            )
        method = captum.attr.KernelShap(logit)
        method.interpretable_model = _WithExactSum()
        return by_coalitions(method, image, baseline, segments, self.num_samples, self.seed, at_once)


class _WithExactSum:
    """Least squares whose coefficients sum to the difference of the first two outputs; captum calls it a model."""

    def __init__(self) -> None:
        self._values: Tensor | None = None

    def fit(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        # captum gives all of them in one batch, beginning with the coalitions of all segments and of none
        ((whole, logits, _),) = batches
        # on the CPU, where the solution does not depend on the device
        coalitions, outputs = whole.cpu().double(), logits.cpu().double()
        total, last = outputs[0] - outputs[1], coalitions[2:, -1:]
        # the last value is the total minus the others
        known = coalitions[2:, :-1] - last
        if torch.linalg.matrix_rank(known) < known.shape[1]:
            raise ValueError(
                f"Expected `num_samples` of KernelShap to determine the values of {whole.shape[1]} segments, got "
                f"{len(whole)}: take several times as many, or fewer segments."
            )
        wanted = outputs[2:, None] - outputs[1] - last * total
        found = torch.linalg.lstsq(known, wanted).solution[:, 0]
        self._values = torch.cat([found, total[None] - found.sum()])

    def representation(self) -> Tensor | None:
        return self._values
