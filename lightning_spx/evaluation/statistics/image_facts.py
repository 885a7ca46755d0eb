"""What a comparison knows of its images besides the maps: labels, predictions, and which models saw which image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.evaluation.maps.findings import Items


@dataclass(frozen=True)
class ImageFacts:
    """What a comparison needs to know about the images besides their maps.

    If models explain findings, every map belongs to an item, an image with a finding, and N is the number of items.

    Args:
        index: (N,) each image's number in the data set.
        label: (N,) true classes.
        preds: (M, N) the models' predictions.
        held_out: (M, N) bool, which model did not train on which image, or None if no model saw any.
        permutation: (N,) a derangement: image n is mismatched with image permutation[n].
        items: the items, or None for one map of each image; `of_items` makes the facts about them.
    """

    index: Tensor
    label: Tensor
    preds: Tensor
    held_out: Tensor | None
    permutation: NDArray[np.int64]
    items: Items | None = None

    @classmethod
    def of_items(
        cls,
        index: Tensor,
        label: Tensor,
        preds: Tensor,
        held_out: Tensor | None,
        permutation: NDArray[np.int64],
        items: Items,
    ) -> Self:
        """Return the facts about the items of n images with K findings.

        Args:
            index: (n,) each image's number in the data set.
            label: (n, K) float, 0 or 1, or NaN where a finding is not said.
            preds: (M, n, K) int64, 1 where a model predicts a finding.
            held_out: (M, n) bool, or None.
            permutation: (n,) a derangement of the images in one cycle.
            items: the items.

        Raises:
            ValueError: fewer than two images have items.
        """
        image = items.image
        flags = None if held_out is None else held_out[:, image]
        other = items.mismatched(permutation)
        return cls(index[image], items.labels(label), items.of(preds), flags, other, items)

    def counting(self) -> Tensor:
        """Return which images count for which pair of models, (pairs, N)."""
        counts = torch.ones(comb(len(self.preds), 2), len(self.index), dtype=torch.bool)
        if self.held_out is not None:
            counts = counting_images(self.held_out)
        explained = None if self.items is None else self.items.explained
        if explained is not None:
            first, second = zip(*combinations(range(len(explained)), 2), strict=True)
            counts = counts & explained[list(first)] & explained[list(second)]
        return counts

    def of_models(self, models: Sequence[int]) -> "ImageFacts":
        """Return the facts about some of the models, as if they had seen no image in training."""
        items = self.items
        if items is not None and items.explained is not None:
            items = replace(items, explained=items.explained[list(models)])
        return replace(self, preds=self.preds[list(models)], held_out=None, items=items)

    def pooled_as(self, here: slice) -> slice | Tensor:
        """Return which of the poolings' images the maps at some places belong to."""
        return here if self.items is None else self.items.image[here]

    def columns(self) -> dict[str, object]:
        """Return the columns that name the map of each row: `index`, and `finding` if there are items."""
        index = self.index.numpy()
        if self.items is None:
            return {"index": index}
        findings = self.items.findings
        names = [findings[number] for number in self.items.finding.tolist()]
        return {"index": index, "finding": pd.Categorical(names, categories=list(findings))}


def counting_images(held_out: Tensor) -> Tensor:
    """Return which images count for which pair of models, (pairs, N): those that exactly one of the two did not see.

    Args:
        held_out: (M, N) bool, which model did not train on which image.
    """
    pairs = combinations(range(len(held_out)), 2)
    return torch.stack([held_out[first] ^ held_out[second] for first, second in pairs])


def check_pairs(held_out: Tensor | None) -> None:
    """Raise a ValueError if no image of a study counts for some pair of models."""
    if held_out is not None:
        for position, count in enumerate(counting_images(held_out).sum(1).tolist()):
            if not count:
                raise ValueError(f"Expected images that count for every pair of models, got none for pair {position}.")
