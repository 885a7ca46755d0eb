"""Arranges a study's per-image values by repeat, pair of models and image, so that weights of images apply to them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightning_spx.evaluation.statistics.bootstrap import Array, Flags
from lightning_spx.evaluation.statistics.trainings import Design
from lightning_spx.reporting.rows import ALL_IMAGES, BOTH_RIGHT, SAME_PREDICTION
from lightning_spx.runs.blocks import CEILING, VARIANTS

# flags of each value, which are columns of the values per image
FLAGS = ("agree", "differ", "same", "constant")
# rows of this plan compare networks that a user names, or architectures, which are no sample of others
OF_ARCHITECTURES = "models"


@dataclass(frozen=True)
class Cell:
    """The per-image values of one (method, superpixels, magnitude, metric, setting) over repeats, pairs and images.

    In a study of findings there is a value for each of I items, a finding of an image; else each image is an item.

    Args:
        variants: the values, their nulls and their ceiling, each (R, P, I); without a ceiling it is NaN.
        agree: (R, P, I), which items both models of a pair classify correctly.
        differ: (R, P, I), which items exactly one of them does.
        same: (R, P, I), for which items both models predict the same.
        constant: (R, P, I), which pairs of maps contain a constant map.
        segments: (I,) number of segments of each item's image.
        image: (I,) position of each item's image among the images; None if each image is an item.
    """

    variants: dict[str, Array]
    agree: Flags
    differ: Flags
    same: Flags
    constant: Flags
    segments: Array
    image: NDArray[np.int64] | None = None

    @property
    def mean_segments(self) -> float:
        """Return the mean number of segments."""
        return float(np.nanmean(self.segments))

    def pair(self, position: int) -> "Cell":
        """Return the values of one pair."""
        here = slice(position, position + 1)
        values = {name: value[:, here] for name, value in self.variants.items()}
        flags = {name: getattr(self, name)[:, here] for name in FLAGS}
        return replace(self, variants=values, **flags)

    def of_trainings(self, repeats: Flags, pairs: Flags) -> "Cell":
        """Return the values of the repeats (R,) and pairs (P,) that flags choose."""
        values = {name: value[repeats][:, pairs] for name, value in self.variants.items()}
        flags = {name: getattr(self, name)[repeats][:, pairs] for name in FLAGS}
        return replace(self, variants=values, **flags)

    def of_items(self, chosen: Flags) -> "Cell":
        """Return the values of the items that (I,) flags choose, of the same images."""
        values = {name: value.compress(chosen, -1) for name, value in self.variants.items()}
        flags = {name: getattr(self, name).compress(chosen, -1) for name in FLAGS}
        image = None if self.image is None else self.image[chosen]
        return replace(self, variants=values, segments=self.segments[chosen], image=image, **flags)

    def of_images(self, chosen: Flags) -> "Cell":
        """Return the values of the images that (N,) flags choose."""
        if self.image is None:
            return self.of_items(chosen)
        own = self.of_items(chosen[self.image])
        position = np.cumsum(chosen) - 1
        return replace(own, image=position[self.image[chosen[self.image]]])

    def given(self, condition: str) -> "Cell":
        """Return the values of the items that count under a condition on the predictions of a pair's two models.

        Args:
            condition: one of `CONDITIONS`.
        """
        counts = self.counts(condition)
        values = {name: np.where(counts, value, np.nan) for name, value in self.variants.items()}
        return replace(self, variants=values)

    def counts(self, condition: str) -> Flags:
        """Return which values (R, P, I) count under a condition."""
        return {ALL_IMAGES: np.ones_like(self.same), SAME_PREDICTION: self.same, BOTH_RIGHT: self.agree}[condition]

    @property
    def has_ceiling(self) -> bool:
        """Return whether all values have a ceiling; those of an earlier version have none."""
        valued = ~np.isnan(self.variants["value"])
        return CEILING in self.variants and bool(valued.any() and not np.isnan(self.variants[CEILING][valued]).any())

    def weights(self, weights: Array) -> Array:
        """Return weights (B, I) of items for weights (B, N) of images: the items of an image stay together."""
        return weights if self.image is None else weights.take(self.image, -1)

    def by_image(self, values: Array) -> Array:
        """Sum values (R, P, I) of items over the items of each image, (R, P, N)."""
        if self.image is None:
            return values
        summed = np.zeros((*values.shape[:2], int(self.image.max()) + 1))
        np.add.at(summed.T, self.image, values.T)
        return summed

    def num_images(self, chosen: Flags) -> int:
        """Count the images of the items that (R, P, I) flags choose in any repeat and pair."""
        items: Flags = chosen.max((0, 1))
        return int(items.sum()) if self.image is None else len(np.unique(self.image[items]))


@dataclass(frozen=True)
class Layout:
    """The repeats, pairs and images that a study's per-image values cover.

    Args:
        repeats: numbers of the repeats, sorted.
        pairs: names of the pairs, sorted.
        images: the images' numbers in the data set, sorted; of findings those that have an item.
        findings: names of the findings that have an item, in the order of their rows; empty if there are none.
        items: (I,) of each item, its image's position times the number of findings, plus its finding's; sorted.
        one_architecture: whether the models are trainings of one architecture, see `Design`.
    """

    repeats: NDArray[np.int64]
    pairs: list[str]
    images: NDArray[np.int64]
    findings: Sequence[str] = ()
    items: NDArray[np.int64] | None = None
    one_architecture: bool = True

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Self:
        """Return the layout of rows that are in memory."""
        layout = cls(
            repeats=np.sort(rows["repeat"].unique()),
            pairs=sorted(rows["pair"].unique()),
            images=np.sort(rows["index"].unique()),
            one_architecture=not ("plan" in rows and (rows["plan"] == OF_ARCHITECTURES).any()),
        )
        return layout.with_items([rows]) if "finding" in rows else layout

    def with_items(self, frames: Iterable[pd.DataFrame]) -> Self:
        """Return the layout with the items of rows that have the columns `index` and `finding`."""
        # the categories of a finding are in the order of the study
        pairs = pd.concat([rows[["index", "finding"]].drop_duplicates() for rows in frames], ignore_index=True)
        names = pd.Categorical(pairs["finding"]).remove_unused_categories()
        images = np.sort(pairs["index"].unique())
        findings = [str(name) for name in names.categories]
        layout = replace(self, images=images, findings=findings)
        return replace(layout, items=np.unique(layout._codes(pairs)))

    @property
    def design(self) -> Design:
        """Return the trainings behind repeats and pairs."""
        return Design(len(self.repeats), self.pairs, self.one_architecture)

    @property
    def finding_of_item(self) -> NDArray[np.int64]:
        """Return the number of each item's finding, (I,); without findings all images have number 0."""
        return np.zeros(len(self.images), np.int64) if self.items is None else self.items % len(self.findings)

    @property
    def num_items(self) -> int:
        """Return the number of items."""
        return len(self.images) if self.items is None else len(self.items)

    def places(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the position of each row's item, or of its image without findings."""
        if self.items is None:
            return np.searchsorted(self.images, rows["index"].to_numpy())
        return np.searchsorted(self.items, self._codes(rows))

    def empty_cell(self) -> Cell:
        """Return a cell without values, to be filled in."""
        shape = (len(self.repeats), len(self.pairs), self.num_items)
        flags = {name: np.zeros(shape, bool) for name in FLAGS}
        image = None if self.items is None else self.items // len(self.findings)
        values = {name: np.full(shape, np.nan) for name in (*VARIANTS, CEILING)}
        return Cell(values, segments=np.full(shape[-1], np.nan), image=image, **flags)

    def _codes(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        names = pd.Categorical(rows["finding"])
        finding = pd.Index(list(self.findings)).get_indexer(names.categories)[names.codes]
        image = np.searchsorted(self.images, rows["index"].to_numpy())
        return np.asarray(image * len(self.findings) + finding, np.int64)


def cells_of(frames: Iterable[pd.DataFrame], layout: Layout) -> dict[tuple[str, str], Cell]:
    """Arrange per-image values by repeat, pair and item, for each (superpixels, magnitude).

    Args:
        frames: rows of one method, metric and setting, some images at a time.
        layout: which repeats, pairs and items there are; where rows are missing, values are NaN.
    """
    cells: dict[tuple[str, str], Cell] = {}
    for frame in frames:
        names, orders = pd.Categorical(frame["superpixels"]), pd.Categorical(frame["magnitude"])
        pairs = pd.Categorical(frame["pair"])
        places = (
            np.searchsorted(layout.repeats, frame["repeat"].to_numpy()),
            np.searchsorted(layout.pairs, pairs.categories.to_numpy().astype(str))[pairs.codes],
            layout.places(frame),
        )
        # only rows about maps say which are constant; earlier versions do not say which answers are the same
        known = {name: frame[name].to_numpy() for name in (*VARIANTS, CEILING, *FLAGS) if name in frame}
        segments = frame["num_segments"].to_numpy()
        for rows in _rows_of_each(names.codes.astype(np.int64) * len(orders.categories) + orders.codes):
            key = str(names[rows[0]]), str(orders[rows[0]])
            if key not in cells:
                cells[key] = layout.empty_cell()
            cell = cells[key]
            place = tuple(each[rows] for each in places)
            for name, column in known.items():
                values = cell.variants[name] if name in cell.variants else getattr(cell, name)
                values[place] = column[rows]
            cell.segments[place[-1]] = segments[rows]
    return cells


def _rows_of_each(kind: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of the rows of each kind, in the order in which kinds appear."""
    order = np.argsort(kind, kind="stable")
    starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
    parts = np.split(order, starts[1:]) if len(order) else []
    yield from sorted(parts, key=lambda rows: int(rows[0]))
