"""Values of segments by LIME: a sparse linear model of the logit near the image, as captum fits it."""

import warnings
from dataclasses import dataclass
from math import inf
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.attribution.perturbation import Logit, Perturbation, by_coalitions, check_draws

# logits of equal points in different chunks may differ by this fraction
ROUNDING = 1e-5


@dataclass(frozen=True)
class Lime(Perturbation):
    """The coefficients of a lasso on random coalitions of segments, weighted by their similarity to the image.

    The lasso is that of scikit-learn. It pulls every value towards zero by about `4 * alpha`, and those of segments
    that change the logit by less are zero. A coalition holds each segment with probability 1/2, and its weight is
    `exp(-d^2 / (2 * kernel_width^2))` of the cosine distance `d` between its pixels and those of the image. If all
    values of an image are zero though its logits differ, it warns.

    Source: Ribeiro et al., "Why Should I Trust You?" Explaining the Predictions of Any Classifier, KDD 2016, section 3.

    Args:
        num_samples: Number of forward passes of an image: coalitions.
        seed: Seed of the coalitions; with the same seed every model sees the same ones for the same image.
        alpha: Weight of the absolute values of the coefficients, in units of the logit, positive.
        kernel_width: Distance at which a coalition's weight has fallen to 0.61, positive.

    Example:
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> method = Lime(num_samples=64, alpha=0.001)
        >>> method.values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2).round()
        tensor([3., 4.])
    """

    packages: ClassVar[tuple[str, ...]] = ("captum", "sklearn")

    num_samples: int = 500
    seed: int = 0
    alpha: float = 0.01
    kernel_width: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_draws(self.num_samples, 2, self.seed)
        for name, value in (("alpha", self.alpha), ("kernel_width", self.kernel_width)):
            if not 0 < value < inf:
                raise ValueError(f"Expected `{name}` to be positive and finite, got {value}.")

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return the coefficients of the lasso, `(S,)` float32."""
        import captum.attr
        from captum._utils.models.linear_model import SkLearnLasso
        from captum.attr._core.lime import get_exp_kernel_similarity_function

        similarity = get_exp_kernel_similarity_function("cosine", kernel_width=self.kernel_width)
        outputs: list[Tensor] = []

        def noted(points: Tensor) -> Tensor:
            outputs.append(logit(points))
            return outputs[-1]

        method = captum.attr.Lime(noted, SkLearnLasso(alpha=self.alpha), similarity)
        values = by_coalitions(method, image, baseline, segments, self.num_samples, self.seed, at_once)
        low, high = (float(value) for value in torch.cat(outputs).aminmax())
        if not bool(values.any()) and high - low > ROUNDING * max(abs(low), abs(high)):
            warnings.warn(
                f"Lime gives every segment of an image the value 0, though its logits differ by {high - low:.2g}: "
                f"set `alpha` lower than {self.alpha}.",
                stacklevel=2,
            )
        return values.flatten()
