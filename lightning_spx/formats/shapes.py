"""Fills polygons and ellipses by one rule: a pixel is inside if its center is.

The point (0, 0) is the upper left corner of the first pixel, whose center is (0.5, 0.5), as annotation tools draw it.
Pillow, OpenCV and scikit-image take (0, 0) as that center and add the outline: a square from 1 to 4 has 9 pixels here
and for COCO, and 16 for them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.region import Flags, Region, Size

Points = NDArray[np.float64]


def checked_points(numbers: object, size: Size) -> Points:
    """Return points as (n, 2) of x and y.

    Args:
        numbers: n pairs of numbers.
        size: height and width of the photo.

    Raises:
        ValueError: they are no pairs of numbers, fewer than three, or farther from the photo than it is large, as those
            of a photo of another size are.

    Example:
        >>> checked_points([[0, 0], [3, 0], [3, 4]], (8, 8)).shape
        (3, 2)
    """
    try:
        points = np.asarray(numbers, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("its points are no pairs of numbers.") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"its points are no pairs of numbers, but of shape {points.shape}.")
    if len(points) < 3:
        raise ValueError(f"a polygon has {len(points)} points, which enclose nothing.")
    check_inside(points, size)
    return points


def check_inside(points: Points, size: Size) -> None:
    """Refuse points that are not finite, or farther from the photo than it is large.

    Example:
        >>> check_inside(np.array([[30.0, 2.0]]), (8, 8))
        Traceback (most recent call last):
        ...
        ValueError: a point lies at 30, 2, far outside of 8 x 8 pixels.
    """
    extent = np.array(size[::-1], np.float64)
    far = ~((points >= -extent) & (points <= 2 * extent)).all(1)
    if far.any():
        x, y = points[far][0]
        raise ValueError(f"a point lies at {x:g}, {y:g}, far outside of {size[1]} x {size[0]} pixels.")


def polygon(label: str, points: Points, size: Size, instance: int = 0) -> Region:
    """Return the pixels whose centers a polygon encloses; where it crosses itself, by the even-odd rule.

    A center exactly on an edge belongs to the polygon on its right, or below it: polygons that share an edge neither
    overlap there nor leave a gap.

    Args:
        label: name of the region.
        points: (n, 2) x and y.
        size: height and width of the photo.
        instance: number of the region.

    Example:
        >>> polygon("square", np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 4.0], [1.0, 4.0]]), (8, 8)).area
        9
    """
    # rows and columns of the centers between the outermost points
    lowest, highest = points.min(0) - 0.5, points.max(0) - 0.5
    left, right = (min(max(0, math.ceil(x)), size[1]) for x in (lowest[0], highest[0]))
    top, bottom = (min(max(0, math.ceil(y)), size[0]) for y in (lowest[1], highest[1]))
    turns = np.zeros((bottom - top, right - left + 1), np.int32)
    for start, stop in zip(points, np.roll(points, -1, axis=0), strict=True):
        # from above to below, so that two polygons compute their common edge with the same rounding
        (x, y), (end_x, end_y) = (start, stop) if start[1] <= stop[1] else (stop, start)
        rows = np.arange(max(top, math.ceil(y - 0.5)), min(bottom, math.ceil(end_y - 0.5)))
        if len(rows):
            crossed = x + (rows + 0.5 - y) * ((end_x - x) / (end_y - y))
            columns = np.clip(np.ceil(crossed - 0.5), left, right).astype(np.int64)
            turns[rows - top, columns - left] += 1
    inside: Flags = np.cumsum(turns, axis=1)[:, :-1] % 2 == 1
    return Region.of_part(label, instance, inside, (top, left), size)


def rotated(points: Points, degrees: float) -> Points:
    """Return the corners of a box turned about its middle, clockwise as the photo is seen.

    Example:
        >>> rotated(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 4.0], [0.0, 4.0]]), 90).round(6).tolist()
        [[3.0, 1.0], [3.0, 3.0], [-1.0, 3.0], [-1.0, 1.0]]
    """
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = points.mean(0)
    return np.asarray((points - middle) @ turn + middle, np.float64)


def rectangle(x: float, y: float, other_x: float, other_y: float) -> Points:
    """Return the corners of an upright rectangle through two opposite corners."""
    return np.array([[x, y], [other_x, y], [other_x, other_y], [x, other_y]], np.float64)


def ellipse(
    label: str, center: tuple[float, float], radii: tuple[float, float], degrees: float, size: Size, instance: int = 0
) -> Region:
    """Return the pixels whose centers lie in an ellipse or on it.

    Args:
        label: name of the region.
        center: x and y.
        radii: along x and y before it is turned.
        degrees: by which it is turned, clockwise as the photo is seen.
        size: height and width of the photo.
        instance: number of the region.

    Raises:
        ValueError: a radius is not positive, or it lies far outside of the photo.

    Example:
        >>> ellipse("ring", (2.0, 2.0), (1.5, 1.5), 0, (4, 4)).mask.astype(int).tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    check_inside(np.array([center]), size)
    if not all(0 < radius <= 2 * sum(size) for radius in radii) or not math.isfinite(degrees):
        raise ValueError(
            f"an ellipse has the radii {radii[0]:g} and {radii[1]:g} and is turned by {degrees:g} degrees."
        )
    angle = math.radians(degrees)
    top, bottom = (min(max(0, round(center[1] + reach)), size[0]) for reach in (-max(radii) - 1, max(radii) + 1))
    left, right = (min(max(0, round(center[0] + reach)), size[1]) for reach in (-max(radii) - 1, max(radii) + 1))
    down, across = np.ogrid[top:bottom, left:right]
    x, y = across + 0.5 - center[0], down + 0.5 - center[1]
    along, beside = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    inside: Flags = (along / radii[0]) ** 2 + (beside / radii[1]) ** 2 <= 1
    return Region.of_part(label, instance, inside, (top, left), size)
