"""Assigns the models of a study to two groups of the same size that share no model."""

from itertools import combinations
from math import comb

import numpy as np

# the numbers of the models in each of the two groups, sorted; the first group has the smallest number of all
Assignment = tuple[tuple[int, ...], tuple[int, ...]]


def group_sizes(num_models: int) -> list[int]:
    """Return the group sizes 1, 2, 4, ... up to half of the models.

    Example:
        >>> group_sizes(8), group_sizes(7)
        ([1, 2, 4], [1, 2])
    """
    return [2**power for power in range(num_models.bit_length()) if 2 * 2**power <= num_models]


def assign(num_models: int, size: int, num_assignments: int, seed: int) -> list[Assignment]:
    """Draw different assignments of models to two groups, or list all of them if there are no more.

    A draw shuffles the models and cuts them into groups, so that all models are used about equally often.

    Args:
        num_models: number of models, at least twice `size`.
        size: number of models in each group.
        num_assignments: number of assignments to draw.
        seed: seeds the draws.

    Example:
        >>> assign(4, 2, num_assignments=9, seed=0)
        [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
        >>> len(assign(8, 2, num_assignments=9, seed=0))
        9
    """
    if comb(num_models, size) * comb(num_models - size, size) // 2 <= num_assignments:
        return [
            (first, second)
            for first in combinations(range(num_models), size)
            for second in combinations(sorted(set(range(num_models)) - set(first)), size)
            if first < second
        ]
    generator = np.random.default_rng((seed, size))
    # a dict, because it keeps the order of the draws
    found: dict[Assignment, None] = {}
    while len(found) < num_assignments:
        order = generator.permutation(num_models).tolist()
        groups = [tuple(sorted(order[start : start + size])) for start in range(0, num_models - size + 1, size)]
        for one, other in zip(groups[::2], groups[1::2], strict=False):
            found[min(one, other), max(one, other)] = None
    return list(found)[:num_assignments]


def without(assignments: list[Assignment], model: int) -> list[int]:
    """Return the positions of the assignments that leave a model out.

    Example:
        >>> without(assign(3, 1, num_assignments=9, seed=0), model=0)
        [2]
    """
    return [number for number, (first, second) in enumerate(assignments) if model not in (*first, *second)]
