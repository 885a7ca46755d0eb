"""Measures how much agreement chance alone gives: the null maps beside a study's own, and the floor of a number.

Every value of a study has two null values. One is the value of maps whose pixels were permuted, which have no signal
left. The other is the value of maps of two different images, which share only what all images share. The larger of the
two is the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_spx.evaluation.statistics.bootstrap import Array, ratio

if TYPE_CHECKING:
    from torch import Tensor


def permute_pixels(
    attribution: Tensor, index: Sequence[int], model: int, seed: int, finding: Sequence[int] | None = None
) -> Tensor:
    """Permute each attribution's values over the pixels, which leaves neither signal nor smoothness.

    Args:
        attribution: (N, C, H, W); the channels of a pixel stay together.
        index: each image's number, so that the permutation does not depend on the batch.
        model: number of the model, so that two models' permutations are independent.
        seed: the study's seed.
        finding: number of each image's explained finding, so that two findings of an image permute differently; None
            without findings, which is the same as the first one.

    Returns:
        (N, C, H, W).

    Example:
        >>> import torch
        >>> permute_pixels(torch.arange(4.0).view(1, 1, 2, 2), index=[7], model=0, seed=0).flatten().sort().values
        tensor([0., 1., 2., 3.])
    """
    import torch  # imported late: `spx report` reads floors without it

    num_pixels = attribution[0, 0].numel()
    seeds = _seeds(index, model, seed, finding)
    orders = np.stack([np.random.default_rng(each).permutation(num_pixels) for each in seeds])
    order = torch.from_numpy(orders).to(attribution.device)[:, None].expand(-1, attribution.shape[1], -1)
    return attribution.flatten(2).gather(2, order).view_as(attribution)


def permute_segments(
    attribution: Tensor,
    segments: Tensor,
    index: Sequence[int],
    model: int,
    seed: int,
    finding: Sequence[int] | None = None,
) -> Tensor:
    """Permute the values of each map over its segments: the null of a map that has one value for each segment.

    Args:
        attribution: (N, C, H, W), constant on segments.
        segments: (N, H, W) int64.
        index: as for `permute_pixels`.
        model: as for `permute_pixels`.
        seed: as for `permute_pixels`.
        finding: as for `permute_pixels`.

    Returns:
        (N, C, H, W).

    Example:
        >>> import torch
        >>> maps, ids = torch.tensor([[[[5.0, 5.0, 7.0]]]]), torch.tensor([[[0, 0, 1]]])
        >>> permute_segments(maps, ids, index=[7], model=0, seed=3)
        tensor([[[[7., 7., 5.]]]])
    """
    import torch  # imported late, as below

    results = []
    for each, ids, start in zip(attribution, segments, _seeds(index, model, seed, finding), strict=True):
        _, first = np.unique(ids.numpy(force=True), return_index=True)
        lender = first[np.random.default_rng(start).permutation(len(first))]
        results.append(each.flatten(1)[:, torch.from_numpy(lender).to(each.device)[ids.to(each.device)]])
    return torch.stack(results) if results else attribution


def _seeds(index: Sequence[int], model: int, seed: int, finding: Sequence[int] | None) -> list[list[int]]:
    # the first finding adds nothing: a single one permutes as the same study of a binary classifier does
    ends = [[number] if number else [] for number in finding or [0] * len(index)]
    return [[seed, model, image, *end] for image, end in zip(index, ends, strict=True)]


def with_nulls(
    attributions: Tensor,
    here: slice,
    index: Tensor,
    permutation: NDArray[np.int64],
    seed: int,
    model_offset: int,
    finding: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return the attributions of some images and their two nulls.

    Args:
        attributions: (M, N, C, H, W) the attributions of all images.
        here: which of the images to return.
        index: (N,) each image's number, which seeds its permutation.
        permutation: (N,) a derangement: image n is mismatched with image permutation[n].
        seed: the study's seed.
        model_offset: number of the first model in the whole study.
        finding: (N,) number of each image's explained finding, or None, as for `permute_pixels`.

    Returns:
        Attributions (M, n, C, H, W) by the names of `VARIANTS`: as they are, with permuted pixels, and those of the
        images that the chosen ones are mismatched with.
    """
    import torch  # imported late, as above

    own = attributions[:, here]
    numbers = index[here].tolist()
    findings = None if finding is None else finding[here].tolist()
    permuted = [permute_pixels(each, numbers, model_offset + model, seed, findings) for model, each in enumerate(own)]
    mismatched = attributions[:, torch.from_numpy(permutation[here])]
    return {"value": own, "permuted": torch.stack(permuted), "mismatched": mismatched}


@dataclass(frozen=True)
class Draws:
    """The bootstrap draws of a row's statistic and of its two nulls, each (B,) with the number itself first.

    Args:
        value: the statistic of the maps as they are.
        permuted: the statistic of maps whose values were permuted over the pixels.
        mismatched: the statistic of maps of two different images.
        ceiling: the statistic of each model's maps and its own under another seed of the method; None or NaN without.
    """

    value: Array
    permuted: Array
    mismatched: Array
    ceiling: Array | None = None

    @property
    def floor(self) -> Array:
        """Return the larger null value of each resample."""
        return np.fmax(self.permuted, self.mismatched)

    @property
    def larger_null(self) -> str:
        """Return which of the two nulls is the floor."""
        return "mismatched" if np.fmax(self.permuted[0], self.mismatched[0]) == self.mismatched[0] else "permuted"

    @property
    def normalised(self) -> Array:
        """Return how far the value is on the way from its floor to its ceiling; NaN where that is not above it."""
        if self.ceiling is None:
            return np.full(len(self.value), np.nan)
        return ratio(self.value - self.floor, self.ceiling - self.floor)

    @property
    def excess(self) -> Array:
        """Return how far the value is on the way from its floor to the perfect value 1; NaN where the floor is 1."""
        return ratio(self.value - self.floor, 1 - self.floor)
