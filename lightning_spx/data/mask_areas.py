"""Decides whether a mask holds numbers of classes or objects, for which a threshold would be wrong."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, maximum, maximum_filter, minimum, minimum_filter

Levels = NDArray[np.uint8]
Flags = NDArray[np.bool_]
# levels within NEAR are black or white in videos; JPEG turns black into levels up to ALMOST_BLACK in most files
NEAR, ALMOST_BLACK = 24, 8
# masks of annotators or drawn masks have few values; blurred edges and probabilities have many
FEW_VALUES = 32
SHARE_OF_OBJECT = 0.25
SHARE_OF_SINGLE = 0.05
SHARE_OF_HALF = 0.1
SHARE_OF_LEVELS = 0.4
MOST_ANNOTATORS = 10
# the levels that 1 to 10 annotators can give, rounded up or down
SHARES = frozenset(
    round(255 * votes / annotators + turn)
    for annotators in range(1, MOST_ANNOTATORS + 1)
    for votes in range(annotators + 1)
    for turn in (-0.49, 0.49)
)
HALVES = (127, 128)


def has_numbers(levels: Levels, values: NDArray[np.int64], *, is_lossy: bool = False) -> bool:
    """Return whether a mask's areas have levels that are neither the object, nor its background, nor in between.

    Plain levels are the lowest value if it is at most 24, all values from 231, and soft edges, which have similar
    levels beside them. If there are few values, the levels that up to 10 annotators can give are plain too, provided
    that their areas surround higher ones.

    Args:
        levels: `(H, W)` from 0 to 255.
        values: the values that occur, sorted.
        is_lossy: whether the file's format changes values a little.

    Example:
        >>> levels = np.zeros((6, 12), np.uint8)
        >>> levels[:, :5] = 255
        >>> levels[:, 7:] = 85
        >>> has_numbers(levels, np.unique(levels)), has_numbers(np.maximum(levels, 250), np.array([250, 255]))
        (True, False)
    """
    few = len(values) <= FEW_VALUES
    plain = (values >= 255 - NEAR) | ((values == values[0]) & (values <= NEAR))
    if is_lossy or not few:
        plain |= values <= ALMOST_BLACK
    odd = values[~plain & ~(few & np.isin(values, list(SHARES)))]
    if plain.all():
        return False
    # an edge is a pixel or two wide, but an area with a number has an interior
    inside = maximum_filter(levels, size=3) == minimum_filter(levels, size=3)
    numbered = inside & np.isin(levels, odd)
    if numbered.sum() >= SHARE_OF_OBJECT * (levels > 0).sum() and (few or not _is_smooth(levels, values, numbered)):
        return True
    return few and _are_side_by_side(levels, values, inside)


def _is_smooth(levels: Levels, values: NDArray[np.int64], numbered: Flags) -> bool:
    """Return whether most areas change into their neighbors by a step or two of the existing levels."""
    places = np.searchsorted(values, levels).astype(np.int16)
    steps = (maximum_filter(places, size=5) - minimum_filter(places, size=5))[numbered]
    return bool((steps > 2).sum() <= SHARE_OF_OBJECT * (steps > 0).sum())


def _are_side_by_side(levels: Levels, values: NDArray[np.int64], inside: Flags) -> bool:
    """Return whether intermediate areas lie alone, side by side, or at exactly half."""
    drawn = levels > max(NEAR, int(values[0]))
    size = (inside & drawn).sum()
    between = inside & drawn & (levels < min(255 - NEAR, int(values[-1])))
    if not between.any():
        return False
    places, count = label(drawn, np.ones((3, 3)))
    numbers = np.arange(1, count + 1)
    highest, lowest = maximum(levels, places, numbers), minimum(levels, places, numbers)
    # annotators draw different outlines, so an isolated area with a single level is a number
    single = np.concatenate([[False], (highest == lowest) & (highest < values[-1])])
    if (between & single[places]).sum() >= SHARE_OF_SINGLE * size:
        return True
    sizes = np.bincount(levels[between], minlength=256)
    found = np.flatnonzero(sizes >= SHARE_OF_SINGLE * size)
    if len(found) == 1 and found[0] in HALVES and sizes[found[0]] >= SHARE_OF_HALF * size:
        return True
    return bool(between.sum() >= SHARE_OF_LEVELS * size and (len(found) == 1 or not _are_nested(levels, values)))


def _are_nested(levels: Levels, values: NDArray[np.int64]) -> bool:
    """Return whether nine of ten neighbors that differ have consecutive levels."""
    places = np.searchsorted(values, levels)
    steps = np.abs(np.concatenate([np.diff(places, axis=axis).ravel() for axis in (0, 1)]))
    return bool((steps == 1).sum() >= 0.9 * (steps > 0).sum())
