"""Values of segments by perturbation: how the logit changes when segments are replaced, as captum computes it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from math import inf

import numpy as np
import torch
from torch import Tensor

from lightning_spx.attribution.chunks import check_integer
from lightning_spx.attribution.noise import image_generators

Logit = Callable[[Tensor], Tensor]


class Perturbation(ABC):
    """Gives each segment of one image a value by evaluating copies of the image in which segments are replaced.

    Its settings are those of the captum class of the same name; `SegmentAttribution` explains images by it.

    Example:
        >>> class Alone(Perturbation):
        ...     def values(self, logit, image, baseline, segments, at_once):
        ...         kept = torch.where(segments == torch.arange(2)[:, None, None, None], image, baseline)
        ...         return logit(kept) - logit(baseline)
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> Alone().values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2)
        tensor([3., 4.])
    """

    @abstractmethod
    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return the value of each segment.

        Args:
            logit: Maps points `(n, C, H, W)` to the explained logit of each, `(n,)`.
            image: `(1, C, H, W)`.
            baseline: What replaces a segment, `(1, C, H, W)`.
            segments: `(1, 1, H, W)` int64, ids `0..S-1` without gaps.
            at_once: How many points should be made at once.

        Returns:
            In units of the logit, `(S,)`.

        Raises:
            ValueError: If the settings do not suffice for so many segments.
        """

    def require_packages(self) -> None:
        """Raise ImportError unless what computes the values is installed."""
        for package in self._packages():
            if find_spec(package) is None:
                raise ImportError(
                    f"Expected {package} for {type(self).__name__}, found none. Install it: "
                    "python -m pip install 'lightning_spx[captum]'."
                )

    def _packages(self) -> tuple[str, ...]:
        return ("captum",)


@dataclass(frozen=True)
class FeatureAblation(Perturbation):
    """The change of the logit when one segment is replaced, for each segment.

    It takes one forward pass of the image and one for each segment, and draws no random numbers.

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2, with
    segments in place of squares.

    Example:
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> FeatureAblation().values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2)
        tensor([3., 4.])
    """

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return `logit(image)` minus the logit without the segment, `(S,)`."""
        import captum.attr

        number = _number(segments)
        # captum repeats the image as often as it is told, however few segments there are
        spread = captum.attr.FeatureAblation(logit).attribute(
            image, baseline, feature_mask=segments, perturbations_per_eval=min(at_once, number)
        )
        return _of_segments(spread, segments, number)


@dataclass(frozen=True)
class ShapleyValueSampling(Perturbation):
    """Shapley values, estimated by adding segments to the baseline in random orders.

    It takes one forward pass of the baseline and, for each permutation, one for each segment. The values sum to the
    change of the logit from the baseline exactly.

    Source: Castro et al., Polynomial calculation of the Shapley value based on sampling, Computers & Operations
    Research 2009.

    Args:
        num_samples: Number of permutations.
        seed: Seed of the permutations; with the same seed every model sees the same ones for the same image.

    Example:
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> method = ShapleyValueSampling(num_samples=2)
        >>> method.values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2)
        tensor([3., 4.])
    """

    num_samples: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        _check_draws(self.num_samples, 1, self.seed)

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return the mean over the permutations of what a segment adds to those before it, `(S,)`."""
        import captum.attr

        number = _number(segments)
        with _drawing(image, self.seed):
            spread = captum.attr.ShapleyValueSampling(logit).attribute(
                image,
                baseline,
                feature_mask=segments,
                n_samples=self.num_samples,
                perturbations_per_eval=min(at_once, number),
            )
        return _of_segments(spread, segments, number)


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

    num_samples: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        _check_draws(self.num_samples, 3, self.seed)

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return the coefficients of the regression, `(S,)` float64."""
        import captum.attr

        number = _number(segments)
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
        with _drawing(image, self.seed):
            values: Tensor = method.attribute(
                image,
                baseline,
                feature_mask=segments,
                n_samples=self.num_samples,
                perturbations_per_eval=min(at_once, self.num_samples),
                return_input_shape=False,
            )
        return values


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


@dataclass(frozen=True)
class Lime(Perturbation):
    """The coefficients of a lasso on random coalitions of segments, weighted by their similarity to the image.

    The lasso is that of scikit-learn. It pulls every value towards zero by about `4 * alpha`, and those of segments
    that change the logit by less are zero. A coalition holds each segment with probability 1/2, and its weight is
    `exp(-d^2 / (2 * kernel_width^2))` of the cosine distance `d` between its pixels and those of the image.

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

    num_samples: int = 500
    seed: int = 0
    alpha: float = 0.01
    kernel_width: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings."""
        _check_draws(self.num_samples, 2, self.seed)
        for name, value in (("alpha", self.alpha), ("kernel_width", self.kernel_width)):
            if not 0 < value < inf:
                raise ValueError(f"Expected `{name}` to be positive and finite, got {value}.")

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return the coefficients of the lasso, `(S,)` float32."""
        import captum.attr
        from captum._utils.models.linear_model import SkLearnLasso
        from captum.attr._core.lime import get_exp_kernel_similarity_function

        similarity = get_exp_kernel_similarity_function("cosine", kernel_width=self.kernel_width)
        method = captum.attr.Lime(logit, SkLearnLasso(alpha=self.alpha), similarity)
        with _drawing(image, self.seed):
            values: Tensor = method.attribute(
                image,
                baseline,
                feature_mask=segments,
                n_samples=self.num_samples,
                perturbations_per_eval=min(at_once, self.num_samples),
                return_input_shape=False,
            )
        return values.flatten()

    def _packages(self) -> tuple[str, ...]:
        return ("captum", "sklearn")


@contextmanager
def _drawing(image: Tensor, seed: int) -> Iterator[None]:
    # scikit-learn's lasso advances the global state of NumPy, though it draws nothing that it uses
    numpy_state = np.random.get_state()
    try:
        # captum draws all its random numbers on the CPU
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(next(image_generators(image, seed)).initial_seed())
            yield
    finally:
        np.random.set_state(numpy_state)


def _number(segments: Tensor) -> int:
    return int(segments.max()) + 1


def _of_segments(spread: Tensor, segments: Tensor, number: int) -> Tensor:
    # captum gives every channel and pixel of a segment its value
    values = spread.new_zeros(number)
    values[segments.flatten()] = spread[0, 0].flatten()
    return values


def _check_draws(num_samples: int, least: int, seed: object) -> None:
    check_integer("num_samples", num_samples)
    if num_samples < least:
        raise ValueError(f"Expected `num_samples` to be at least {least}, got {num_samples}.")
    check_integer("seed", seed)
