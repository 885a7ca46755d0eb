"""Draws explanations of single photos for a paper: one figure for each photo, and grids by methods or models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from lightning_spx.reporting.cell_grid import COLOURS, FONT, CellGrid
from lightning_spx.reporting.main_table import shortened

BAR_COLOUR = "#2a6f97"
NUM_BARS = 6
LONGEST_NAME = 24  # letters of a filter above a cell
BORDERED_SIZE = 512


@dataclass(frozen=True)
class PhotoMaps:
    """One photo with the maps of one model.

    Args:
        name: of the photo.
        photo: (H, W, 3) in [0, 1].
        label: name of the explained class.
        probability: of that class.
        segments: (H, W) ids from 0 of each segmenter, by name; filters have none.
        pixel: (H, W) saliency in [0, 1] of each method, by name.
        pooled: the same, pooled by each segmenter and filter: `pooled[method][name]`.

    Example:
        >>> image, one = np.zeros((8, 8, 3), np.float32), np.ones((8, 8), np.float32)
        >>> PhotoMaps("a.jpg", image, "owl", 0.5, {}, {"Gradient": one}, {}).caption
        'owl, 0.50'
    """

    name: str
    photo: NDArray[np.float32]
    label: str
    probability: float
    segments: Mapping[str, NDArray[np.int64]]
    pixel: Mapping[str, NDArray[np.float32]]
    pooled: Mapping[str, Mapping[str, NDArray[np.float32]]]

    @property
    def caption(self) -> str:
        """The explained class and its probability."""
        return f"{self.label}, {self.probability:.2f}"


def photo_figure(maps: PhotoMaps, said: str = "") -> Figure:
    """Draw a photo with all its maps, a row for each method.

    The columns are the photo, the pixel map, and for each segmenter the photo with borders, the S- map and bars of the
    strongest segments, whose numbers stand in the photo; for each filter its S- map.

    Args:
        maps: of the photo.
        said: a remark that ends the title.

    Example:
        >>> image, one = np.zeros((8, 8, 3), np.float32), np.ones((8, 8), np.float32)
        >>> ids = np.zeros((8, 8), np.int64)
        >>> maps = PhotoMaps("a", image, "owl", 0.5, {"Slic": ids}, {"Gradient": one}, {"Gradient": {"Slic": one}})
        >>> len(photo_figure(maps).axes)  # five cells and the color bar
        6
    """
    title = f"{maps.name}: {maps.caption}. {said}".removesuffix(". ")
    names = list(next(iter(maps.pooled.values()), {}))
    widths = [3 if name in maps.segments else 1 for name in names]
    grid = CellGrid([True] * len(maps.pixel), 2 + sum(widths), title)
    for row, (method, pixel) in enumerate(maps.pixel.items()):
        # headings of columns stand only above the first row; maps have their method's name in every row
        first = row == 0
        _photo(grid.cell(row, 0), maps.photo, "photo" if first else "")
        _map(grid.cell(row, 1), pixel, method)
        for number, name in enumerate(names):
            pooled, column = maps.pooled[method][name], 2 + sum(widths[:number])
            if name not in maps.segments:
                _map(grid.cell(row, column), pooled, f"S-{method}\n{shortened(name, LONGEST_NAME)}")
                continue
            ids = maps.segments[name]
            strongest = strongest_segments(ids, pooled)
            bordered = grid.cell(row, column)
            _photo(bordered, draw_borders(maps.photo, ids), f"{name}, {ids.max() + 1}" if first else "")
            for segment, _ in strongest:
                _number(bordered, ids, segment)
            _map(grid.cell(row, column + 1), pooled, f"S-{method}")
            _bars(grid.cell(row, column + 2), strongest, "strongest segments" if first else "")
    return grid.finish()


def maps_grid(columns: Mapping[str, Sequence[PhotoMaps]], methods: Mapping[str, str], title: str) -> Figure:
    """Draw photos in rows and methods or models in columns, each with its pixel map above its S- maps.

    Args:
        columns: the same photos under each heading.
        methods: the method whose maps are shown under each heading.
        title: of the figure.

    Raises:
        ValueError: there is no column or no photo.

    Example:
        >>> image, one = np.zeros((8, 8, 3), np.float32), np.ones((8, 8), np.float32)
        >>> ids = np.zeros((8, 8), np.int64)
        >>> maps = PhotoMaps("a", image, "owl", 0.5, {"Slic": ids}, {"Gradient": one}, {"Gradient": {"Slic": one}})
        >>> figure = maps_grid({"net": [maps]}, {"net": "Gradient"}, "Gradient")
        >>> len(figure.axes)  # photo, borders, pixel map, S- map, color bar
        5
    """
    if not columns or not all(columns.values()):
        raise ValueError("Expected at least one photo and one column, got none.")
    photos = next(iter(columns.values()))
    names = list(next(iter(photos[0].pooled.values()), {}))
    lines = 1 + len(names)
    headed = [line == 0 for _ in photos for line in range(lines)]
    grid = CellGrid(headed, 1 + len(columns), title)
    for number, first in enumerate(photos):
        _photo(grid.cell(lines * number, 0), first.photo, first.caption)
        for line, name in enumerate(names, start=1):
            ids = first.segments.get(name)
            if ids is not None:
                _photo(grid.cell(lines * number + line, 0), draw_borders(first.photo, ids), "")
            grid.side(lines * number + line, f"S-, {name}")
        grid.side(lines * number, "pixel")
        for column, (heading, maps) in enumerate(columns.items(), start=1):
            one, method = maps[number], methods[heading]
            # models may predict different classes for the same photo
            caption = heading if number == 0 else ""
            if one.caption != first.caption:
                caption = f"{caption}\n{one.caption}".strip()
            _map(grid.cell(lines * number, column), one.pixel[method], caption)
            for line, name in enumerate(names, start=1):
                _map(grid.cell(lines * number + line, column), one.pooled[method][name], "")
    return grid.finish()


def partitions_figure(
    names: Sequence[str],
    photos: NDArray[np.float32],
    labels: Mapping[str, Sequence[NDArray[np.int64]]],
    table: pd.DataFrame,
) -> Figure:
    r"""Draw photos in rows and their segments by several algorithms in columns, with counts, times and quality.

    Args:
        names: of the n photos.
        photos: (n, H, W, 3) in [0, 1].
        labels: n label maps (H, W) of each algorithm, by name.
        table: a row for each photo and algorithm: `image`, `superpixels`, `num_segments`, `milliseconds`, and, if they
            are known, `explained_variation` and `global_regularity`.

    Example:
        >>> row = {"image": "a", "superpixels": "Slic", "num_segments": 1, "milliseconds": 2.0}
        >>> photos, ids = np.zeros((1, 8, 8, 3), np.float32), np.zeros((8, 8), np.int64)
        >>> figure = partitions_figure(["a"], photos, {"Slic": [ids]}, pd.DataFrame([row]))
        >>> [axes.get_title() for axes in figure.axes]
        ['a', 'Slic\n1, 2 ms']
    """
    known = {"explained_variation", "global_regularity"} <= set(table.columns)
    lines = "number of segments, time on one thread"
    title = f"{lines}; EV: explained variation, GR: global regularity" if known else lines
    # the first row has the algorithms' names, too
    grid = CellGrid([1.5 if known and row == 0 else 1.0 for row in range(len(names))], 1 + len(labels), title)
    measured = {(row["image"], row["superpixels"]): row for row in table.to_dict("records")}
    for row, (name, photo) in enumerate(zip(names, photos, strict=True)):
        _photo(grid.cell(row, 0), photo, name if len(name) < 22 else f"{name[:20]}…")
        for column, (algorithm, maps) in enumerate(labels.items(), start=1):
            numbers = measured[name, algorithm]
            milliseconds = numbers["milliseconds"]
            text = f"{numbers['num_segments']}, {milliseconds:.{'3g' if milliseconds < 1000 else '0f'}} ms"
            if known:
                explained, regular = numbers["explained_variation"], numbers["global_regularity"]
                text += f"\n{_quality('EV', explained)}, {_quality('GR', regular)}"
            heading = f"{algorithm}\n{text}" if row == 0 else text
            _photo(grid.cell(row, column), draw_borders(photo, maps[row]), heading)
    return grid.figure


def _quality(name: str, value: float) -> str:
    return f"{name} {value:.2f}" if value == value else f"{name} -"


def strongest_segments(
    ids: NDArray[np.int64], saliency: NDArray[np.float32], count: int = NUM_BARS
) -> list[tuple[int, float]]:
    """Return the segments with the highest values, highest first; equal values are in the order of their ids.

    Args:
        ids: (H, W) from 0.
        saliency: (H, W), constant on each segment.
        count: number of segments to return at most.

    Example:
        >>> strongest_segments(np.array([[0, 1, 2]]), np.array([[0.5, 0.25, 1.0]], np.float32), count=2)
        [(2, 1.0), (0, 0.5)]
    """
    segments, first = np.unique(ids, return_index=True)
    values = saliency.ravel()[first]
    order = np.lexsort((segments, -values))[:count]
    return [(int(segments[place]), float(values[place])) for place in order]


def draw_borders(photo: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Draw the borders of segments into a photo, in black beside white, which is visible on any background.

    Small photos are enlarged first, so that borders are thin lines.

    Example:
        >>> draw_borders(np.zeros((2, 2, 3), np.float32), np.array([[0, 0], [1, 1]])).shape
        (512, 512, 3)
    """
    factor = _enlargement(ids)
    large = photo.repeat(factor, 0).repeat(factor, 1)
    labels = ids.repeat(factor, 0).repeat(factor, 1)
    borders: Callable[..., NDArray[np.bool_]] = find_boundaries
    large[borders(labels, mode="thick")] = 1.0
    large[borders(labels, mode="inner")] = 0.0
    return large


