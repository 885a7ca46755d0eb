"""Methods that explain noisy copies of an image and summarize the results."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.attribution.chunks import check_integer
from lightning_spx.attribution.finite import NonFiniteError
from lightning_spx.attribution.gradient import Gradient
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.targets import Target

# Fixed, because drawing more at once gives other numbers, and the noise must not depend on chunks or free memory
DRAWS_AT_ONCE = 8


def image_generators(images: Tensor, seed: int) -> Iterator[torch.Generator]:
    """Yield a generator for each image, on its device, whose state depends on the seed and on its float32 values.

    So the noise of an image depends neither on its batch nor on the global random state, and no two images share noise.
    All images are copied from the device at once; each is hashed when its turn comes, while a GPU works on the last
    one.

    Example:
        >>> a, b = (torch.rand(2, generator=each) for each in image_generators(torch.ones(2, 1, 2, 2), seed=0))
        >>> bool((a == b).all())
        True
    """
    # a GPU writes ten times faster to pinned memory
    host = torch.empty(images.shape, dtype=torch.float32, device="cpu", pin_memory=images.device.type == "cuda")
    for values in host.copy_(images.detach()).numpy():
        digest = hashlib.sha256(f"{seed}:".encode() + values.tobytes()).digest()
        generator = torch.Generator(images.device)
        yield generator.manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def normal_draws(image: Tensor, generator: torch.Generator, num_draws: int) -> Iterator[Tensor]:
    """Yield standard normal noise of the image's shape, a few draws at a time, `(k, C, H, W)`.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> [len(noise) for noise in normal_draws(torch.zeros(1, 4, 4), generator, num_draws=20)]
        [8, 8, 4]
    """
    for start in range(0, num_draws, DRAWS_AT_ONCE):
        # always drawn in full, so that fewer draws are a prefix of more draws
        shape = (DRAWS_AT_ONCE, *image.shape)
        yield torch.randn(shape, generator=generator, device=image.device, dtype=image.dtype)[: num_draws - start]


def noisy_copies(
    inputs: Tensor, num_samples: int, stdev: float, seed: int, antithetic: bool = False
) -> Iterator[tuple[int, Tensor]]:
    """Yield `num_samples` copies of each image with Gaussian noise of `stdev` times the image's own range.

    Args:
        inputs: Images, `(N, C, H, W)`.
        num_samples: Number of copies of each image.
        stdev: Standard deviation as a fraction of the image's range; a constant image gets no noise.
        seed: Seed of the noise.
        antithetic: Use each noise for two copies, once added and once subtracted.

    Yields:
        Position of the image and copies of it, `(k, C, H, W)`, image after image.

    Example:
        >>> [(image, copies.tolist()) for image, copies in noisy_copies(torch.ones(1, 1, 1, 2), 2, stdev=0.5, seed=0)]
        [(0, [[[[1.0, 1.0]]], [[[1.0, 1.0]]]])]
    """
    generators = image_generators(inputs, seed)
    for position, (image, generator) in enumerate(zip(inputs, generators, strict=True)):
        scale = stdev * (image.max() - image.min())
        for noise in normal_draws(image, generator, num_samples // 2 if antithetic else num_samples):
            added = scale * noise
            copies = torch.stack([image + added, image - added], dim=1).flatten(0, 1) if antithetic else image + added
            yield position, copies


@dataclass(frozen=True)
class SmoothGrad(Attribution):
    """The mean of a method's attribution over noisy copies of the image.

    Source: Smilkov et al., SmoothGrad: removing noise by adding noise, arXiv 2017.

    Args:
        base: The method to smooth; it sets precision and chunk size.
        num_samples: Number of noisy copies of each image.
        stdev: Standard deviation of the noise as a fraction of the image's range (maximum minus minimum).
        seed: Seed of the noise; with the same seed every model sees the same noise for the same image.
        antithetic: Use each noise for two copies, once added and once subtracted. The mean has the same
            limit and comes closer to it the more linear the gradient is in the noise; `spx bench` measures how much.

    Example:
        >>> SmoothGrad(num_samples=4).attribute(lambda x: 3 * x.flatten(1), torch.eye(2)[None, None], torch.tensor([1]))
        tensor([[[[0., 3.],
                  [0., 0.]]]])
    """

    base: Attribution = field(default_factory=Gradient)
    num_samples: int = 50
    stdev: float = 0.15
    seed: int = 0
    antithetic: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        _check_settings(self.base, self.num_samples, self.stdev)
        if self.antithetic and self.num_samples % 2:
            raise ValueError(f"Expected `num_samples` to be even for antithetic pairs, got {self.num_samples}.")

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the mean over the draws, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        copies = noisy_copies(inputs, self.num_samples, self.stdev, self.seed, self.antithetic)
        total = torch.zeros_like(inputs, dtype=torch.float32)
        for image, attributions in _named("SmoothGrad", self.base.attribute_points(model, copies, target)):
            total[image] += attributions.sum(0)
        return total / self.num_samples


@dataclass(frozen=True)
class VarGrad(Attribution):
    """The variance of a method's attribution over noisy copies of the image.

    It is the population variance (divided by the number of draws), combined from the means and squared deviations of
    each chunk (Chan, Golub and LeVeque 1983). So a method that gives the same for every copy has a variance of exactly
    zero.

    Source: Adebayo et al., Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values,
    ICLR Workshop 2018.

    Args:
        base: The method whose variance is taken; it sets precision and chunk size.
        num_samples: Number of noisy copies of each image, at least 2.
        stdev: Standard deviation of the noise as a fraction of the image's range (maximum minus minimum).
        seed: Seed of the noise; with the same seed every model sees the same noise for the same image.

    Example:
        >>> VarGrad(num_samples=4).attribute(lambda x: 3 * x.flatten(1), torch.eye(2)[None, None], torch.tensor([1]))
        tensor([[[[0., 0.],
                  [0., 0.]]]])
    """

    non_negative: ClassVar[bool] = True

    base: Attribution = field(default_factory=Gradient)
    num_samples: int = 50
    stdev: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        _check_settings(self.base, self.num_samples, self.stdev)
        if self.num_samples < 2:
            raise ValueError(f"Expected `num_samples` to be at least 2 for a variance, got {self.num_samples}.")

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the variance over the draws, `(N, C, H, W)`, non-negative."""
        inputs, target = checked(inputs, target)
        copies = noisy_copies(inputs, self.num_samples, self.stdev, self.seed)
        mean = torch.zeros_like(inputs, dtype=torch.float32)
        squares = torch.zeros_like(mean)
        draws = [0] * len(inputs)
        for image, attributions in _named("VarGrad", self.base.attribute_points(model, copies, target)):
            count = len(attributions)
            # relative to the first, so that equal attributions have no variance, not even from rounding
            apart = attributions - attributions[0]
            deviation = attributions[0] + apart.mean(0) - mean[image]
            squares[image] += (apart - apart.mean(0)).square().sum(0)
            squares[image] += deviation.square() * (draws[image] * count / (draws[image] + count))
            draws[image] += count
            mean[image] += deviation * (count / draws[image])
        return squares / self.num_samples


