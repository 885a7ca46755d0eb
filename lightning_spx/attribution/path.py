"""Integrated gradients: the mean gradient on the straight path from a baseline, times the distance."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lightning_spx.attribution.chunks import check_chunk_size, check_integer, in_chunks, one_each
from lightning_spx.attribution.gradient import gradients_at
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.logits import explained_logits
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.targets import Target

logger = logging.getLogger(__name__)

POINTS_AT_ONCE = 8


def gauss_legendre(num_steps: int) -> tuple[list[float], list[float]]:
    """Return nodes in (0, 1) and positive weights with sum 1, exact for polynomials of degree `2 * num_steps - 1`.

    Raises:
        ValueError: If `num_steps` is not positive.

    Example:
        >>> gauss_legendre(1)
        ([0.5], [1.0])
    """
    check_integer("num_steps", num_steps)
    if num_steps < 1:
        raise ValueError(f"Expected `num_steps` to be positive, got {num_steps}.")
    nodes, weights = np.polynomial.legendre.leggauss(num_steps)
    return ((nodes + 1) / 2).tolist(), (weights / weights.sum()).tolist()


def integrated_gradients(
    model: Model,
    inputs: Tensor,
    target: Target,
    baseline: Tensor,
    num_steps: int = 50,
    precision: Precision = "fp32",
    chunk_size: int | None = None,
) -> Tensor:
    """Integrate the gradient from any baseline tensor to the inputs.

    Args:
        model: Any callable that returns `(N, K)` or `(N,)`.
        inputs: Floating point images, `(N, C, H, W)`.
        target: One class for all images, or `(N,)` integers; None if the model returns `(N,)`.
        baseline: Where the path starts; broadcasts to the shape of `inputs`.
        num_steps: Number of Gauss-Legendre nodes, that is, of gradient evaluations per image.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses by image size. The number is halved when memory runs out.

    Returns:
        Signed attribution of the shape of `inputs`, detached, float32.

    Raises:
        TypeError: As in `Attribution.attribute`.
        ValueError: As in `Attribution.attribute`, and if `baseline` does not broadcast.

    Example:
        >>> images = torch.tensor([[[[1.0, 2.0]]]])
        >>> integrated_gradients(lambda x: (x**2).sum((1, 2, 3)), images, None, torch.zeros(1, 1, 1), num_steps=2)
        tensor([[[[1., 4.]]]])
    """
    inputs, target = checked(inputs, target)
    start = expanded_baseline(baseline, inputs)
    distance = inputs - start
    nodes, weights = gauss_legendre(num_steps)
    points = path_points(start, distance, range(len(inputs)), nodes)
    gradients = gradients_at("IntegratedGradients", model, points, target, precision, chunk_size)
    return (distance * weighted_sums(gradients, inputs, weights)).float()


def path_points(
    start: Tensor, distance: Tensor, images: Iterable[int], nodes: Sequence[float]
) -> Iterator[tuple[int, Tensor]]:
    """Yield the points of each image's path, a few at a time.

    Args:
        start: The points where the paths begin, `(N, C, H, W)`.
        distance: The images minus `start`, `(N, C, H, W)`.
        images: Positions of the images whose points are wanted.
        nodes: Positions on the path, 0 to 1.

    Example:
        >>> points = path_points(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), [0], [0.25, 0.5])
        >>> [(image, some.flatten().tolist()) for image, some in points]
        [(0, [0.25, 0.5])]
    """
    place = torch.tensor(nodes, dtype=start.dtype, device=start.device)[:, None, None, None]
    for image in images:
        for some in torch.split(place, POINTS_AT_ONCE):
            yield image, start[image] + some * distance[image]


def weighted_sums(gradients: Iterable[tuple[int, Tensor]], inputs: Tensor, weights: Sequence[float]) -> Tensor:
    """Return the weighted sum of the gradients at each image's points.

    Args:
        gradients: Pairs of an image's position and rows `(k, C, H, W)`, in the order of `path_points`.
        inputs: The images, `(N, C, H, W)`.
        weights: One weight for each point of an image.

    Returns:
        `(N, C, H, W)` float32, zero for an image without points.

    Example:
        >>> weighted_sums([(0, torch.full((2, 1, 1, 1), 3.0))], torch.zeros(1, 1, 1, 1), [0.5, 1.0]).item()
        4.5
    """
    weight = torch.tensor(weights, device=inputs.device)[:, None, None, None]
    total = torch.zeros_like(inputs, dtype=torch.float32)
    done = 0
    for image, rows in gradients:
        total[image] += (weight[done : done + len(rows)] * rows).sum(0)
        done = (done + len(rows)) % len(weights)
    return total


def completeness_gap(
    model: Model,
    inputs: Tensor,
    target: Target,
    attribution: Tensor,
    baseline: Tensor,
    precision: Precision = "fp32",
    chunk_size: int | None = None,
) -> Tensor:
    """Return how far an attribution is from explaining the whole difference to the baseline.

    The gap is `attribution.sum() - (logit(inputs) - logit(baseline))` (Sundararajan et al. 2017, proposition 1). It is
    a single number in which errors cancel: a small gap does not prove that the map has small errors.

    Args:
        model: Any callable that returns `(N, K)` or `(N,)`.
        inputs: Floating point images, `(N, C, H, W)`.
        target: One class for all images, or `(N,)` integers; None if the model returns `(N,)`.
        attribution: Attribution of `inputs`, `(N, C, H, W)`.
        baseline: Where the path starts; broadcasts to the shape of `inputs`.
        precision: "fp32" or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size.

    Returns:
        Signed gap of each image in units of the logit, `(N,)` float32.

    Raises:
        TypeError: As in `Attribution.attribute`.
        ValueError: As in `Attribution.attribute`, and if `baseline` or `attribution` does not fit `inputs`.

    Example:
        >>> images, black = torch.full((1, 1, 1, 2), 3.0), torch.zeros(1)
        >>> completeness_gap(lambda x: (x**2).sum((1, 2, 3)), images, None, torch.full((1, 1, 1, 2), 10.0), black)
        tensor([2.])
    """
    inputs, target = checked(inputs, target)
    start = expanded_baseline(baseline, inputs)
    if attribution.shape != inputs.shape:
        raise ValueError(f"Expected `attribution` of shape {tuple(inputs.shape)}, got {tuple(attribution.shape)}.")

    def evaluate(images: Tensor, chosen: Tensor | None) -> Tensor:
        with explaining(model, images.device, precision) as network, torch.no_grad():
            return explained_logits(network, images.clone(), chosen)

    def logits(images: Tensor) -> Tensor:
        rows = in_chunks("completeness_gap", evaluate, one_each(images), target, chunk_size)
        result = images.new_zeros(len(images))
        for image, logit in rows:
            result[image] = logit[0]
        return result

    return (attribution.detach().sum(dim=(1, 2, 3)) - (logits(inputs) - logits(start))).float()


@dataclass(frozen=True)
class IntegratedGradients(Attribution):
    """The path integral of the gradient from a baseline to the image, times the distance.

    It uses Gauss-Legendre nodes, whose weights sum to 1. At level INFO, this module's logger reports the largest
    completeness gap of each batch, at the cost of two forward passes. To pass a tensor as baseline, such as a blurred
    image, call `integrated_gradients`.

    Source: Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, equation 1.

    Args:
        num_steps: Number of nodes, that is, of gradient evaluations per image.
        baseline: Where the path starts: one value for all channels (default black) or one for each, such as the mean
            of the data set, in units of the image.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses by image size. The number is halved when memory runs out.

    Example:
        >>> IntegratedGradients(num_steps=2).attribute(lambda x: x.flatten(1) ** 2, torch.full((1, 1, 1, 1), 3.0),
        ...                                            torch.tensor([0]))
        tensor([[[[9.]]]])
    """

    num_steps: int = 50
    baseline: tuple[float, ...] = (0.0,)
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        gauss_legendre(self.num_steps)
        # a list, as from YAML, would not equal the same settings from Python
        object.__setattr__(self, "baseline", checked_baseline(self.baseline))
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the integral times the distance, `(N, C, H, W)`; the sum over an image is the change of its logit."""
        inputs, target = checked(inputs, target)
        start = torch.tensor(self.baseline, dtype=inputs.dtype, device=inputs.device)[:, None, None]
        result = integrated_gradients(model, inputs, target, start, self.num_steps, self.precision, self.chunk_size)
        if logger.isEnabledFor(logging.INFO) and len(inputs):
            gap = completeness_gap(model, inputs, target, result, start, self.precision, self.chunk_size)
            logger.info("IntegratedGradients: largest completeness gap of the batch %.3g", gap.abs().max().item())
        return result


