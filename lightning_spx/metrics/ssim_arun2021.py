"""SSIM of saliency maps as studies of medical images report it, one value per image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_spx.metrics.ssim_tensors import Window, pair_values

SIDE = 7
# sample covariances over the 49 pixels of the window
UNIFORM = Window([1 / SIDE] * SIDE, covariance=SIDE**2 / (SIDE**2 - 1))
DATA_RANGE = 2.0  # that of floating-point images, -1 to 1

IMAGES_AT_ONCE = 64  # number of images held in double precision at once


def arun2021_values(maps: Tensor, others: Tensor | None, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Return the SSIM of pairs of maps with the defaults that scikit-image had in 2020, each map over its own maximum.

    Source: Arun et al., Assessing the Trustworthiness of Saliency Maps, Radiology: AI 2021. Their script calls
    `skimage.metrics.structural_similarity(first, second)` on floating-point maps: a uniform window of 7 px, sample
    covariances, K1 = 0.01, K2 = 0.03, data range 2, and a border of 3 px that is left out.

    Args:
        maps: magnitudes of several models, shape (M,N,H,W); an all-zero map is not divided.
        others: magnitudes of the second model of each pair, shape (K,N,H,W); None uses `maps` for both.
        pairs: indices of the first and the second model.

    Returns:
        Values in [-1, 1], shape (pairs,N), float64; NaN if a map has a NaN or an infinity.

    Raises:
        ValueError: if a side is shorter than 7 px or a magnitude is negative.

    Example:
        >>> maps = torch.zeros(2, 1, 7, 7)
        >>> arun2021_values(maps, None, [(0, 1)])
        tensor([[1.]], dtype=torch.float64)
    """
    for name, side in (("saliency", maps), ("reference", others)):
        if side is not None:
            _check(side, name)
    parts = torch.split(maps, IMAGES_AT_ONCE, dim=1)
    other_parts = [None] * len(parts) if others is None else torch.split(others, IMAGES_AT_ONCE, dim=1)
    chunks = [
        pair_values(
            _over_maximum(part),
            None if other is None else _over_maximum(other),
            pairs,
            torch.full_like(part[0, :, 0, 0], DATA_RANGE, dtype=torch.float64),
            UNIFORM,
        )
        for part, other in zip(parts, other_parts, strict=True)
    ]
    return torch.cat(chunks, dim=1)


def _over_maximum(maps: Tensor) -> Tensor:
    maps = maps.double()
    largest = maps.amax(dim=(-2, -1), keepdim=True)
    return maps / largest.masked_fill(largest == 0, 1.0)


def _check(maps: Tensor, name: str) -> None:
    if min(maps.shape[-2:]) < SIDE:
        raise ValueError(f"Expected maps of at least {SIDE}x{SIDE} px for SSIM, got {tuple(maps.shape[-2:])}.")
    if bool((maps < 0).any()):
        raise ValueError(
            f"Expected `{name}` to be non-negative for the preset 'arun2021', got {maps[maps < 0][0].item():.3g}: "
            "take magnitudes, with `saliency_map`."
        )
