"""Structural similarity (SSIM) of saliency maps, one value per image."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.guard.tensor_operations import needs_tensor_operations
from lightning_spx.guard.where_numba_is import WhereNumbaIs
from lightning_spx.metrics import ssim_tensors
from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.shapes import check_same_shape, scaled, without_channel
from lightning_spx.metrics.ssim_arun2021 import arun2021_values
from lightning_spx.metrics.ssim_tensors import WINDOW

Preset = Literal["unit", "signed", "signed_symmetric", "arun2021"]
PairPreset = Literal["unit", "arun2021"]

# filtering pixels is faster where segments have fewer, because a window then meets many (measured)
SMALLEST_SEGMENT = 64
SIGNED_AT_ONCE = 64  # number of images held in double precision at once


def saliency_ssim(saliency: Tensor, reference: Tensor, preset: Preset = "unit") -> Tensor:
    """Return the structural similarity of each saliency map with its reference; 1 for equal maps.

    The window is a Gaussian of 1.5 px (11x11), covariances are population covariances and a border of 5 px is left out,
    as in `skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)` (Wang
    et al. 2004, equation 13). Each image is compared by itself, whatever else is in the batch. A constant or all-zero
    map is an ordinary map; a NaN makes only the value of its own image NaN. Everything is computed in float64, because
    in single precision two flat maps are already off by 2e-5. On a CPU it runs compiled by `numba` (a dependency
    wherever it has wheels), unless gradients are needed.

    Args:
        saliency: maps; for `"unit"` of shape (N,H,W) or (N,1,H,W) in [0, 1], for `"arun2021"` of these shapes and
            non-negative, else signed attributions (N,C,H,W) of any scale.
        reference: the maps to compare with, of the same shape.
        preset: `"unit"`: data range 1. `"signed"`: both are divided by their L2 norm (unless all zero), channels are
            compared one by one and averaged, and the data range is maximum minus minimum of the reference.
            `"signed_symmetric"`: the larger of both ranges instead, so that the arguments may be exchanged. If the
            range is zero, the value is 1 for equal maps and 0 otherwise. `"arun2021"`: as Arun et al. (Radiology: AI
            2021) compare maps, with the defaults that scikit-image had for floating-point images: a uniform window of 7
            px, sample covariances, data range 2, and a border of 3 px left out. Each map is divided by its own maximum,
            unless it is all zero. Theirs were clipped at their 99th percentile before, as those of `saliency_map` are;
            without the clip the values are far larger, as most pixels are then close to 0.

    Returns:
        Values in [-1, 1], shape (N,), float32.

    Raises:
        ValueError: if the shapes do not fit, a side is shorter than 11 px (7 px for `"arun2021"`), a `"unit"` map
            leaves [0, 1], an `"arun2021"` map is negative or `preset` is unknown.

    Example:
        >>> import torch
        >>> saliency = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> saliency_ssim(saliency, saliency)
        tensor([1., 1.])
    """
    _check_preset(preset)
    one_channel = preset in ("unit", "arun2021")
    if one_channel:
        saliency, reference = without_channel(saliency), without_channel(reference)
    check_same_shape(saliency, reference, "(N,H,W)" if one_channel else "(N,C,H,W)")
    if preset == "arun2021":
        return arun2021_values(saliency[None], reference[None], [(0, 0)])[0].float()
    _check_window(saliency)
    if preset == "unit":
        _check_unit_range(saliency, "saliency")
        _check_unit_range(reference, "reference")
        return _values(saliency[None], reference[None], [(0, 0)], torch.ones_like(saliency[:, 0, 0]))[0].float()
    parts = zip(torch.split(saliency, SIGNED_AT_ONCE), torch.split(reference, SIGNED_AT_ONCE), strict=True)
    symmetric = preset == "signed_symmetric"
    return torch.cat([_signed_ssim(one, other, symmetric=symmetric) for one, other in parts]).float()


def pairwise_ssim(maps: Tensor, others: Tensor | None = None, preset: PairPreset = "unit") -> Tensor:
    """Return the SSIM between the maps of every two models, filtering each map once.

    Args:
        maps: saliency of M models for N images, shape (M,N,H,W).
        others: maps of the second model of each pair, of the same shape; None uses `maps` for both.
        preset: `"unit"` (data range 1, no range is enforced) or `"arun2021"`, as in `saliency_ssim`.

    Returns:
        Values of the pairs in the order of `itertools.combinations(range(M), 2)`, shape (pairs,N), float32.

    Raises:
        ValueError: if a side is shorter than 11 px (7 px for `"arun2021"`), the shapes differ, an `"arun2021"` map is
            negative or `preset` is another one.

    Example:
        >>> import torch
        >>> pairwise_ssim(torch.ones(3, 2, 16, 16)).shape
        torch.Size([3, 2])
    """
    if preset not in get_args(PairPreset):
        raise ValueError(f"Expected `preset` of pairs to be one of {get_args(PairPreset)}, got {preset!r}.")
    if preset == "unit":
        _check_window(maps)
    if others is not None:
        check_same_shape(maps, others, "(M,N,H,W)")
    pairs = list(combinations(range(len(maps)), 2))
    if preset == "arun2021":
        return arun2021_values(maps, others, pairs).float()
    return _values(maps, others, pairs, torch.ones_like(maps[0, :, 0, 0])).float()


def ssim_of_pairs(
    maps: Tensor, pairs: Sequence[tuple[int, int]], segments: Tensor | None = None, preset: PairPreset = "unit"
) -> Tensor:
    """Return the SSIM of chosen pairs of maps of the same images, filtering each map once; no range is enforced.

    On segments of many pixels, on a CPU, each window is a weighted sum over the few segments that it meets.

    Args:
        maps: K maps of N images, shape (K,N,H,W); with segments (K,N,S), a value for each of them.
        pairs: the two maps of each pair.
        segments: the segments on which all maps of an image are constant, shape (N,H,W) int64, or None.
        preset: as in `pairwise_ssim`.

    Returns:
        Shape (pairs,N), float32.

    Raises:
        ValueError: as in `pairwise_ssim`.

    Example:
        >>> import torch
        >>> segments = torch.arange(256).view(1, 16, 16) // 128
        >>> ssim_of_pairs(torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]]), [(0, 1)], segments)
        tensor([[1.]])
    """
    if preset == "unit":
        _check_window(maps if segments is None else segments)
    if segments is not None:
        compiled = None if preset != "unit" or needs_tensor_operations(maps) else _compiled_on_segments()
        if compiled is not None and segments[:, 0].numel() and segments[0].numel() >= SMALLEST_SEGMENT * maps.shape[2]:
            return compiled(maps, segments, np.array(pairs, dtype=np.int64).reshape(-1, 2)).float()
        ids = segments.flatten(1).expand(len(maps), -1, -1)
        maps = maps.gather(2, ids).view(len(maps), *segments.shape)
    if preset == "arun2021":
        return arun2021_values(maps, None, pairs).float()
    return _values(maps, None, pairs, torch.ones_like(maps[0, :, 0, 0])).float()


class SaliencySSIM(ImageMean):
    """Mean over images of `saliency_ssim`: how similar the maps of two models, or of two epochs, are.

    Source: Wang et al., Image Quality Assessment, IEEE TIP 2004.

    Images with a NaN are skipped and counted in `num_dropped`. In a `torchmetrics.MetricCollection`, maps of shape
    (N,1,H,W) suit this metric and those of torchmetrics alike.

    Args:
        preset: how the maps are scaled, see `saliency_ssim`.

    Raises:
        ValueError: if `preset` is unknown.

    Example:
        >>> import torch
        >>> metric = SaliencySSIM()
        >>> metric.update(torch.ones(2, 16, 16), torch.zeros(2, 16, 16))
        >>> metric.compute()
        tensor(9.9990e-05)
        >>> from torchmetrics import MetricCollection
        >>> from torchmetrics.image import StructuralSimilarityIndexMeasure
        >>> both = MetricCollection([SaliencySSIM(), StructuralSimilarityIndexMeasure(data_range=1.0)])
        >>> both.update(torch.ones(2, 1, 16, 16), torch.ones(2, 1, 16, 16))
        >>> both.compute()
        {'SaliencySSIM': tensor(1.), 'StructuralSimilarityIndexMeasure': tensor(1.)}
    """

    higher_is_better = True
    plot_lower_bound = -1.0
    plot_upper_bound = 1.0

    def __init__(self, preset: Preset = "unit") -> None:
        super().__init__()
        _check_preset(preset)
        self.preset: Preset = preset

    def update(self, saliency: Tensor, reference: Tensor) -> None:
        """Compare a batch of maps, shapes as in `saliency_ssim`."""
        self.accumulate(saliency_ssim(saliency, reference, preset=self.preset))


def _signed_ssim(first: Tensor, second: Tensor, *, symmetric: bool) -> Tensor:
    first, second = (_unit_norm(scaled(maps.flatten(1)).view_as(maps)) for maps in (first, second))
    data_range = _extent(second)
    if symmetric:
        data_range = torch.maximum(data_range, _extent(first))
    channels = first.shape[1]
    flat = first.flatten(0, 1)[None], second.flatten(0, 1)[None]
    values = _values(*flat, [(0, 0)], data_range.repeat_interleave(channels))[0]
    difference = (first - second).flatten(1).abs().amax(dim=1)
    # constants of different scales agree up to rounding after division by their norms
    constant = torch.where(difference.isnan(), difference, (difference < 1e-12).double())
    return torch.where(data_range == 0, constant, values.view(-1, channels).mean(dim=1))


def _values(maps: Tensor, others: Tensor | None, pairs: Sequence[tuple[int, int]], data_range: Tensor) -> Tensor:
    """Return the SSIM of pairs of (M,N,H,W), with the fastest implementation for them."""
    compiled = None if needs_tensor_operations(maps, others) else _compiled()
    return (compiled or ssim_tensors.pair_values)(maps, others, pairs, data_range)


@cache
def _compiled() -> Callable[[Tensor, Tensor | None, Sequence[tuple[int, int]], Tensor], Tensor] | None:
    """Return the compiled version if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.metrics.ssim_compiled import pair_values

        return pair_values
    return None


