"""Lists how a study sees a method: what is explained, and the poolings through which the maps are seen.

The maps of most methods are explained once, and every pooling sees them. A method by segments of its own is explained
over its segments and, for its controls, over others. XRAI only ranks segments by an attribution, so this attribution is
explained once, and each ranking is a pooling.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from lightning_spx.attribution import XRAI, Attribution, SegmentAttribution
from lightning_spx.attribution.by_segments import BySegments
from lightning_spx.attribution.xrai_regions import regions_of
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.segmented_images import SegmentedImages
from lightning_spx.reporting.rows import BORROWED, EITHER, GRID, OWN, VORONOI, control_name
from lightning_spx.superpixels import ImagePooling, borrow, grid_like, voronoi_like
from lightning_spx.superpixels.only_segments import refuse_filters


@dataclass(frozen=True)
class Way:
    """One way in which images are explained by a method, and the poolings that see the maps.

    Args:
        method: what is explained.
        poolings: how the maps are seen; each gets rows of its own.
        segments: (N, L, H, W) that the method explains by, or None.
    """

    method: Attribution
    poolings: Sequence[Pooling]
    segments: Tensor | None = None


def ways_of(method: Attribution, poolings: Sequence[Pooling], images: SegmentedImages) -> list[Way]:
    """List the ways in which a study sees a method; the map as the method gives it comes first.

    Args:
        method: the method.
        poolings: those of the study, which see methods without segments of their own; its references stand beside the
            map of every method.
        images: the images to explain.

    Raises:
        ValueError: a method by segments has no segmenter.
    """
    if not isinstance(method, BySegments):
        return [Way(method, poolings)]
    own = [images.by(segmenter) for segmenter in method.segmenters]
    if not own:
        raise ValueError(f"Expected {type(method).__name__} to have at least one segmenter, got none.")
    lenders = torch.from_numpy(images.permutation)
    segments = {
        OWN: own,
        control_name(GRID, OWN): [grid_like(each) for each in own],
        # the cells of two segmenters with the same number of segments differ
        control_name(VORONOI, OWN): [
            voronoi_like(each, images.seed + level, images.index) for level, each in enumerate(own)
        ],
        control_name(BORROWED, OWN): [borrow(each, lenders) for each in own],
    }
    stacked = {name: torch.stack(each, dim=1) for name, each in segments.items()}
    references = [pooling for pooling in poolings if pooling.kind == "reference"]
    if isinstance(method, XRAI):
        ranked = [_ranked(method, name, each) for name, each in stacked.items()]
        return [Way(method.ranked_method, [*ranked, *references])]
    # maps of a user's own method may vary inside of segments, or follow several segmentations
    kind: Literal["own", "none"] = "own" if isinstance(method, SegmentAttribution) else "none"
    ways = [Way(method, [Pooling(name, kind, each[:, 0])], each) for name, each in stacked.items()]
    return [replace(ways[0], poolings=[*ways[0].poolings, *references]), *ways[1:]]


def _ranked(method: XRAI, name: str, segments: Tensor) -> Pooling:
    regions = tuple(regions_of(each, method.dilation) for each in segments)
    return Pooling(name, "ranked", segments[:, 0], regions=regions, rank=method.rank)


def refuse_own_segments(methods: Iterable[Attribution], place: str) -> None:
    """Refuse methods by segments of their own where nothing swaps their segments.

    Two maps over the same segments look alike whatever they show, so that their agreement would have no floor.

    Raises:
        ValueError: a method explains by segments of its own.

    Example:
        >>> refuse_own_segments([XRAI()], "SaliencyEvaluator")
        Traceback (most recent call last):
        ...
        ValueError: Expected methods without segments of their own for SaliencyEvaluator, got XRAI: `spx stability` ...
    """
    for method in methods:
        if isinstance(method, BySegments):
            raise ValueError(
                f"Expected methods without segments of their own for {place}, got {type(method).__name__}: "
                "`spx stability` and `spx tradeoff` measure them, with floors and controls over the same segments."
            )


def as_given(maps: Tensor, first: Pooling, images: Tensor) -> Tensor:
    """Return maps as their method gives them: a study explains only the attribution by which XRAI ranks.

    Args:
        maps: (M, n, C, H, W) of the method's first way.
        first: the way's first pooling.
        images: (n,) which of the pooling's images these are.

    Returns:
        (M, n, C, H, W), of XRAI with one channel.
    """
    if first.kind != "ranked":
        return maps
    ranked = first.pool(maps.flatten(0, 1), EITHER, images)
    return ranked.view(*maps.shape[:2], *ranked.shape[1:])


def all_poolings(superpixels: Mapping[str, ImagePooling], methods: Iterable[Attribution]) -> dict[str, ImagePooling]:
    """Return a study's segmenters and filters, and those that its methods have of their own, by names for errors.

    Raises:
        TypeError: a method by segments has a filter.

    Example:
        >>> list(all_poolings({}, [XRAI()]))[0]
        'Felzenszwalb of XRAI'
    """
    by_segments = [method for method in methods if isinstance(method, BySegments)]
    for method in by_segments:
        refuse_filters(method.segmenters, type(method).__name__)
    own = {
        f"{type(segmenter).__name__} of {type(method).__name__}": segmenter
        for method in by_segments
        for segmenter in method.segmenters
    }
    return {**superpixels, **own}


def has_one_order(method: Attribution) -> bool:
    """Whether pooling before and after the absolute value gives the same maps.

    They do without signs, and for maps that nothing pools.
    """
    return method.non_negative or isinstance(method, BySegments)


def num_maps(method: Attribution) -> int:
    """Return how many maps of each image a study makes by a method, those of other seeds left aside."""
    # in each of four ways also that of the null
    return 8 if isinstance(method, BySegments) and not isinstance(method, XRAI) else 1
