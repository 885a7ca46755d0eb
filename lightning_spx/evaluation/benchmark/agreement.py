"""Whether the fast way gives the same map: in fp32 against a plain loop, in bf16 against fp32."""

from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from lightning_spx.attribution import Gradient, SmoothGrad, saliency_map
from lightning_spx.attribution.guards import explaining
from lightning_spx.attribution.noise import noisy_copies
from lightning_spx.evaluation.benchmark.cases import Bench
from lightning_spx.superpixels import Slic, segment_pool


def map_agreement(bench: Bench) -> pd.DataFrame:
    """Compare S-SmoothGrad of the largest batch with a plain loop over the same draws, and bf16 with fp32.

    Returns:
        One row for each image and comparison: `what`, `image`, `largest_difference` of the S- maps in [0, 1], and
        `cosine` of the two.
    """
    images = bench.images[: max(bench.batch_sizes)]
    target = bench.target(images)
    method = SmoothGrad()
    segments = Slic()(images)

    def pooled(attribution: Tensor) -> Tensor:
        return saliency_map(segment_pool(attribution, segments))

    own = pooled(method.attribute(bench.network, images, target))
    half = pooled(replace(method, base=Gradient(precision="bf16")).attribute(bench.network, images, target))
    plain = torch.zeros_like(images)
    copies = noisy_copies(images, method.num_samples, method.stdev, method.seed)
    for number in bench.progress(range(len(images)), "plain loop"):
        with explaining(bench.network, images.device, "fp32") as network:
            for _ in range(method.num_samples):
                _, copy = next(copies)
                variable = copy[None].clone().requires_grad_()
                logit = network(variable)[0, target[number]]
                plain[number] += torch.autograd.grad(logit, variable)[0][0] / method.num_samples
    rows = []
    for what, one, other in (("fp32, plain loop", own, pooled(plain)), ("bf16, fp32", half, own)):
        difference = (one - other).abs().flatten(1).amax(1)
        cosine = torch.cosine_similarity(one.flatten(1), other.flatten(1))
        rows += [
            {"what": what, "image": image, "largest_difference": float(each), "cosine": float(alike)}
            for image, (each, alike) in enumerate(zip(difference, cosine, strict=True))
        ]
    return pd.DataFrame(rows)
