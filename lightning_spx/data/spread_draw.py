"""Draws images that are as independent as possible: from as many groups as there are."""

import numpy as np
from numpy.typing import ArrayLike

from lightning_spx.data.group_kinds import checked_groups
from lightning_spx.data.splits import Indices, stratified_draw


def spread_draw(labels: ArrayLike, num_images: int, seed: int = 0, groups: ArrayLike | None = None) -> Indices:
    """Return a seeded, stratified draw of images from as many groups as possible.

    Without groups it is `stratified_draw`. With groups, one image of each group, chosen at random, is a candidate. If
    these are too few, all of them are drawn, and a second image of each group is a candidate, and so on.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        num_images: number of images to draw, 0 to n.
        seed: decides which images are drawn.
        groups: name or number of each image's group, `(n,)`.

    Returns:
        Sorted indices into `labels`, `(num_images,)`.

    Raises:
        TypeError: if the labels are neither integers nor findings, or the groups neither text nor integers.
        ValueError: if there are fewer images.

    Example:
        >>> groups = np.array(["a", "a", "b", "b"])
        >>> sorted(groups[spread_draw([0, 0, 0, 0], 2, groups=groups)].tolist())
        ['a', 'b']
    """
    values = np.asarray(labels)
    if groups is None or not 0 <= num_images <= len(values):
        return stratified_draw(values, num_images, seed)
    together = checked_groups(groups, len(values))
    order = np.random.default_rng((seed, 1)).permutation(len(values))
    order = order[np.argsort(together[order], kind="stable")]
    turn = np.empty(len(values), np.int64)
    # the number of each image among those of its group, in random order
    turn[order] = np.arange(len(values)) - np.searchsorted(together[order], together[order])
    drawn = [np.empty(0, np.int64)]
    left = num_images
    for number in range(int(turn.max(initial=-1)) + 1):
        candidates = np.flatnonzero(turn == number)
        drawn.append(candidates[stratified_draw(values[candidates], min(left, candidates.size), seed)])
        left -= drawn[-1].size
        if not left:
            break
    return np.sort(np.concatenate(drawn))