def checked_baseline(values: Sequence[float]) -> tuple[float, ...]:
    """Return a baseline's values as a tuple: one value, or one for each channel.

    Raises:
        TypeError: If it is not a tuple or list.
        ValueError: If there is no value, or one is not finite.

    Example:
        >>> checked_baseline([0.5])
        (0.5,)
    """
    if not isinstance(values, tuple | list):
        given: object = values
        got = type(given).__name__ if isinstance(given, Tensor | np.ndarray) else repr(given)
        raise TypeError(
            f"Expected `baseline` to be a tuple, such as (0.5,), got {got}: the functions of the methods, such as "
            "`integrated_gradients`, take a tensor."
        )
    if not values or not np.isfinite(values).all():
        raise ValueError(f"Expected `baseline` to hold finite values, one or one for each channel, got {values}.")
    return tuple(values)


def expanded_baseline(baseline: Tensor, inputs: Tensor) -> Tensor:
    """Return the baseline in the shape of `inputs` `(N, C, H, W)`, or raise a ValueError or TypeError.

    Example:
        >>> expanded_baseline(torch.zeros(1), torch.ones(1, 1, 1, 2))
        tensor([[[[0., 0.]]]])
    """
    given: object = baseline
    if not isinstance(given, Tensor):
        got = type(given).__name__
        raise TypeError(f"Expected `baseline` to be a tensor, got {got}: give torch.as_tensor(baseline).")
    try:
        return baseline.detach().to(inputs).expand_as(inputs)
    except RuntimeError as error:
        raise ValueError(
            f"Expected `baseline` to broadcast to {tuple(inputs.shape)}, got shape {tuple(baseline.shape)}."
        ) from error
