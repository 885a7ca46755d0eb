"""Expected gradients: integrated gradients whose baselines are images, drawn from the training images."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from lightning_spx.attribution.chunks import check_chunk_size, check_integer
from lightning_spx.attribution.gradient import gradients_at
from lightning_spx.attribution.guards import Precision, check_precision
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.noise import image_generators
from lightning_spx.attribution.path import POINTS_AT_ONCE
from lightning_spx.attribution.targets import Target


def expected_gradients(
    model: Model,
    inputs: Tensor,
    target: Target,
    references: Tensor,
    num_samples: int = 200,
    seed: int = 0,
    precision: Precision = "fp32",
    chunk_size: int | None = None,
) -> Tensor:
    """Return the mean of `(x - r) * gradient at r + a (x - r)` over references r and a uniform in [0, 1].

    Each image has its own draws. References are drawn without replacement until all were drawn, then anew: with
    `num_samples` a multiple of their number, each counts equally.

    Source: Erion et al., Improving performance of deep learning models with axiomatic attribution priors and expected
    gradients, Nature Machine Intelligence 2021, equation 3.

    Args:
        model: Any callable that returns `(N, K)` or `(N,)`.
        inputs: Floating point images, `(N, C, H, W)`.
        target: One class for all images, or `(N,)` integers; None if the model returns `(N,)`.
        references: Images to compare with, `(B, C, H, W)`, or plain colors, `(B, C, 1, 1)`, in the units of `inputs`.
        num_samples: Number of draws, that is, of gradient evaluations per image.
        seed: Seed of the draws; with the same seed every model sees the same draws for the same image.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses by image size. The number is halved when memory runs out.

    Returns:
        Signed attribution of the shape of `inputs`, detached, float32. In expectation, its sum over an image is the
        logit minus the mean logit of the references.

    Raises:
        TypeError: As in `Attribution.attribute`, and if `references` is not a floating point tensor.
        ValueError: As in `Attribution.attribute`, and if `references` does not fit or is not finite.

    Example:
        >>> images, weights = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([3.0, 4.0])
        >>> references = torch.tensor([[[[0.0, 0.0]]], [[[0.0, 2.0]]]])
        >>> expected_gradients(lambda x: x.flatten(1) @ weights, images, None, references, num_samples=2)
        tensor([[[[3., 4.]]]])
    """
    inputs, target = checked(inputs, target)
    others = _checked_references(references, inputs)
    # of the images that wait for their gradients
    drawn: dict[int, Tensor] = {}

    def points() -> Iterator[tuple[int, Tensor]]:
        for position, generator in enumerate(image_generators(inputs, seed)):
            which, where = _draws(len(others), num_samples, generator)
            drawn[position] = which
            for some, place in zip(torch.split(which, POINTS_AT_ONCE), torch.split(where, POINTS_AT_ONCE), strict=True):
                few = others[some]
                yield position, few + place[:, None, None, None].to(inputs) * (inputs[position] - few)

    total = torch.zeros_like(inputs, dtype=torch.float32)
    done = 0
    for image, rows in gradients_at("ExpectedGradients", model, points(), target, precision, chunk_size):
        few = others[drawn[image][done : done + len(rows)]]
        total[image] += ((inputs[image] - few) * rows).sum(0)
        done += len(rows)
        if done == num_samples:
            done = 0
            del drawn[image]
    return total / num_samples


@dataclass(frozen=True)
class ExpectedGradients(Attribution):
    """Integrated gradients, averaged over images as baselines, by random draws of an image and a point on its path.

    The images to compare with are no setting. `spx stability`, `spx tradeoff` and `SaliencyEvaluator` draw
    `num_references` of the training images, the same for every model; elsewhere give them with `with_references`.

    Source: Erion et al., Improving performance of deep learning models with axiomatic attribution priors and expected
    gradients, Nature Machine Intelligence 2021, equation 3.

    Args:
        num_samples: Number of draws, that is, of gradient evaluations per image.
        num_references: Number of training images that a study draws to compare with; of fewer it takes all.
        seed: Seed of the draws; with the same seed every model sees the same draws for the same image.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses by image size. The number is halved when memory runs out.
        references: Set by `with_references`; two methods that differ in nothing else are equal.

    Example:
        >>> method = ExpectedGradients(num_samples=4).with_references(torch.zeros(1, 1, 1, 2))
        >>> method.attribute(lambda x: 3 * x.flatten(1), torch.full((1, 1, 1, 2), 2.0), target=1)
        tensor([[[[0., 6.]]]])
    """

    num_samples: int = 200
    num_references: int = 100
    seed: int = 0
    precision: Precision = "fp32"
    chunk_size: int | None = None
    references: Tensor | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("num_samples", "num_references"):
            check_integer(name, getattr(self, name))
            if getattr(self, name) < 1:
                raise ValueError(f"Expected `{name}` to be positive, got {getattr(self, name)}.")
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def with_references(self, images: Tensor) -> Self:
        """Return this method with images to compare with, `(B, C, H, W)` in the units of the images to explain."""
        return replace(self, references=images)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the mean over the draws, `(N, C, H, W)`.

        Raises:
            TypeError: As in `expected_gradients`.
            ValueError: As in `expected_gradients`, and if there are no references.
        """
        if self.references is None:
            raise ValueError(
                "Expected ExpectedGradients to have `references`, got none: give `with_references(images)`, such as a "
                "hundred training images; studies draw them from their data."
            )
        settings = self.num_samples, self.seed, self.precision, self.chunk_size
        return expected_gradients(model, inputs, target, self.references, *settings)


def _draws(num_references: int, num_samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw references and places on their paths in [0, 1), `(num_samples,)` each."""
    device = generator.device
    which, where = [], []
    # always drawn in full, so that fewer samples are a prefix of more samples
    for _ in range(-(-num_samples // num_references)):
        which.append(torch.randperm(num_references, generator=generator, device=device))
        where.append(torch.rand(num_references, generator=generator, device=device))
    return torch.cat(which)[:num_samples], torch.cat(where)[:num_samples]


def _checked_references(references: Tensor, inputs: Tensor) -> Tensor:
    given: object = references
    if not isinstance(given, Tensor) or not given.is_floating_point():
        kind = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise TypeError(f"Expected `references` to be a floating point tensor, got {kind}.")
    whole, colors = inputs.shape[1:], (*inputs.shape[1:2], 1, 1)
    if given.ndim != 4 or not len(given) or given.shape[1:] not in (whole, colors):
        shape = ", ".join(map(str, whole))
        raise ValueError(f"Expected `references` of shape (B, {shape}), as the images have, got {tuple(given.shape)}.")
    if not bool(given.isfinite().all()):
        raise ValueError("Expected `references` to be finite, got NaN or infinity.")
    return given.detach().to(inputs).expand(-1, *whole)
