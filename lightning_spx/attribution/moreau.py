"""The gradient of a network's Moreau envelope: plain, sparse, or sparse by super-pixels."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lightning_spx.attribution.chunks import check_integer
from lightning_spx.attribution.gradient import Gradient, gradients_at
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.noise import image_generators, normal_draws
from lightning_spx.attribution.targets import Target


@dataclass(frozen=True)
class MoreauGrad(Attribution):
    """The gradient of the Moreau envelope of the logit, `-delta / smoothing` at its minimizer delta.

    delta minimizes the mean over noise z of `f(x + z + delta)`, plus `|delta|^2 / (2 smoothing)`, plus a sparse term.
    The sparse term is `sparsity * |delta|_1`, or with `segments`, `sparsity` times the sum over segments of the root of
    the segment's size times its L2 norm; whole super-pixels are then explained or left out. Each step follows the
    gradient at fresh noise and then takes the exact proximal step of the other terms; the result is the average of the
    last steps. With `sparsity` 0, segments change nothing.

    It costs `num_steps * num_samples` gradients per image.

    Source: Zhang and Farnia, MoreauGrad: Sparse and Robust Interpretation of Neural Networks via Moreau Envelope,
    ICCV 2023.

    Args:
        base: The gradient, which sets precision and chunk size.
        smoothing: The envelope's parameter lambda, positive; towards 0 the result becomes the gradient.
        sparsity: Weight of the sparse term, in units of the gradient, non-negative.
        num_steps: Number of proximal gradient steps.
        num_samples: Number of fresh noisy copies in each step.
        step_size: Length of a step as a fraction of `smoothing`, in (0, 1].
        average_last: Number of last steps whose results are averaged, 1 to `num_steps`.
        stdev: Standard deviation of the noise as a fraction of the image's range (maximum minus minimum).
        seed: Seed of the noise; with the same seed every model sees the same noise for the same image.

    Example:
        >>> image = torch.tensor([[[[3.0]]]])
        >>> MoreauGrad(stdev=0.0).attribute(lambda x: (x**2).sum((1, 2, 3)) / 2, image, None)
        tensor([[[[1.5000]]]])
    """

    base: Gradient = field(default_factory=Gradient)
    smoothing: float = 1.0
    sparsity: float = 0.0
    num_steps: int = 20
    num_samples: int = 4
    step_size: float = 0.5
    average_last: int = 5
    stdev: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        if not isinstance(self.base, Gradient):
            raise TypeError(f"Expected `base` to be a Gradient, got {self.base!r}.")
        for name in ("num_steps", "num_samples"):
            check_integer(name, getattr(self, name))
            if getattr(self, name) < 1:
                raise ValueError(f"Expected `{name}` to be positive, got {getattr(self, name)}.")
        if not 0 < self.smoothing < math.inf:
            raise ValueError(f"Expected `smoothing` to be finite and positive, got {self.smoothing}.")
        if not 0 < self.step_size <= 1:
            raise ValueError(f"Expected `step_size` to be in (0, 1], got {self.step_size}.")
        if not 1 <= self.average_last <= self.num_steps:
            raise ValueError(
                f"Expected `average_last` to be 1 to `num_steps` = {self.num_steps}, got {self.average_last}."
            )
        for name in ("sparsity", "stdev"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"Expected `{name}` to be finite and non-negative, got {getattr(self, name)}.")

    def attribute(self, model: Model, inputs: Tensor, target: Target, segments: Tensor | None = None) -> Tensor:
        """Return the envelope's gradient, `(N, C, H, W)`.

        Args:
            model: As in `Attribution.attribute`.
            inputs: As in `Attribution.attribute`.
            target: As in `Attribution.attribute`.
            segments: Ids `0..S-1` without gaps, `(N, H, W)` int64: the groups of the sparse term.

        Raises:
            ValueError: As in `Attribution.attribute`, and if `segments` does not fit `inputs`.
        """
        inputs, target = checked(inputs, target)
        if segments is not None:
            _check_segments(segments, (len(inputs), *inputs.shape[2:]))
        generators = list(image_generators(inputs, self.seed))
        delta = torch.zeros_like(inputs, dtype=torch.float32)
        result = torch.zeros_like(delta)
        length = self.step_size * self.smoothing
        for step in range(self.num_steps):
            gradient = torch.zeros_like(delta)
            copies = self._noisy(inputs + delta, inputs, generators)
            settings = self.base.precision, self.base.chunk_size
            # checked in the first step only: a model that is independent there is so in every step
            for image, rows in gradients_at("MoreauGrad", model, copies, target, *settings, neighbors=step == 0):
                gradient[image] += rows.sum(0) / self.num_samples
            delta = self._sparse(delta - length * gradient, length * self.sparsity, segments)
            delta = delta / (1 + length / self.smoothing)
            if step >= self.num_steps - self.average_last:
                result -= delta / self.smoothing / self.average_last
        return result

    def _noisy(self, points: Tensor, inputs: Tensor, generators: list[torch.Generator]) -> Iterator[tuple[int, Tensor]]:
        for position, (point, image) in enumerate(zip(points, inputs, strict=True)):
            scale = self.stdev * (image.max() - image.min())
            for noise in normal_draws(image, generators[position], self.num_samples):
                yield position, point + scale * noise

    @staticmethod
    def _sparse(delta: Tensor, threshold: float, segments: Tensor | None) -> Tensor:
        """Apply a soft threshold to each value, or to the norm of each segment over all channels."""
        if threshold == 0:
            return delta
        if segments is None:
            return delta.sign() * (delta.abs() - threshold).clamp(min=0)
        ids = segments.to(delta.device).flatten(1)
        squares = delta.square().sum(1).flatten(1).double()
        energy = squares.new_zeros(len(delta), int(ids.max()) + 1).scatter_add(1, ids, squares)
        values = torch.full_like(squares, delta.shape[1])
        size = torch.zeros_like(energy).scatter_add(1, ids, values)
        # a norm grows with the root of its number of values, and so must the threshold
        kept = (1 - threshold * (size / energy).sqrt()).clamp(min=0).nan_to_num(nan=0.0)
        return delta * kept.gather(1, ids).view_as(segments)[:, None].to(delta.dtype)


def _check_segments(segments: Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(segments, Tensor) or segments.shape != shape or segments.dtype != torch.int64:
        got = f"{tuple(segments.shape)}, {segments.dtype}" if isinstance(segments, Tensor) else type(segments).__name__
        raise ValueError(f"Expected `segments` of shape {shape} and type int64, got {got}.")
    if ((segments < 0) | (segments >= segments[:1].numel())).any():
        raise ValueError("Expected `segments` to hold ids from 0 to the number of segments minus 1.")