@cache
def _compiled_on_segments() -> Callable[[Tensor, Tensor, NDArray[np.int64]], Tensor] | None:
    """Return the compiled version for segments if numba is installed, as above."""
    with WhereNumbaIs():
        from lightning_spx.metrics.ssim_segments import segment_pair_values

        return segment_pair_values
    return None


def _unit_norm(maps: Tensor) -> Tensor:
    norm = maps.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
    return maps / norm.masked_fill(norm == 0, 1.0)


def _extent(maps: Tensor) -> Tensor:
    low, high = maps.flatten(1).aminmax(dim=1)
    return high - low


def _check_preset(preset: str) -> None:
    if preset not in get_args(Preset):
        raise ValueError(f"Expected `preset` to be one of {get_args(Preset)}, got {preset!r}.")


def _check_window(maps: Tensor) -> None:
    if min(maps.shape[-2:]) < WINDOW:
        raise ValueError(f"Expected maps of at least {WINDOW}x{WINDOW} px for SSIM, got {tuple(maps.shape[-2:])}.")


def _check_unit_range(maps: Tensor, name: str) -> None:
    # an interpolated map may exceed the range by a rounding error
    lowest, highest = maps.aminmax() if maps.numel() else (maps.new_zeros(()), maps.new_zeros(()))
    if lowest >= -1e-3 and highest <= 1 + 1e-3:
        return
    # image by image, which takes ten times as long, because a NaN hides the range of all others
    low, high = maps.flatten(1).aminmax(dim=1)
    if ((low < -1e-3) | (high > 1 + 1e-3)).any():
        raise ValueError(
            f"Expected `{name}` to lie in [0, 1], got values from {maps.min().item():.4g} to {maps.max().item():.4g}; "
            "scale it with `saliency_map`, or use the preset 'signed'."
        )
