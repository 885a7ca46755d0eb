"""Holds a number of each image for one kind of map, and says how it is distributed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_spx.reporting.rows import AFTER, BEFORE, EITHER, is_as_given, prefix_of, said_of

PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class ImageValues:
    """A number of one kind of map for each image.

    Args:
        method: the method's name in tables.
        superpixels: what pools the map.
        magnitude: order of pooling and taking magnitudes.
        values: (N,) mean of each image over pairs of models and repeats.
        floors: (N,) the same of the null value that is the floor of the kind.
    """

    method: str
    superpixels: str
    magnitude: str
    values: NDArray[np.float64]
    floors: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse kinds without images.

        Raises:
            ValueError: there is no image, or not one floor for each.
        """
        if not len(self.values) or self.values.shape != self.floors.shape:
            shapes = f"{self.values.shape} and {self.floors.shape}"
            raise ValueError(f"Expected a value and a floor for each image, got shapes {shapes}.")

    @property
    def percentiles(self) -> tuple[float, float, float]:
        """The 10th, 50th and 90th percentile of the images."""
        low, median, high = np.percentile(self.values, PERCENTILES)
        return float(low), float(median), float(high)

    @property
    def below_floor(self) -> float:
        """The share of images whose value is below their own floor."""
        return float((self.values < self.floors).mean())


def drawn_kinds(kinds: Sequence[ImageValues]) -> list[ImageValues]:
    """Leave one of two magnitude orders out, as the bars do: `before`, where there is `after`."""
    left_out = BEFORE if any(kind.magnitude == AFTER for kind in kinds) else ""
    return [kind for kind in kinds if kind.magnitude != left_out]


def kind_name(kind: ImageValues) -> str:
    """Name a kind of map in a sentence.

    Example:
        >>> kind_name(ImageValues("Gradient", "Slic", "after", np.ones(1), np.zeros(1)))
        'S-Gradient with Slic, after'
    """
    order = "" if kind.magnitude == EITHER or is_as_given(kind.superpixels) else f", {kind.magnitude}"
    return f"{prefix_of(kind.superpixels)}{kind.method} {said_of(kind.superpixels)}{order}"
