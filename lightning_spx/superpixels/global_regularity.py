"""Measures how regular segments are, without any ground truth: alike in shape, convex, smooth and balanced."""

import torch
from torch import Tensor

from lightning_spx.superpixels.convex_hull import convex_hulls
from lightning_spx.superpixels.segmenter import check_segments, is_one_map


def global_regularity(segments: Tensor) -> Tensor:
    """Return the Global Regularity of each image's segments: `shape_regularity` times `smooth_matching`.

    It is 1 if all segments are the same square, regular hexagon or disk. It says nothing about the image: a grid is
    hard to beat. Read it beside `explained_variation`.

    Source: Giraud, Ta and Papadakis, Evaluation Framework of Superpixel Methods with a Global Regularity Measure, J. of
    Electronic Imaging 2017, arXiv 1903.07162: GR = SRC * SMF. Recommended by Giraud and Clement, arXiv 2411.06478.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.

    Returns:
        `(N,)` in [0, 1], `()` for one image.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> global_regularity(torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1]], [[0, 0, 0, 1], [0, 0, 0, 1]]]))
        tensor([1.0000, 0.4402])
    """
    if is_one_map(segments):
        return global_regularity(segments[None])[0]
    check_segments(segments)
    return _stacked([_shapes(each) * _matching(each) for each in map(_Placed, segments)], segments)


def shape_regularity(segments: Tensor) -> Tensor:
    """Return the Shape Regularity Criteria (SRC) of each image: the mean of its segments, weighted by their areas.

    That of a segment S with convex hull H is `(P(H) / |H|) / (P(S) / |S|)`, which says how convex and how smooth it is,
    times `sqrt(min(sx, sy) / max(sx, sy))` with the standard deviations of its pixels' columns and rows. A line of one
    pixel's width has 0, as its smaller deviation is; a single pixel is a square and has 1.

    The paper does not say how P and H are taken on pixels, and the authors' two programs differ: one has MATLAB's
    `regionprops`, whose perimeter changed between releases, and is undefined for a single pixel; the other multiplies
    by 0.925. Here P counts edges between pixels, as in `compactness`, and H holds the pixels whose centers lie in the
    hull of the centers of S. A digitally convex S is then its own hull, and a hull has the perimeter of its bounding
    box. A segment in pieces, which could exceed 1, has at least the P of its hull. On photos of 224 pixels that is at
    most 0.01 below the value with MATLAB's present perimeter for a grid, Voronoi cells and SLIC, and 0.03 below it for
    Felzenszwalb.

    Source: Giraud, Ta and Papadakis, Robust Shape Regularity Criteria for Superpixel Evaluation, ICIP 2017, arXiv
    1903.07146.

    Args:
        segments: As in `global_regularity`.

    Returns:
        `(N,)` in [0, 1], `()` for one image.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> shape_regularity(torch.tensor([[[0, 0, 1], [0, 0, 1]]]))
        tensor([0.6667])
    """
    if is_one_map(segments):
        return shape_regularity(segments[None])[0]
    check_segments(segments)
    return _stacked([_shapes(_Placed(ids)) for ids in segments], segments)


def smooth_matching(segments: Tensor) -> Tensor:
    """Return the Smooth Matching Factor (SMF) of each image: how alike its segments are in shape and size.

    Segments are laid over one another with their barycenters (rounded to a pixel, half a pixel up) in one place. Their
    sum, divided by the number of pixels, is a distribution over places; a segment's distance from it is half the L1
    norm, and SMF is 1 minus the mean distance, weighted by area. It is 1 only if all segments are the same.

    Source: Giraud, Ta and Papadakis, arXiv 1903.07162, as in the authors' program.

    Args:
        segments: As in `global_regularity`.

    Returns:
        `(N,)` in (0, 1], `()` for one image.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> smooth_matching(torch.tensor([[[0, 0, 1], [0, 0, 1]]]))
        tensor([0.7778])
    """
    if is_one_map(segments):
        return smooth_matching(segments[None])[0]
    check_segments(segments)
    return _stacked([_matching(_Placed(ids)) for ids in segments], segments)


class _Placed:
    """Segments of one image, (H, W), with their areas, and each pixel's place from its segment's barycenter.

    Barycenters are rounded half up, so places are whole numbers: y and x, (H * W,) int64.
    """

    def __init__(self, ids: Tensor) -> None:
        height, width = ids.shape
        self.ids, self.flat = ids, ids.flatten()
        self.area = torch.bincount(self.flat)
        y = torch.arange(height, device=ids.device)[:, None].expand(height, width)
        x = torch.arange(width, device=ids.device).expand(height, width)
        self.y, self.x = (self._centered(each.flatten()) for each in (y, x))

    def sums(self, values: Tensor) -> Tensor:
        """Add up values (H * W,) over each segment, (S,)."""
        return torch.zeros_like(self.area).index_add_(0, self.flat, values)

    def _centered(self, values: Tensor) -> Tensor:
        return values - ((2 * self.sums(values) + self.area) // (2 * self.area))[self.flat]

    def variance(self, values: Tensor) -> Tensor:
        """Return each segment's variance of values (H * W,) whose means are small, (S,) float64."""
        means = self.sums(values) / self.area.double()
        return self.sums(values * values) / self.area.double() - means * means


def _stacked(values: list[Tensor], segments: Tensor) -> Tensor:
    return torch.stack(values).float() if values else torch.zeros(0, device=segments.device)


def _shapes(placed: _Placed) -> Tensor:
    ids, area = placed.ids, placed.area
    hulls = convex_hulls(ids)
    # a run along a row or a column has two ends, and each is an edge
    starts = torch.full_like(ids, 2)
    starts[:, 1:] -= (ids[:, 1:] == ids[:, :-1]).long()
    starts[1:] -= (ids[1:] == ids[:-1]).long()
    runs = placed.sums(starts.flatten())
    convex = area / hulls.area.double() * ((hulls.height + hulls.width) / runs.double()).clamp_max(1)
    y, x = placed.variance(placed.y), placed.variance(placed.x)
    smaller, larger = torch.minimum(y, x), torch.maximum(y, x)
    # of variances, so the fourth root; a single pixel has none and is a square
    balanced = torch.where(larger > 0, smaller / larger.where(larger > 0, 1.0), 1.0) ** 0.25
    return (area * convex * balanced).sum() / ids.numel()


def _matching(placed: _Placed) -> Tensor:
    height, width = placed.ids.shape
    place = (placed.y + height) * (2 * width) + placed.x + width
    shared = torch.bincount(place)[place]
    # 1 - |p - q| / 2 is the sum of the smaller of both, here n * min(1 / n, shared / all) for a segment of n pixels
    matched = (placed.area[placed.flat] * shared).clamp_max(place.numel())
    return matched.sum().double() / place.numel() ** 2
