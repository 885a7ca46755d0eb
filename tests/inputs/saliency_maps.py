"""Saliency maps that no method should give, for two images of 16 x 16 pixels."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

DRAW = torch.Generator().manual_seed(0)
SALIENCY: Tensor = torch.rand(2, 16, 16, generator=DRAW)
REFERENCE: Tensor = torch.rand(2, 16, 16, generator=DRAW)


def broken(value: float) -> Tensor:
    """The map with one value of the first image replaced."""
    maps = SALIENCY.clone()
    maps[0, 3, 4] = value
    return maps


# a value that is no number in the first image, in all, or of either sign
NOT_FINITE: dict[str, Tensor] = {
    "a NaN": broken(math.nan),
    "an infinity": broken(math.inf),
    "a negative infinity": broken(-math.inf),
    "both infinities": torch.cat([broken(math.inf)[:1].where(SALIENCY[:1] > 0.01, -math.inf), SALIENCY[1:]]),
    "a NaN and an infinity": torch.cat([broken(math.inf)[:1].where(SALIENCY[:1] > 0.01, math.nan), SALIENCY[1:]]),
    "nothing but NaN": torch.cat([torch.full_like(SALIENCY[:1], math.nan), SALIENCY[1:]]),
    "nothing but infinity": torch.cat([torch.full_like(SALIENCY[:1], math.inf), SALIENCY[1:]]),
}
# no order and no scale
CONSTANT: dict[str, Tensor] = {
    "zeros": torch.zeros_like(SALIENCY),
    "negative zeros": -torch.zeros_like(SALIENCY),
    "a half everywhere": torch.full_like(SALIENCY, 0.5),
    "the smallest number everywhere": torch.full_like(SALIENCY, 1e-45),
    "the largest number everywhere": torch.full_like(SALIENCY, torch.finfo(torch.float32).max),
    "the smallest of float64": torch.full_like(SALIENCY, 5e-324, dtype=torch.float64),
    "the largest of float64": torch.full_like(SALIENCY, torch.finfo(torch.float64).max, dtype=torch.float64),
}
# the same map at another scale: nothing that divides by a norm or a sum may see the difference
SCALED: dict[str, Tensor] = {
    "denormal": (SALIENCY * 2**20).round() * 2**-149,
    "nearly too large": SALIENCY * 2.0**127,
    "denormal in float64": (SALIENCY.double() * 2**40).round() * 2.0**-1074,
    "too small to square": SALIENCY.double() * 2.0**-1000,
    "too large to square": SALIENCY.double() * 2.0**1000,
    "nearly too large for float64": SALIENCY.double() * 2.0**1023,
}
# of another kind or shape
WRONG: dict[str, object] = {
    "none": None,
    "a list": SALIENCY.tolist(),
    "an array": SALIENCY.numpy(),
    "complex": SALIENCY.to(torch.complex64),
    "no images' axis": SALIENCY[0],
    "two channels": SALIENCY[:, None].expand(-1, 2, -1, -1),
    "a row less": SALIENCY[:, :-1],
    "no pixels": SALIENCY[:, :0],
    "an image less": SALIENCY[:1],
}
Measure = Callable[[Tensor], Tensor]
