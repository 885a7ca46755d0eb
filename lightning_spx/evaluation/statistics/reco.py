"""Computes ReCo in many resamples of the images, and looks only where its largest lead can be.

ReCo is the largest lead of one distribution of distances over another, which has as many thresholds as there are
distances. Sorted distances are taken in blocks. Between two ends of blocks the lead is at most what it would be if all
distances of the first set came before those of the second. Only blocks whose bound is above the lead at some end are
looked at distance by distance, and the result is the same number.
"""

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array, Flags, Positions

CHUNK_ELEMENTS = 2**21  # numbers at a time; bounds memory


class ResampledReco:
    """ReCo of the same distances in any number of resamples.

    Args:
        distances: (R, P, I).
        agree: (R, P, I), flags of the set S=.
        differ: (R, P, I), flags of the set S!=.
        image: (I,) the image of each item; None if each image is an item.

    Example:
        >>> distances = np.array([[[0.1, 0.2, 0.7, 0.8]]])
        >>> agree = np.array([[[True, False, True, False]]])
        >>> ResampledReco(distances, agree, ~agree).of(np.array([[1.0, 1, 1, 1], [3, 0, 0, 1]])).tolist()
        [0.5, 1.0]
    """

    def __init__(self, distances: Array, agree: Flags, differ: Flags, image: Positions | None = None) -> None:
        kept = (agree | differ) & ~np.isnan(distances)
        item = np.nonzero(kept)[2]
        order = np.argsort(distances[kept], kind="stable")
        ordered = distances[kept][order]
        self._image = (item if image is None else image[item])[order]
        self._agree = agree[kept][order]
        # thresholds are observed values, so tied distances are counted together: only the last of each tie is one
        self._is_threshold = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, bool)
        thresholds = np.flatnonzero(self._is_threshold)
        # of this size there is as much to do at ends as inside of the few blocks that are looked at
        self._size = max(2, round(len(ordered) ** (1 / 3)))
        wanted = np.append(np.arange(self._size - 1, len(ordered), self._size), len(ordered) - 1)
        # a block ends at a threshold, and all of its other thresholds are among its first distances
        self._ends = np.unique(thresholds[np.searchsorted(thresholds, wanted)]) if len(ordered) else thresholds
        self._starts = np.append(0, self._ends + 1)[: len(self._ends)]

    def of(self, weights: Array) -> Array:
        """Return the values (B,) for weights (B, N) of images; NaN where one of the sets is empty."""
        result = np.full(len(weights), np.nan)
        if not self._agree.any() or self._agree.all():
            return result
        rows = max(1, CHUNK_ELEMENTS // (2 * len(self._ends)))
        for start in range(0, len(weights), rows):
            here = slice(start, start + rows)
            result[here] = self._of_some(weights[here])
        return result

    def _of_some(self, weights: Array) -> Array:
        same, other = self._at_ends(weights)
        possible = (same[-1] > 0) & (other[-1] > 0)
        best = np.full(len(weights), np.nan)
        if possible.any():
            chosen = slice(None) if possible.all() else possible
            best[chosen] = self._largest(weights[chosen], same[:, chosen], other[:, chosen])
        return best

    def _at_ends(self, weights: Array) -> tuple[Array, Array]:
        """Return how much of each set there is up to the end of each block, (1 + blocks, B), beginning with nothing."""
        from scipy.sparse import csr_array  # imported late: pages of finished studies need none

        count = len(self._ends)
        block = np.repeat(np.arange(count), np.diff(self._ends, prepend=-1))
        shape = (2 * count, weights.shape[1])
        entries = (np.ones(len(block), weights.dtype), (block + count * ~self._agree, self._image))
        of_blocks = csr_array(entries, shape=shape) @ np.ascontiguousarray(weights.T)
        sums = np.zeros((2, 1 + count, len(weights)))
        of_blocks.reshape(2, count, -1).cumsum(axis=1, out=sums[:, 1:])
        return sums[0], sums[1]

    def _largest(self, weights: Array, same: Array, other: Array) -> Array:
        shares = same / same[-1], other / other[-1]
        best: Array = np.maximum((shares[0] - shares[1]).max(0), 0.0)
        above = shares[0][1:] - shares[1][:-1] > best
        block, resample = np.nonzero(above & (self._ends > self._starts)[:, None])
        rows = CHUNK_ELEMENTS // self._size
        for first in range(0, len(block), rows):
            own, draw = block[first : first + rows], resample[first : first + rows]
            place = self._starts[own][:, None] + np.arange(self._size)
            # the end is a threshold that is known already
            inside = place < self._ends[own][:, None]
            place = np.minimum(place, len(self._image) - 1)
            item = np.where(inside, weights[draw[:, None], self._image[place]], 0.0)
            agree = self._agree[place]
            of_same = same[own, draw][:, None] + np.where(agree, item, 0.0).cumsum(1)
            of_other = other[own, draw][:, None] + np.where(agree, 0.0, item).cumsum(1)
            lead = of_same / same[-1, draw][:, None] - of_other / other[-1, draw][:, None]
            np.maximum.at(best, draw, np.where(inside & self._is_threshold[place], lead, 0.0).max(1))
        return best
