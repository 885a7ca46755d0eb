"""Shapes as signed distances (negative inside, in units of the coordinates), from which soft edges are drawn."""

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating]
Point = tuple[float, float]


def ellipse(x: Plane, y: Plane, center: Point, radii: Point, angle: float = 0.0) -> Plane:
    """Return the distance to an ellipse rotated by `angle` radians (to first order: exact on the edge).

    Example:
        >>> x = np.array([0.0, 2.0, 3.0], np.float32)
        >>> ellipse(x, 0 * x, center=(0.0, 0.0), radii=(2.0, 1.0)).tolist()
        [-1.0, 0.0, 1.0]
    """
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    across = (x - center[0]) * cos + (y - center[1]) * sin
    along = (y - center[1]) * cos - (x - center[0]) * sin
    radius = np.hypot(across / radii[0], along / radii[1])
    steepness = np.hypot(across / radii[0] ** 2, along / radii[1] ** 2)
    inside = np.float32(-min(radii))
    distance: Plane = np.where(steepness > 1e-6, radius * (radius - 1) / np.maximum(steepness, 1e-6), inside)
    return distance


def limb(x: Plane, y: Plane, start: Point, end: Point, radii: Point) -> Plane:
    """Return the distance to a line with round ends that tapers from the first radius to the second.

    Example:
        >>> x = np.array([0.0, 5.0], np.float32)
        >>> limb(x, 0 * x + 3, start=(0.0, 0.0), end=(10.0, 0.0), radii=(1.0, 2.0)).tolist()
        [2.0, 1.5]
    """
    direction_x, direction_y = end[0] - start[0], end[1] - start[1]
    length = direction_x**2 + direction_y**2
    share = np.clip(((x - start[0]) * direction_x + (y - start[1]) * direction_y) / length, 0, 1)
    reach = np.hypot(x - start[0] - share * direction_x, y - start[1] - share * direction_y)
    distance: Plane = reach - (radii[0] + share * (radii[1] - radii[0]))
    return distance