@dataclass(frozen=True)
class SparsifiedSmoothGrad(Attribution):
    """The mean over noisy copies of the sparsified magnitude of the gradient.

    For each copy, the absolute gradient is divided by its `flatten * d`-th largest value and capped at 1. The largest
    `tau * d` values are kept and the others become 0 (an image has d values over all channels). Values that tie with
    the last kept one are kept too, so that no position is preferred. If fewer than `flatten * d` values are positive,
    all of these become 1, the limit for a vanishing divisor.

    Source: Levine et al., Certifiably Robust Interpretation in Deep Learning, arXiv 2019, section 4.

    Args:
        base: The gradient, which sets precision and chunk size.
        num_samples: Number of noisy copies of each image.
        stdev: Standard deviation of the noise as a fraction of the image's range (maximum minus minimum).
        tau: Fraction of the values to keep, in (0, 1].
        flatten: Fraction of the values to cap at 1, in (0, tau].
        seed: Seed of the noise; with the same seed every model sees the same noise for the same image.

    Example:
        >>> method = SparsifiedSmoothGrad(num_samples=1, tau=0.5, flatten=0.25)
        >>> weights = torch.tensor([1.0, -2.0, 3.0, -4.0])
        >>> method.attribute(lambda x: (x.flatten(1) * weights).sum(1), torch.zeros(1, 1, 2, 2), None)
        tensor([[[[0.0000, 0.0000],
                  [0.7500, 1.0000]]]])
    """

    non_negative: ClassVar[bool] = True

    base: Gradient = field(default_factory=Gradient)
    num_samples: int = 50
    stdev: float = 0.1
    tau: float = 0.1
    flatten: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        _check_settings(self.base, self.num_samples, self.stdev)
        if not 0 < self.tau <= 1:
            raise ValueError(f"Expected `tau` to be in (0, 1], got {self.tau}.")
        if not 0 < self.flatten <= self.tau:
            raise ValueError(f"Expected `flatten` to be in (0, tau] with tau = {self.tau}, got {self.flatten}.")

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the mean of the sparsified magnitudes, `(N, C, H, W)` in [0, 1]."""
        inputs, target = checked(inputs, target)
        copies = noisy_copies(inputs, self.num_samples, self.stdev, self.seed)
        total = torch.zeros_like(inputs, dtype=torch.float32)
        for image, gradients in _named("SparsifiedSmoothGrad", self.base.attribute_points(model, copies, target)):
            total[image] += self._sparsified(gradients.abs()).sum(0)
        return total / self.num_samples

    def _sparsified(self, magnitudes: Tensor) -> Tensor:
        flat = magnitudes.flatten(1)
        num_kept = max(1, round(self.tau * flat.shape[1]))
        num_capped = max(1, round(self.flatten * flat.shape[1]))
        largest = flat.topk(num_kept, dim=1).values
        scaled = (flat / largest[:, num_capped - 1, None]).nan_to_num(nan=0.0).clamp(max=1.0)
        return torch.where(flat >= largest[:, -1:], scaled, 0.0).view_as(magnitudes)


def _named(method: str, attributions: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
    # an error names the method that the user called and the one inside it
    try:
        yield from attributions
    except NonFiniteError as error:
        raise NonFiniteError(f"{method}({error.method})", error.what, error.images) from None


def _check_settings(base: Attribution, num_samples: int, stdev: float) -> None:
    if not isinstance(base, Attribution):
        raise TypeError(f"Expected `base` to be an Attribution, such as Gradient(), got {base!r}.")
    check_integer("num_samples", num_samples)
    if num_samples < 1:
        raise ValueError(f"Expected `num_samples` to be positive, got {num_samples}.")
    if not 0 <= stdev < float("inf"):
        raise ValueError(f"Expected `stdev` to be finite and non-negative, got {stdev}.")
