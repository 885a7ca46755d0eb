"""Sums values with bilateral weights over all pairs of pixels: exact, and slow for large images."""

import torch
from torch import Tensor

# weights at a time, which stay in the cache of a CPU
PAIRS_ON_CPU = 2**18
PAIRS_ON_DEVICE = 2**28


def pair_sums(values: Tensor, images: Tensor, sigma_color: float, sigma_spatial: float) -> Tensor:
    """Return the weighted sums, in which the weight of a pixel itself is one.

    Args:
        values: (N, C, H, W) floating point.
        images: (N, G, H, W) float64 of any number of channels.
        sigma_color: standard deviation of the colors' distance.
        sigma_spatial: standard deviation of the places' distance in pixels.

    Returns:
        (N, C, H, W) float64.

    Example:
        >>> pair_sums(torch.ones(1, 1, 1, 2), torch.zeros(1, 3, 1, 2).double(), 0.1, 1.0)
        tensor([[[[1.6065, 1.6065]]]], dtype=torch.float64)
    """
    count, _, height, width = images.shape
    lines = [torch.arange(size, dtype=images.dtype, device=images.device) for size in (height, width)]
    places = torch.stack(torch.meshgrid(*lines, indexing="ij")).expand(count, -1, -1, -1)
    features = torch.cat([places / sigma_spatial, images / sigma_color], 1).flatten(2)
    # products lose the fewest digits around zero
    features = features - features.mean(2, keepdim=True)
    half, ones = -0.5 * features.square().sum(1, keepdim=True), torch.ones_like(features[:, :1])
    left, right = torch.cat([features, half, ones], 1).mT, torch.cat([features, ones, half], 1)
    flat = values.double().flatten(2).mT
    pixels, on_cpu = height * width, images.device.type == "cpu"
    at_once = PAIRS_ON_CPU if on_cpu else PAIRS_ON_DEVICE
    together = 1 if on_cpu else max(1, at_once // pixels**2)
    step = max(1, at_once // (together * pixels))
    parts = []
    for first in range(0, count, together):
        some = slice(first, first + together)
        # a weight is the exponential of minus half the squared distance, which rounding may make positive
        rows = [
            (left[some, start : start + step] @ right[some]).clamp_(max=0).exp_() @ flat[some]
            for start in range(0, pixels, step)
        ]
        parts.append(torch.cat(rows, 1))
    return torch.cat(parts).mT.reshape(values.shape) if parts else values.double()
