"""Lists the ways of pooling that a study compares: by pixel, by segments and filters, and by the controls of these."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.guides import Guidance, Guide
from lightning_spx.evaluation.maps.model_free import centre, edges
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.reporting.reference_rows import is_reference, reference_name
from lightning_spx.reporting.rows import BLUR, BORROWED, CONTROL_KINDS, EITHER, GRID, PIXEL, VORONOI, control_name
from lightning_spx.superpixels import ImagePooling, Segmenter, borrow, grid_like, voronoi_like

# in pixels; a narrower blur leaves a map as it is
LEAST_SIGMA = 0.5


def pixel_pooling(like: Tensor) -> Pooling:
    """Return the pooling of the pixel row, which leaves maps as they are.

    Args:
        like: any tensor (N, H, W) with the size of the images.
    """
    return Pooling(PIXEL, "none", like)


def pooling_of(name: str, guidance: Guidance) -> Pooling:
    """Return the pooling by segments or by a filter.

    Args:
        name: name in tables.
        guidance: segments (N, H, W), or the guide of N images.
    """
    if isinstance(guidance, Guide):
        return Pooling(name, "filter", guidance.images[:, 0], guide=guidance)
    return Pooling(name, "segments", guidance)


def control_kinds(pooling: ImagePooling) -> Sequence[str]:
    """Return the kinds of controls that a pooling has, in the order of `with_controls`.

    Example:
        >>> from lightning_spx.superpixels import GuidedFilter, Slic
        >>> control_kinds(Slic()), control_kinds(GuidedFilter())
        (('grid', 'voronoi', 'borrowed', 'blur'), ('borrowed', 'blur'))
    """
    # a grid and cells need a number of segments
    return CONTROL_KINDS if isinstance(pooling, Segmenter) else (BORROWED, BLUR)


def with_controls(name: str, own: Guidance, borrowed: Guidance, index: Tensor, seed: int) -> list[Pooling]:
    """List a pooling and its controls: four of a segmenter, and two of a filter, which has no segments.

    Args:
        name: the pooling's name in tables.
        own: segments (N, H, W) of the images, or their guide.
        borrowed: the same of other images.
        index: (N,) the images' numbers, which seed their Voronoi cells.
        seed: the study's seed.
    """
    first, last = pooling_of(name, own), pooling_of(control_name(BORROWED, name), borrowed)
    blur = Pooling(control_name(BLUR, name), "blur", first.segments, like=first)
    if isinstance(own, Guide):
        return [first, last, blur]
    return [
        first,
        Pooling(control_name(GRID, name), "segments", grid_like(own)),
        Pooling(control_name(VORONOI, name), "segments", voronoi_like(own, seed, index)),
        last,
        blur,
    ]


def make_poolings(
    guides: Mapping[str, Guidance], index: Tensor, permutation: NDArray[np.int64], seed: int
) -> list[Pooling]:
    """List the pixel row, and each pooling's row and its controls.

    Args:
        guides: segments (N, H, W) or guides, by name; not empty.
        index: (N,) the images' numbers, which seed their Voronoi cells.
        permutation: the derangement that says whose segments or guide an image borrows.
        seed: the study's seed.
    """
    lenders = torch.from_numpy(permutation)
    named = {name: pooling_of(name, own) for name, own in guides.items()}
    poolings = [pixel_pooling(next(iter(named.values())).segments)]
    for name, own in guides.items():
        borrowed = own.borrowed(lenders) if isinstance(own, Guide) else borrow(own, lenders)
        poolings += with_controls(name, own, borrowed, index, seed)
    return poolings


def reference_poolings(images: Tensor) -> list[Pooling]:
    """List the rows of maps that no model has made: the images' edges and their centre, which both models share.

    Args:
        images: (N, C, H, W).
    """
    like = images[:, 0]
    maps = {"edges": edges(images), "centre": centre(*like.shape[1:]).to(like).expand_as(like)}
    return [Pooling(reference_name(name), "reference", like, reference=each) for name, each in maps.items()]


def blurs_of_all_widths(like: Tensor) -> list[Pooling]:
    """List Gaussian blurs whose standard deviations halve from half the shorter side to half a pixel.

    Args:
        like: any tensor (N, H, W) with the size of the images.
    """
    height, width = like.shape[-2:]
    poolings, sigma = [], min(height, width) / 2
    while sigma >= LEAST_SIGMA:
        count = torch.full((len(like),), height * width / (4 * math.pi * sigma**2), dtype=torch.float64)
        poolings.append(Pooling(control_name(BLUR, f"sigma={sigma:g}"), "blur", like, effective=count))
        sigma /= 2
    return poolings


def orders_of(superpixels: str, magnitudes: Sequence[Magnitude], non_negative: bool) -> Sequence[str]:
    """Return the orders that get rows of their own; if both give the same map, `either` stands for both.

    Both give the same map without pooling, for a method without signs, and for a reference.

    Args:
        superpixels: name of the pooling.
        magnitudes: the orders that a study asks for.
        non_negative: whether the method has no signs.

    Example:
        >>> orders_of("Slic", ["after", "before"], False), orders_of("pixel", ["after", "before"], False)
        (['after', 'before'], ('either',))
    """
    return (EITHER,) if non_negative or superpixels == PIXEL or is_reference(superpixels) else magnitudes


def in_orders(
    poolings: Iterable[Pooling], magnitudes: Sequence[Magnitude], non_negative: bool
) -> list[tuple[Pooling, str]]:
    """Pair each pooling with every order of `orders_of`; each pair is a row of the results."""
    return [(pooling, order) for pooling in poolings for order in orders_of(pooling.name, magnitudes, non_negative)]
