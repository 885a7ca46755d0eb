"""Counts the pixels of each segment's convex hull, exactly and for all segments of an image at once."""

from typing import NamedTuple

import torch
from torch import Tensor


class Hulls(NamedTuple):
    """What is known of the segments' hulls, each `(S,)` int64.

    Args:
        area: Number of pixels whose centers lie in the convex hull of the centers of the segment's pixels.
        height: Number of rows from the segment's first one to its last one.
        width: Number of columns likewise.
    """

    area: Tensor
    height: Tensor
    width: Tensor


def convex_hulls(ids: Tensor) -> Hulls:
    """Measure the convex hull of each segment of one image.

    The hull is that of pixels' centers, so that a digitally convex set (a disk, a triangle or a line, as drawn on a
    screen) is its own hull. Numbers are whole, so nothing is rounded. One segment after the other,
    `skimage.morphology.convex_hull_image(mask, offset_coordinates=False)` gives the same in a hundred times the time,
    but nothing for a line.

    Args:
        ids: `(H, W)` int64, ids `0..S-1` without gaps; a segment may be in pieces.

    Example:
        >>> convex_hulls(torch.tensor([[0, 1, 0], [0, 1, 0], [0, 0, 0]])).area
        tensor([9, 2])
    """
    height, width = ids.shape
    starts, ends = torch.ones_like(ids, dtype=torch.bool), torch.ones_like(ids, dtype=torch.bool)
    starts[:, 1:] = ids[:, 1:] != ids[:, :-1]
    ends[:, :-1] = starts[:, 1:]
    # runs of one segment in a row, sorted by segment and row, and within a row from left to right
    start, end = (each.flatten().nonzero()[:, 0] for each in (starts, ends))
    first, last = start % width, end % width
    key, order = (ids.flatten()[start] * height + start // width).sort(stable=True)
    changes = key[1:] != key[:-1]
    edge = torch.ones(1, dtype=torch.bool, device=ids.device)
    key, left = key[torch.cat([edge, changes])], first[order][torch.cat([edge, changes])]
    right = last[order][torch.cat([changes, edge])]
    segment, row = key // height, key % height

    num_segments = int(segment[-1]) + 1
    begins = torch.searchsorted(segment, torch.arange(num_segments, device=ids.device))
    stops = torch.searchsorted(segment, torch.arange(num_segments, device=ids.device), right=True) - 1
    top, rows = row[begins], row[stops] - row[begins] + 1
    # every row of every segment, also the rows between its pieces
    each = torch.repeat_interleave(torch.arange(num_segments, device=ids.device), rows)
    offset = torch.arange(len(each), device=ids.device) - (rows.cumsum(0) - rows)[each]
    asked = each * height + top[each] + offset
    # right sides are left sides of other segments, mirrored, because few calls take less time than short ones
    mirrored = num_segments * height
    sides = torch.cat([key, key + mirrored]), torch.cat([left, -right])
    low, minus_high = _envelope(*sides, height, torch.cat([asked, asked + mirrored])).chunk(2)
    area = torch.zeros_like(top).index_add_(0, each, (-minus_high - low + 1).clamp_min(0))
    leftmost = torch.full_like(top, width).scatter_reduce_(0, segment, left, "amin")
    rightmost = torch.zeros_like(top).scatter_reduce_(0, segment, right, "amax")
    return Hulls(area, rows, rightmost - leftmost + 1)


def _envelope(key: Tensor, value: Tensor, height: int, asked: Tensor) -> Tensor:
    """Return the largest convex function of the row below each segment's values, rounded up, at other rows.

    Args:
        key: `(E,)` segment * height + row, increasing.
        value: `(E,)` one value for each.
        height: Number of rows of the image.
        asked: `(A,)` keys between the first and the last one of their segments.
    """
    while len(key) > 2:
        # a point on or above the line between its neighbors is no corner; a corner is below every such line, so all
        # others can go at once
        before, here, after = key[:-2], key[1:-1], key[2:]
        risen = (value[1:-1] - value[:-2]) * (after - before) >= (value[2:] - value[:-2]) * (here - before)
        goes = risen & (before // height == after // height)
        if not bool(goes.any()):
            break
        stays = torch.ones_like(key, dtype=torch.bool)
        stays[1:-1] = ~goes
        key, value = key[stays], value[stays]
    place = torch.searchsorted(key, asked, right=True) - 1
    following = (place + 1).clamp_max(len(key) - 1)
    # the last row of a segment is a corner, and needs no other
    following = torch.where(key[following] // height == key[place] // height, following, place)
    run, rise = key[following] - key[place], value[following] - value[place]
    return value[place] - torch.div(-rise * (asked - key[place]), run.clamp_min(1), rounding_mode="floor")
