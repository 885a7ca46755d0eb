"""SLIC and connectivity as slow loops over pixels, written from their definitions alone."""

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int]


def slow_cells(
    lab: NDArray[np.float64], n_segments: int, compactness: float, max_num_iter: int
) -> tuple[NDArray[np.int64], int]:
    """K-means where a pixel looks at the cells around the one it starts in; `lab` is (H, W, C)."""
    height, width, channels = lab.shape
    side = math.sqrt(height * width / n_segments)
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    home = {(y, x): (y * rows // height, x * columns // width) for y, x in np.ndindex(height, width)}
    place_weight = (compactness / max(height / rows, width / columns)) ** 2
    member = dict(home)
    center: dict[Place, NDArray[np.float64]] = {}
    for iteration in range(max_num_iter):
        if iteration:
            for place, (row, column) in home.items():
                around = [(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
                values = np.array([*lab[place], *place])
                weights = np.array([*[1] * channels, place_weight, place_weight])
                distances = {cell: weights @ (values - center[cell]) ** 2 for cell in around if cell in center}
                member[place] = min(distances, key=lambda cell: distances[cell])
        for cell in set(member.values()):
            places = [place for place in member if member[place] == cell]
            center[cell] = np.mean([[*lab[place], *place] for place in places], axis=0)
    labels = np.zeros((height, width), dtype=np.int64)
    for place, (row, column) in member.items():
        labels[place] = row * columns + column
    return labels, rows * columns


def neighbors(labels: NDArray[np.int64], place: Place) -> list[Place]:
    height, width = labels.shape
    y, x = place
    around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]


def slow_connected(labels: NDArray[np.int64], min_size: int) -> NDArray[np.int64]:
    """Flood the pieces of each label, then let those that are too small join their largest neighbor, all at once."""
    pieces = np.full(labels.shape, -1, dtype=np.int64)
    for number, start in enumerate(np.ndindex(labels.shape)):
        if pieces[start] >= 0:
            continue
        pieces[start], border = number, [start]
        while border:
            place = border.pop()
            for other in neighbors(labels, place):
                if pieces[other] < 0 and labels[other] == labels[place]:
                    pieces[other] = number
                    border.append(other)
    while True:
        sizes = Counter(pieces.flatten().tolist())
        small = [piece for piece, size in sizes.items() if size < min_size]
        if not small or len(sizes) == 1:
            break
        joins = []
        for piece in small:
            touching = {
                int(pieces[other])
                for place in zip(*np.nonzero(pieces == piece), strict=True)
                for other in neighbors(pieces, place)
            } - {piece}
            joins.append({piece, max(touching, key=lambda other: (sizes[other], -other))})
        groups: list[set[int]] = []
        for pair in joins:
            touched = [group for group in groups if group & pair]
            groups = [group for group in groups if not group & pair] + [pair.union(*touched)]
        for group in groups:
            pieces[np.isin(pieces, list(group))] = min(group)
    return np.unique(pieces, return_inverse=True)[1].reshape(labels.shape)


def slow_slic(
    lab: NDArray[np.float64], n_segments: int, compactness: float, max_num_iter: int, min_size_factor: float
) -> NDArray[np.int64]:
    """SLIC of one (H, W, C) image, such as one in CIELAB."""
    labels, cells = slow_cells(lab, n_segments, compactness, max_num_iter)
    return slow_connected(labels, int(min_size_factor * labels.size / cells))
