"""Integrated gradients that spend as many evaluations on each image as its map needs."""

import logging
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_spx.attribution.chunks import check_chunk_size
from lightning_spx.attribution.gradient import gradients_at
from lightning_spx.attribution.guards import Precision, check_precision
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.path import checked_baseline, expanded_baseline, path_points, weighted_sums
from lightning_spx.attribution.targets import Target

logger = logging.getLogger(__name__)

FEWEST = 7


class PathIntegral(NamedTuple):
    """Attributions, with the evaluations that they took and how much they still changed.

    Args:
        attribution: `(N, C, H, W)` float32, signed.
        num_evaluations: `(N,)` int64, gradient evaluations of each image.
        change: `(N,)` float32, how much the last doubling changed the map: the L2 norm of the difference divided by
            that of the map. On ImageNet photos the remaining error was about half of this change.

    Example:
        >>> found = PathIntegral(torch.zeros(1, 3, 2, 2), torch.tensor([31]), torch.tensor([0.04]))
        >>> found.num_evaluations.tolist()
        [31]
    """

    attribution: Tensor
    num_evaluations: Tensor
    change: Tensor


def chebyshev_nodes(num_steps: int) -> tuple[list[float], list[float]]:
    """Return the nodes `(1 - cos(k pi / (n + 1))) / 2` in (0, 1) and their weights `sin(k pi / (n + 1))`, unscaled.

    This is the trapezoidal rule after the substitution of Clenshaw and Curtis (1960). Every second of `2 n + 1` nodes
    is one of the `n` nodes and has the same weight, so a finer rule continues the sums of the coarser one and no
    gradient has to be kept. On networks' gradients, which jump, it matched the accuracy of Clenshaw and Curtis' own
    weights to three digits.

    Example:
        >>> [round(node, 3) for node in chebyshev_nodes(3)[0]]
        [0.146, 0.5, 0.854]
    """
    angles = [math.pi * k / (num_steps + 1) for k in range(1, num_steps + 1)]
    return [math.sin(angle / 2) ** 2 for angle in angles], [math.sin(angle) for angle in angles]


def adaptive_integrated_gradients(
    model: Model,
    inputs: Tensor,
    target: Target,
    baseline: Tensor,
    tolerance: float = 0.1,
    max_steps: int = 255,
    precision: Precision = "fp32",
    chunk_size: int | None = None,
) -> PathIntegral:
    """Integrate the gradient from a baseline to the inputs; double an image's nodes until its map settles.

    The whole map decides, not the completeness gap: that is a single number in which errors cancel.

    Args:
        model: Any callable that returns `(N, K)` or `(N,)`.
        inputs: Floating point images, `(N, C, H, W)`.
        target: One class for all images, or `(N,)` integers; None if the model returns `(N,)`.
        baseline: Where the path starts; broadcasts to the shape of `inputs`.
        tolerance: An image is finished when a doubling changes its map by less, relative to its L2 norm.
        max_steps: Largest number of evaluations of an image: 7, 15, 31 and so on, a power of two minus one.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses by image size. The number is halved when memory runs out.

    Returns:
        The attributions, the evaluations of each image and how much its last doubling changed the map.

    Raises:
        TypeError: As in `Attribution.attribute`.
        ValueError: As in `Attribution.attribute`, and if a setting is out of range or `baseline` does not broadcast.

    Example:
        >>> images = torch.tensor([[[[1.0, 2.0]]]])
        >>> found = adaptive_integrated_gradients(lambda x: 3 * x.sum((1, 2, 3)), images, None, torch.zeros(1))
        >>> found.attribution.round(decimals=4), found.num_evaluations
        (tensor([[[[3., 6.]]]]), tensor([15]))
    """
    _check(tolerance, max_steps)
    inputs, target = checked(inputs, target)
    start = expanded_baseline(baseline, inputs)
    distance = inputs - start
    total = torch.zeros_like(inputs, dtype=torch.float32)
    attribution = torch.zeros_like(total)
    evaluations = torch.zeros(len(inputs), dtype=torch.int64)
    change = torch.full((len(inputs),), torch.inf)
    active, steps = list(range(len(inputs))), FEWEST
    while active and steps <= max_steps:
        nodes, weights = chebyshev_nodes(steps)
        new = slice(None) if steps == FEWEST else slice(None, None, 2)
        points = path_points(start, distance, active, nodes[new])
        gradients = gradients_at(
            "AdaptiveIntegratedGradients", model, points, target, precision, chunk_size, neighbors=steps == FEWEST
        )
        total += weighted_sums(gradients, inputs, weights[new])
        before, after = attribution[active], (distance[active] * total[active] / sum(weights)).float()
        attribution[active] = after
        evaluations[active] += len(nodes[new])
        if steps > FEWEST:
            size = after.flatten(1).norm(dim=1)
            relative = (after - before).flatten(1).norm(dim=1) / size.masked_fill(size == 0, 1)
            change[active] = relative.cpu()
            active = [image for image in active if change[image] >= tolerance]
        steps = 2 * steps + 1
    return PathIntegral(attribution, evaluations.to(inputs.device), change.to(inputs.device))


@dataclass(frozen=True)
class AdaptiveIntegratedGradients(Attribution):
    """Integrated gradients that stop, image by image, when more nodes change the map by less than a tolerance.

    At level INFO, this module's logger reports the evaluations of each batch. To pass a tensor as baseline, or to get
    the number of evaluations of each image, call `adaptive_integrated_gradients`.

    Source: Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, equation 1; nodes of Clenshaw and
    Curtis, A Method for Numerical Integration on an Automatic Computer, 1960.

    Args:
        tolerance: Relative change of the map (L2) below which an image is finished; 0 always takes `max_steps`.
        max_steps: Largest number of evaluations of an image: a power of two minus one, at least 15.
        baseline: Where the path starts: one value for all channels (default black) or one for each.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses by image size. The number is halved when memory runs out.

    Example:
        >>> AdaptiveIntegratedGradients().attribute(lambda x: 3 * x.flatten(1), torch.full((1, 1, 1, 1), 3.0),
        ...                                         torch.tensor([0]))
        tensor([[[[9.]]]])
    """

    tolerance: float = 0.1
    max_steps: int = 255
    baseline: tuple[float, ...] = (0.0,)
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        _check(self.tolerance, self.max_steps)
        # a list, as from YAML, would not equal the same settings from Python
        object.__setattr__(self, "baseline", checked_baseline(self.baseline))
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the integral times the distance, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        start = torch.tensor(self.baseline, dtype=inputs.dtype, device=inputs.device)[:, None, None]
        found = adaptive_integrated_gradients(
            model, inputs, target, start, self.tolerance, self.max_steps, self.precision, self.chunk_size
        )
        if logger.isEnabledFor(logging.INFO) and len(inputs):
            logger.info(
                "AdaptiveIntegratedGradients: %.1f evaluations per image, %d of %d images did not settle",
                found.num_evaluations.double().mean().item(),
                int((found.change >= self.tolerance).sum()),
                len(inputs),
            )
        return found.attribution


def _check(tolerance: float, max_steps: int) -> None:
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"Expected `tolerance` to be finite and non-negative, got {tolerance}.")
    if max_steps <= FEWEST or (max_steps + 1) & max_steps:
        raise ValueError(f"Expected `max_steps` to be a power of two minus one and at least 15, got {max_steps}.")