def _enlargement(ids: NDArray[np.int64]) -> int:
    return max(1, BORDERED_SIZE // int(max(ids.shape)))


def _heading(axes: Axes, heading: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(heading, fontsize=FONT, pad=3, parse_math=False)


def _photo(axes: Axes, photo: NDArray[np.float32], heading: str) -> None:
    axes.imshow(photo, interpolation="nearest")
    _heading(axes, heading)


def _map(axes: Axes, saliency: NDArray[np.float32], heading: str) -> None:
    axes.imshow(saliency, cmap=COLOURS, vmin=0, vmax=1, interpolation="nearest")
    _heading(axes, heading)


def _number(axes: Axes, ids: NDArray[np.int64], segment: int) -> None:
    """Write a segment's number at its pixel nearest to the center of mass, which itself may lie outside the segment."""
    places = np.argwhere(ids == segment)
    place = places[np.abs(places - places.mean(0)).sum(1).argmin()]
    factor = _enlargement(ids)
    y, x = (place + 0.5) * factor
    axes.text(
        x, y, str(segment), fontsize=6.5, color="black", ha="center", va="center",
        bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )  # fmt: skip


def _bars(axes: Axes, strongest: Sequence[tuple[int, float]], heading: str) -> None:
    places = range(len(strongest))
    axes.barh(places, [value for _, value in strongest], color=BAR_COLOUR, height=0.7)
    axes.set_xlim(0, 1)
    axes.set_ylim(NUM_BARS - 0.4, -0.6)
    for place, (segment, value) in zip(places, strongest, strict=True):
        axes.text(
            0.03, place, f"#{segment}  {value:.2f}", fontsize=7, va="center", color="white" if value > 0.5 else "black"
        )
    axes.spines[["top", "right"]].set_visible(False)
    _heading(axes, heading)
