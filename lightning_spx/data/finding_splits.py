"""Deals images with several findings to parts, each with the share of every finding that the whole has."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_spx.data.label_kinds import Labels

Integers = NDArray[np.int64]
# the exchange looks at pairs of images; more of them would take long and bring little
MOST_EXCHANGED = 500
MOST_ROUNDS = 5


def deal_findings(findings: Labels, sizes: Sequence[int], seed: int) -> list[Integers]:
    """Return parts of given sizes without common images, each with nearly the share of every finding of the whole.

    Images with the same set of findings are a stratum, and each part gets its share of it, rounded down. What is left
    over, such as the images of rare sets, is dealt one by one, those with the rarest finding first, to the part with
    room that lacks most of what the image has (iterative stratification, Sechidis et al. 2011). Then images are
    exchanged where that brings the shares nearer to those of the whole.

    Args:
        findings: `(n, K)`, 1 for present, 0 for absent and NaN for not said.
        sizes: number of images in each part; they add up to n.
        seed: decides which image goes where.

    Returns:
        Sorted positions, one array per part.

    Example:
        >>> findings = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2, np.float32)
        >>> [findings[part].sum(0).tolist() for part in deal_findings(findings, [4, 4], seed=0)]
        [[2.0, 2.0], [2.0, 2.0]]
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(findings))
    part_of = _deal_strata(findings, sizes, order)
    left = order[part_of[order] < 0]
    if left.size:
        balance = _Balance(findings, sizes, part_of)
        balance.deal(_rarest_first(findings, left))
        balance.exchange(generator.permutation(left)[:MOST_EXCHANGED])
    return [np.flatnonzero(part_of == part) for part in range(len(sizes))]


def _deal_strata(findings: Labels, sizes: Sequence[int], order: Integers) -> Integers:
    """Return the part of each image, -1 for those that are left over."""
    part_of = np.full(len(findings), -1, np.int64)
    # a number for NaN, which is not equal to itself
    _, stratum = np.unique(np.nan_to_num(findings, nan=-1.0), axis=0, return_inverse=True)
    stratum = stratum.reshape(-1)
    together = order[np.argsort(stratum[order], kind="stable")]
    ends = np.cumsum(np.bincount(stratum[order], minlength=1))
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        counts = np.array(sizes) * (end - start) // max(1, len(findings))
        part_of[together[start : start + counts.sum()]] = np.repeat(np.arange(len(sizes)), counts)
    return part_of


def _rarest_first(findings: Labels, left: Integers) -> Integers:
    """Return the images in the order of how rare their rarest finding is; those without any come last."""
    present = findings[left] == 1
    rarity = np.where(present, (findings == 1).sum(0), len(findings) + 1).min(1)
    return left[np.argsort(rarity, kind="stable")]


class _Balance:
    """How many images with and without each finding a part has beyond its share.

    All numbers are whole (surpluses are counted in n-th parts of an image), so that every machine makes the same split.
    """

    def __init__(self, findings: Labels, sizes: Sequence[int], part_of: Integers) -> None:
        self.part_of = part_of
        self.num_images = len(findings)
        self.traits = np.concatenate([findings == 1, findings == 0], axis=1).astype(np.int64)
        self.room = np.array(sizes) - np.bincount(part_of[part_of >= 0], minlength=len(sizes))
        counts = np.stack([self.traits[part_of == part].sum(0) for part in range(len(sizes))])
        self.surplus = self.num_images * counts - np.outer(np.array(sizes), self.traits.sum(0))

    def deal(self, images: Integers) -> None:
        """Give each image to the part where it makes the sum of squared surpluses smallest."""
        for image in images:
            growth = self.surplus @ self.traits[image]
            # of equal parts the one with the most room, so that the last images still have a choice
            best = next(part for part in np.lexsort((-self.room, growth)) if self.room[part] > 0)
            self.part_of[image] = best
            self.room[best] -= 1
            self.surplus[best] += self.num_images * self.traits[image]

    def exchange(self, images: Integers) -> None:
        """Exchange images of two parts as long as the sum of squared surpluses falls."""
        traits = self.traits[images]
        for _ in range(MOST_ROUNDS):
            before = self.part_of[images].copy()
            for number, image in enumerate(images):
                own, others = self.part_of[image], self.part_of[images]
                gain = traits - traits[number]
                growth = ((self.surplus[own] - self.surplus[others]) * gain + self.num_images * gain**2).sum(1)
                other = int(np.where(others == own, 0, growth).argmin())
                if others[other] != own and growth[other] < 0:
                    self.surplus[own] += self.num_images * gain[other]
                    self.surplus[others[other]] -= self.num_images * gain[other]
                    self.part_of[image], self.part_of[images[other]] = others[other], own
            if np.array_equal(before, self.part_of[images]):
                break
