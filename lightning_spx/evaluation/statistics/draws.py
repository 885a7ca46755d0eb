"""Computes the numbers of many cells in the same resamples.

A mean over resampled images is a sum of each image's values, times how often the image counts. So values are summed
over repeats, pairs and items once, and one matrix product gives the sums of all numbers in all resamples.
"""

import hashlib
from collections.abc import Hashable, Iterable, Mapping
from itertools import chain
from typing import TypeVar

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array, Flags, ratio
from lightning_spx.evaluation.statistics.cells import Cell
from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.reco import ResampledReco
from lightning_spx.runs.blocks import CEILING, VARIANTS

K = TypeVar("K", bound=Hashable)


def draws_of(metric: str, cell: Cell, weights: Array) -> Draws:
    """Compute a number and its nulls in every resample.

    Args:
        metric: `mege`, `reco`, or a metric that is a mean.
        cell: the per-image values.
        weights: (B, N), how often each image counts in each resample; all its items count as often.
    """
    return draws_of_all({metric: (metric, cell)}, [weights])[metric]


def draws_of_all(wanted: Mapping[K, tuple[str, Cell]], slabs: Iterable[Array]) -> dict[K, Draws]:
    """Compute the numbers of several metrics and cells, and their nulls, in the same resamples.

    Args:
        wanted: metrics, as `draws_of` takes them, and their cells.
        slabs: weights (b, N) of some resamples at a time, at least once.
    """
    rest = iter(slabs)
    first = next(rest)
    columns = _Columns(first.shape[1])
    means = {key: _means(metric, cell, columns) for key, (metric, cell) in wanted.items() if metric != "reco"}
    curves = {key: _curves(cell) for key, (metric, cell) in wanted.items() if metric == "reco"}
    sums: list[Array] = []
    found: dict[K, list[list[Array]]] = {key: [[] for _ in own] for key, own in curves.items()}
    for weights in chain([first], rest):
        sums.append(columns.sums(weights))
        for key, own in curves.items():
            for parts, curve in zip(found[key], own, strict=True):
                parts.append(curve.of(weights))
    total = np.concatenate(sums, axis=1)
    return {
        key: Draws(*map(np.concatenate, found[key])) if metric == "reco" else _draws(metric, total, means[key])
        for key, (metric, _) in wanted.items()
    }


class _Columns:
    """Numbers of images, (N,) each, kept once: most counts are the same."""

    def __init__(self, num_images: int) -> None:
        self.num_images = num_images
        self._columns: list[Array] = []
        self._positions: dict[bytes, int] = {}
        self._stacked: Array | None = None

    def add_mean(self, cell: Cell, values: Array, counts: Flags) -> tuple[int, int]:
        """Add the sum of the values (R, P, I) that count, and their number, and return where they are."""
        total = np.where(counts, values, 0.0).sum(1).sum(0)
        number = counts.sum((0, 1)).astype(np.float64)
        return self._add(cell, total), self._add(cell, number)

    def _add(self, cell: Cell, of_items: Array) -> int:
        column = of_items
        if cell.image is not None:
            column = np.bincount(cell.image, of_items, self.num_images).astype(np.float64)
        position = self._positions.setdefault(hashlib.sha256(column.tobytes()).digest(), len(self._columns))
        if position == len(self._columns):
            self._columns.append(column)
        return position

    def sums(self, weights: Array) -> Array:
        """Return the weighted sums (C, B) of all columns."""
        if self._stacked is None:
            self._stacked = np.stack(self._columns) if self._columns else np.empty((0, self.num_images))
            self._columns.clear()
        sums: Array = self._stacked @ weights.T
        return sums


def _means(metric: str, cell: Cell, columns: _Columns) -> list[tuple[int, int]]:
    names = [*VARIANTS, *([CEILING] if cell.has_ceiling else [])]
    values = [cell.variants[name] for name in names]
    return [
        columns.add_mean(cell, each, ~np.isnan(each) & cell.agree if metric == "mege" else ~np.isnan(each))
        for each in values
    ]


def _draws(metric: str, sums: Array, means: list[tuple[int, int]]) -> Draws:
    values = [ratio(sums[total], sums[number]) for total, number in means]
    # MeGe = 1 / (1 + mean distance over each pair's images that both models predict correctly)
    return Draws(*(1 / (1 + value) for value in values) if metric == "mege" else values)


def _curves(cell: Cell) -> list[ResampledReco]:
    # no two maps of one model are of images that only one model classifies correctly, so there is no ceiling
    return [ResampledReco(cell.variants[name], cell.agree, cell.differ, cell.image) for name in VARIANTS]
