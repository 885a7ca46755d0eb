"""Defines what gives the segments of an image values by perturbation, and shares what captum's classes need."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from lightning_spx.attribution.chunks import check_integer
from lightning_spx.attribution.noise import image_generators

if TYPE_CHECKING:
    import captum.attr

Logit = Callable[[Tensor], Tensor]


class Perturbation(ABC):
    """Gives each segment of one image a value by evaluating copies of the image in which segments are replaced.

    `SegmentAttribution` explains images by it. A subclass that draws random numbers is a dataclass with a `seed`, which
    a study shifts for each of its models.

    Attributes:
        packages: Optional packages without which it cannot be used.

    Example:
        >>> class Alone(Perturbation):
        ...     def values(self, logit, image, baseline, segments, at_once):
        ...         kept = torch.where(segments == torch.arange(2)[:, None, None, None], image, baseline)
        ...         return logit(kept) - logit(baseline)
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> Alone().values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2)
        tensor([3., 4.])
    """

    packages: ClassVar[tuple[str, ...]] = ()

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
        """Raise ImportError unless the `packages` are installed."""
        for package in self.packages:
            if find_spec(package) is None:
                raise ImportError(
                    f"Expected {package} for {type(self).__name__}, found none. Install it: "
                    "python -m pip install 'lightning_spx[captum]'."
                )


@contextmanager
def drawing(image: Tensor, seed: int) -> Iterator[None]:
    """Let PyTorch's global random numbers depend on the seed and the image, and put the global states back.

    Example:
        >>> with drawing(torch.ones(1, 1, 2, 2), seed=0):
        ...     first = torch.rand(1)
        >>> with drawing(torch.ones(1, 1, 2, 2), seed=0):
        ...     torch.equal(torch.rand(1), first)
        True
    """
    # scikit-learn's lasso advances the global state of NumPy, though it draws nothing that it uses
    numpy_state = np.random.get_state()
    try:
        # captum draws all its random numbers on the CPU
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(next(image_generators(image, seed)).initial_seed())
            yield
    finally:
        np.random.set_state(numpy_state)


def by_coalitions(
    method: "captum.attr.Lime",
    image: Tensor,
    baseline: Tensor,
    segments: Tensor,
    num_samples: int,
    seed: int,
    at_once: int,
) -> Tensor:
    """Return the values of segments that a method of captum fits to random coalitions, which depend on seed and image.

    Args:
        method: captum's `Lime` or `KernelShap`.
        image: as in `Perturbation.values`, like the next two and the last one.
        baseline: what replaces a segment.
        segments: ids without gaps.
        num_samples: number of coalitions.
        seed: seed of the coalitions.
        at_once: how many points should be made at once.
    """
    with drawing(image, seed):
        values: Tensor = method.attribute(
            image,
            baseline,
            feature_mask=segments,
            n_samples=num_samples,
            perturbations_per_eval=min(at_once, num_samples),
            return_input_shape=False,
        )
    return values


def number_of(segments: Tensor) -> int:
    """Return the number of segments of one image.

    Example:
        >>> number_of(torch.tensor([[[[0, 1, 1]]]]))
        2
    """
    return int(segments.max()) + 1


def of_segments(spread: Tensor, segments: Tensor, number: int) -> Tensor:
    """Return the value of each segment from what captum returns: every channel and pixel of a segment has its value.

    Example:
        >>> of_segments(torch.tensor([[[[5.0, 7.0, 7.0]]]]), torch.tensor([[[[0, 1, 1]]]]), number=2)
        tensor([5., 7.])
    """
    values = spread.new_zeros(number)
    values[segments.flatten()] = spread[0, 0].flatten()
    return values


def check_draws(num_samples: int, least: int, seed: object) -> None:
    """Raise TypeError unless both are integers, and ValueError unless there are enough samples."""
    check_integer("num_samples", num_samples)
    if num_samples < least:
        raise ValueError(f"Expected `num_samples` to be at least {least}, got {num_samples}.")
    check_integer("seed", seed)
