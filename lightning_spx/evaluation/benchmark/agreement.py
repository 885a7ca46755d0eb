"""Checks that the fast way gives the same map as a plain loop over the same draws, and bf16 the same as fp32.

The gradients of a network with rectifiers jump: the last bit of a sum decides on which side of zero a neuron lies. Two
correct ways of computing the same gradient in single precision therefore differ by far more than rounding. The plain
loop shows how far, once in single and once in double precision.
"""

from copy import deepcopy
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Gradient, SmoothGrad, saliency_map
from lightning_spx.attribution.guards import explaining
from lightning_spx.attribution.noise import noisy_copies
from lightning_spx.evaluation.benchmark.cases import Bench
from lightning_spx.superpixels import Slic, segment_pool

IN_DOUBLE = 2  # images; double precision takes several times as long


def map_agreement(bench: Bench) -> pd.DataFrame:
    """Compare S-SmoothGrad of the largest timed batch with a plain loop over the same draws, and bf16 with fp32.

    Returns:
        One row for each image and comparison: `what`, `image`, `largest_difference` of the S- maps in [0, 1], and
        `cosine` of the two.
    """
    method = SmoothGrad()
    sizes = [size for size in bench.batch_sizes if size * method.num_samples <= bench.max_evaluations]
    images = bench.images[: max(sizes, default=1)]
    few = images[:IN_DOUBLE].double()
    target = bench.target(images)
    segments = Slic()(images)
    in_double = deepcopy(bench.network).double()

    def pooled(attribution: Tensor) -> Tensor:
        return saliency_map(segment_pool(attribution, segments[: len(attribution)]))

    def plain(network: nn.Module, inputs: Tensor, dtype: torch.dtype) -> Tensor:
        return pooled(plain_smoothgrad(bench, network, inputs, target, method, dtype))

    own = pooled(method.attribute(bench.network, images, target))
    half = pooled(replace(method, base=Gradient(precision="bf16")).attribute(bench.network, images, target))
    double = plain(in_double, few, torch.float64)
    comparisons = {
        "fp64 and a plain loop in fp64": (pooled(method.attribute(in_double, few, target[: len(few)])), double),
        "a plain loop in fp32 and in fp64": (plain(bench.network, few, torch.float32), double),
        "fp32 and a plain loop in fp32": (own, plain(bench.network, images, torch.float32)),
        "bf16 and fp32": (half, own),
    }
    rows = []
    for what, (one, other) in comparisons.items():
        difference = (one - other).abs().flatten(1).amax(1)
        cosine = torch.cosine_similarity(one.flatten(1).double(), other.flatten(1).double())
        rows += [
            {"what": what, "image": image, "largest_difference": float(each), "cosine": float(alike)}
            for image, (each, alike) in enumerate(zip(difference, cosine, strict=True))
        ]
    return pd.DataFrame(rows)


def plain_smoothgrad(
    bench: Bench, network: nn.Module, inputs: Tensor, target: Tensor, method: SmoothGrad, dtype: torch.dtype
) -> Tensor:
    """Average the gradient over the method's own draws, one after the other.

    Args:
        bench: shows the progress.
        network: with parameters of type `dtype`.
        inputs: `(N, 3, H, W)`; the draws depend on their type.
        target: the classes of these images, `(N,)` or longer.
        method: has the number and the seed of the draws.
        dtype: precision of the gradients.

    Returns:
        `(N, 3, H, W)` float32.
    """
    total = torch.zeros_like(inputs, dtype=torch.float64)
    copies = (copy for _, some in noisy_copies(inputs, method.num_samples, method.stdev, method.seed) for copy in some)
    for number in bench.progress(range(len(inputs)), f"plain loop, {dtype}"):
        with explaining(network, inputs.device, "fp32") as model:
            for _ in range(method.num_samples):
                variable = next(copies)[None].to(dtype, copy=True).requires_grad_()
                logit = model(variable)[0, target[number]]
                total[number] += torch.autograd.grad(logit, variable)[0][0]
    return (total / method.num_samples).float()
