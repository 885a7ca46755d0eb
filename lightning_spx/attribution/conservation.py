"""Checks what a captum method promises about the sum of an attribution."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_spx.attribution.logits import explained_logits
from lightning_spx.attribution.method import Model

# A sum may be off by this fraction of the largest of logit, baseline's logit and their difference. DeepLift's is exact;
# others are rough with few steps or draws, and with LRP a layer's bias absorbs a share of the relevance.
TOLERANCE = {"DeepLift": 0.02, "DeepLiftShap": 0.02, "LRP": 10.0}
ROUGH = 1.0
# A sum that is off by this factor is no explanation
NONSENSE = 10.0
# the smallest tolerance in bf16, in which no sum is more exact
TOLERANCE_IN_LOW_PRECISION = 0.2
# methods whose baselines are a sample of images, whose mean logit is the reference
SAMPLED = ("DeepLiftShap", "GradientShap")


class Broken(NamedTuple):
    """A promise about the sum that an attribution breaks.

    Args:
        text: what was promised and found.
        off: the error as a multiple of the size of the logits.
    """

    text: str
    off: float


def broken_promise(
    method: object,
    arguments: Mapping[str, object],
    network: Model,
    images: Tensor,
    target: Tensor | None,
    attribution: Tensor,
    least: float = 0.0,
) -> Broken | None:
    """Compare the sum of each attribution with what the method promises: the logit, or its change from the baseline.

    Args:
        method: A captum object.
        arguments: The arguments that its `attribute` got.
        network: The explained network, in evaluation mode.
        images: `(N, C, H, W)`.
        target: `(N,)` or None.
        attribution: `(N, C, H, W)`.
        least: The smallest tolerance.

    Returns:
        The promise that the worst image breaks, or None if it is kept or there is none.

    Example:
        >>> class LRP:
        ...     def has_convergence_delta(self): return True
        >>> images, network = torch.ones(1, 1, 1, 2), lambda x: x.flatten(1)
        >>> broken_promise(LRP(), {}, network, images, torch.tensor([0]), torch.tensor([[[[1.0, 0.5]]]]))
        >>> broken_promise(LRP(), {}, network, images, torch.tensor([0]), torch.tensor([[[[1e9, 0.5]]]])).text
        'attributions whose sum is the logit, 1, got a sum of 1e+09'
    """
    promises: Callable[[], bool] | None = getattr(method, "has_convergence_delta", None)
    # neither a mean over noisy copies nor a gradient without the distance as factor promises anything
    if promises is None or hasattr(method, "attribution_method") or not promises():
        return None
    if not getattr(method, "multiplies_by_inputs", True) or "custom_attribution_func" in arguments:
        return None
    name = type(method).__name__
    with torch.no_grad():
        logits = explained_logits(network, images.clone(), target)
        start = torch.zeros_like(logits) if name == "LRP" else _of_baselines(name, arguments, network, images, target)
    if start is None:
        return None
    promised, found = (logits - start).double(), attribution.double().sum((1, 2, 3))
    size = torch.stack([logits.abs(), start.abs(), promised.abs()]).amax(0)
    off = (found - promised).abs() / size.clamp(min=torch.finfo(torch.float32).tiny)
    worst = int(off.argmax())
    if off[worst] <= max(least, TOLERANCE.get(name, ROUGH)):
        return None
    what = "the logit" if name == "LRP" else "the logit's change from the baseline"
    text = f"attributions whose sum is {what}, {promised[worst]:.4g}, got a sum of {found[worst]:.4g}"
    return Broken(text, float(off[worst]))


def _of_baselines(
    name: str, arguments: Mapping[str, object], network: Model, images: Tensor, target: Tensor | None
) -> Tensor | None:
    baselines = arguments.get("baselines")
    if isinstance(baselines, tuple) and len(baselines) == 1:
        baselines = baselines[0]
    if baselines is None or isinstance(baselines, int | float):
        baselines = torch.full_like(images, baselines or 0.0)
    if not isinstance(baselines, Tensor):
        return None
    baselines = baselines.to(images)
    if name not in SAMPLED:
        return explained_logits(network, baselines.expand_as(images).clone(), target)
    means = network(baselines.clone()).float().mean(0)
    return means.expand(len(images)) if target is None else means[target.to(means.device)]
