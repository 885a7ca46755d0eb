"""Deals whole groups of images to parts, each with nearly the share of every class or finding that the whole has."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_spx.data.label_kinds import Labels

Integers = NDArray[np.int64]
# images are counted in these parts of one, so that shares are whole numbers and every machine makes the same split
UNITS = 256
# the exchange compares pairs of groups; more of them would take long and bring little
MOST_EXCHANGED = 500
MOST_ROUNDS = 10


def deal_groups(labels: Labels, groups: Integers, sizes: Sequence[int], seed: int, num_limited: int = 0) -> Integers:
    """Return the part of each image; no group is in two parts.

    Groups with the same numbers of images of each class are a stratum, and each part gets its share of it, rounded
    down. What is left over is dealt one by one, large groups first, to the part where it makes the weighted sum of
    squared surpluses smallest. Then groups are moved and exchanged as long as that sum falls. A surplus is the number
    of images of a class, or with or without a finding, beyond the part's share; a rare class weighs more.

    Args:
        labels: `(n,)` classes or `(n, K)` findings.
        groups: `(n,)` numbers of groups from 0, as `checked_groups` gives them.
        sizes: number of images that each part is to have; they add up to n.
        seed: decides which group goes where.
        num_limited: the first so many parts have at most their size; the others may have more.

    Returns:
        `(n,)` number of each image's part.

    Example:
        >>> groups = np.array([0, 0, 1, 1, 2, 2, 3, 3])
        >>> part = deal_groups(np.array([0, 0, 0, 0, 1, 1, 1, 1]), groups, [4, 4], seed=0)
        >>> [np.bincount([0, 0, 0, 0, 1, 1, 1, 1], weights=part == number).tolist() for number in range(2)]
        [[2.0, 2.0], [2.0, 2.0]]
    """
    dealing = _Dealing(GroupTable(labels, groups), np.array(sizes, np.int64), num_limited)
    generator = np.random.default_rng(seed)
    order = generator.permutation(dealing.table.num_groups)
    dealing.deal_strata(order)
    left = order[dealing.part_of[order] < 0]
    # of similar sizes the seed decides the order, so that another seed gives another split of a few groups as well
    magnitude = np.frexp(dealing.table.sizes[left].astype(np.float64))[1]
    dealing.deal(left[np.argsort(-magnitude, kind="stable")])
    dealing.fill_empty()
    dealing.exchange(generator.permutation(dealing.table.num_groups)[:MOST_EXCHANGED])
    dealing.fill_up(order)
    return dealing.part_of[groups]


class GroupTable:
    """How many images of each trait a group has; only numbers above 0 are stored.

    A trait is a class, or a finding that is present or absent; the last trait is to be an image.

    Args:
        labels: `(n,)` classes or `(n, K)` findings.
        groups: `(n,)` numbers of groups from 0.

    Example:
        >>> GroupTable(np.array([0, 0, 1]), np.array([0, 1, 1])).sizes.tolist()
        [1, 2]
    """

    def __init__(self, labels: Labels, groups: Integers) -> None:
        if labels.ndim == 1:
            _, trait = np.unique(labels, return_inverse=True)
            image, trait = np.arange(len(labels)), trait.reshape(-1)
            self.num_traits = 1 + int(trait.max())
        else:
            image, finding = np.nonzero(~np.isnan(labels))
            trait = 2 * finding + (labels[image, finding] == 1)
            self.num_traits = 2 * labels.shape[1]
        self.num_groups = 1 + int(groups.max())
        self.num_traits += 1
        image = np.concatenate([image, np.arange(len(labels))])
        trait = np.concatenate([trait, np.full(len(labels), self.num_traits - 1)])
        cells, self.count = np.unique(groups[image] * self.num_traits + trait, return_counts=True)
        self.group, self.trait = np.divmod(cells, self.num_traits)
        # the entries of group g are those from start[g] to start[g + 1]
        self.start = np.searchsorted(self.group, np.arange(self.num_groups + 1))
        self.totals = np.bincount(trait, minlength=self.num_traits)
        self.sizes = np.bincount(groups)

    def rows(self, groups: Integers) -> Integers:
        """Return the numbers of some groups as a table, `(groups, traits)`."""
        position = np.full(self.num_groups, -1)
        position[groups] = np.arange(groups.size)
        own = position[self.group] >= 0
        table = np.zeros((groups.size, self.num_traits), np.int64)
        table[position[self.group[own]], self.trait[own]] = self.count[own]
        return table

    def strata(self) -> Integers:
        """Return a number for each group that groups with the same numbers share."""
        # sums of random words: two strata that met by chance would be dealt as one, which costs balance only
        words = np.random.default_rng(0).integers(0, 2**63, self.num_traits, np.uint64)
        mixed = np.add.reduceat(self.count.astype(np.uint64) * words[self.trait], self.start[:-1])
        return np.unique(mixed, return_inverse=True)[1].reshape(-1)


class _Dealing:
    """The part of each group so far, and how far the parts are from their shares."""

    def __init__(self, table: GroupTable, sizes: Integers, num_limited: int) -> None:
        self.table = table
        self.targets = sizes
        self.num_images = int(table.totals[-1])
        self.part_of = np.full(table.num_groups, -1, np.int64)
        self.weights = np.maximum(1, self.num_images // np.maximum(1, table.totals))
        self.surplus = -(UNITS * sizes[:, None] * table.totals // max(1, self.num_images))
        unlimited = np.arange(sizes.size) >= num_limited
        self.room = np.where(unlimited, 2 * self.num_images, sizes)
        self.num_limited = num_limited

    def deal_strata(self, order: Integers) -> None:
        """Give each part its share of groups that are alike, rounded down."""
        stratum = self.table.strata()
        together = order[np.argsort(stratum[order], kind="stable")]
        counts = np.bincount(stratum)
        shares = counts[:, None] * self.targets // max(1, self.num_images)
        ends = np.cumsum(counts)
        for number in np.flatnonzero(shares.any(1)):
            begin = ends[number] - counts[number]
            dealt = together[begin : begin + shares[number].sum()]
            self.part_of[dealt] = np.repeat(np.arange(self.targets.size), shares[number])
        part = self.part_of[self.table.group]
        np.add.at(self.surplus, (part[part >= 0], self.table.trait[part >= 0]), UNITS * self.table.count[part >= 0])
        dealt = np.flatnonzero(self.part_of >= 0)
        np.subtract.at(self.room, self.part_of[dealt], self.table.sizes[dealt])

    def deal(self, groups: Integers) -> None:
        """Give each group to the part with room where it makes the sum of squared surpluses smallest."""
        start, trait, sizes = self.table.start, self.table.trait, self.table.sizes
        weighted = self.weights[trait] * self.table.count
        never = np.iinfo(np.int64).max
        for group in groups.tolist():
            own = slice(start[group], start[group + 1])
            growth = self.surplus[:, trait[own]] @ weighted[own]
            self._put(group, int(np.where(self.room >= sizes[group], growth, never).argmin()))

    def fill_empty(self) -> None:
        """Give each part without a group the smallest one that another part can spare."""
        for part in range(self.num_limited or self.targets.size):
            counts = np.bincount(self.part_of, minlength=self.targets.size)
            if counts[part]:
                continue
            spare = (counts > 1) | (np.arange(self.targets.size) >= (self.num_limited or self.targets.size))
            own = np.flatnonzero(spare[self.part_of] & (self.table.sizes <= self.room[part]))
            self._put(int(own[self.table.sizes[own].argmin()]), part)

    def exchange(self, groups: Integers) -> None:
        """Move groups to another part, or exchange two, as long as the sum of squared surpluses falls."""
        rows = self.table.rows(groups)
        weighted = rows * self.weights
        # everything that follows needs only products of groups with groups and with surpluses, not their traits
        product = rows @ weighted.T
        square = product.diagonal()
        pull = self.surplus @ weighted.T
        sizes, numbers = self.table.sizes[groups], np.arange(groups.size)
        never = np.iinfo(np.int64).max
        for _ in range(MOST_ROUNDS):
            changed = False
            for number, group in enumerate(groups.tolist()):
                part_of = self.part_of[groups]
                own = int(part_of[number])
                move = pull[:, number] - pull[own, number] + UNITS * square[number]
                lonely = np.count_nonzero(self.part_of == own) == 1
                possible = (self.room >= sizes[number]) & (np.arange(self.targets.size) != own) & (not lonely)
                move = np.where(possible, move, never)
                toll = pull[own] - pull[part_of, numbers] - pull[own, number] + pull[part_of, number]
                swap = toll + UNITS * (square + square[number] - 2 * product[number])
                more = sizes - sizes[number]
                possible = (part_of != own) & (self.room[own] >= more) & (self.room[part_of] >= -more)
                swap = np.where(possible, swap, never)
                goal, other = int(move.argmin()), int(swap.argmin())
                if min(move[goal], swap[other]) >= 0:
                    continue
                changed = True
                if move[goal] <= swap[other]:
                    gain = product[number]
                    self._put(group, goal)
                else:
                    goal = int(part_of[other])
                    gain = product[number] - product[other]
                    self._put(group, goal)
                    self._put(int(groups[other]), own)
                pull[goal] += UNITS * gain
                pull[own] -= UNITS * gain
            if not changed:
                break

    def fill_up(self, order: Integers) -> None:
        """Bring limited parts as near to their size as the groups that are in no part allow."""
        if not self.num_limited:
            return
        before = -1
        # an exchange leaves a small group free, which may fit into an earlier part
        while before != (before := int(self.room[: self.num_limited].sum())):
            for part in range(self.num_limited):
                self._fill_part(part, order)

    def _fill_part(self, part: int, order: Integers) -> None:
        sizes = self.table.sizes
        while self.room[part]:
            free = order[self.part_of[order] >= self.num_limited]
            fitting = free[sizes[free] <= self.room[part]]
            if fitting.size:
                self._put(int(fitting[sizes[fitting].argmax()]), part)
                continue
            own = order[self.part_of[order] == part]
            # the exchange that leaves the least room: a group of another size for one of this part's
            kinds, others = np.unique(sizes[own]), np.unique(sizes[free])
            more = others[None, :] - kinds[:, None]
            more = np.where((more > 0) & (more <= self.room[part]), more, 0)
            if not more.any():
                break
            small, large = np.unravel_index(int(more.argmax()), more.shape)
            self._put(int(own[sizes[own] == kinds[small]][0]), self.num_limited)
            self._put(int(free[sizes[free] == others[large]][0]), part)

    def _put(self, group: int, part: int) -> None:
        own = slice(self.table.start[group], self.table.start[group + 1])
        before = self.part_of[group]
        if before >= 0:
            self.surplus[before, self.table.trait[own]] -= UNITS * self.table.count[own]
            self.room[before] += self.table.sizes[group]
        self.part_of[group] = part
        self.surplus[part, self.table.trait[own]] += UNITS * self.table.count[own]
        self.room[part] -= self.table.sizes[group]
