"""Marks of a bird that are there or not: each lies at another place, so that a map can be right about one alone."""

from typing import TYPE_CHECKING

import numpy as np

from lightning_spx.data.bird_parts import Plane, Point, ellipse, limb

if TYPE_CHECKING:
    from lightning_spx.data.bird_drawing import Anatomy

CREST, WING_BAR, TAIL_BAND = "crest", "wing bar", "tail band"
ATTRIBUTES = (CREST, WING_BAR, TAIL_BAND)
# white and black, the colors that no bird has
COLORS = {CREST: (0.05, 0.05, 0.08), WING_BAR: (0.97, 0.97, 0.95), TAIL_BAND: (0.97, 0.97, 0.95)}


def attribute_shape(attribute: str, anatomy: "Anatomy", x: Plane, y: Plane) -> Plane:
    """Return the distance to a mark, in the bird's own coordinates.

    Args:
        attribute: one of `ATTRIBUTES`.
        anatomy: the bird's measures.
        x: coordinates to the right, of every pixel.
        y: coordinates downward, of every pixel.

    Example:
        >>> from lightning_spx.data.bird_drawing import SHAPES
        >>> x = np.array([-1.0, 0.36], np.float32)
        >>> (attribute_shape("crest", SHAPES["songbird"], x, np.full(2, -1.0, np.float32)) < 0).tolist()
        [False, True]
    """
    length, height = anatomy.body
    head_x, head_y, head_radius = anatomy.head
    tail_x, tail_y, tail_width = anatomy.tail
    if attribute == CREST:
        top: Point = (head_x - 0.1, head_y - 0.8 * head_radius)
        return limb(x, y, top, (head_x - 0.34, head_y - head_radius - 0.36), (0.2, 0.07))
    if attribute == WING_BAR:
        return ellipse(x, y, (-0.12 * length, 0.0), (0.16, 0.42 * height), anatomy.tilt + 0.35)
    # across the tail, between its root and its end
    root = np.array((-0.4 * length, 0.1))
    end = np.array((tail_x, tail_y))
    along = (end - root) / np.hypot(*(end - root))
    across = np.array((-along[1], along[0])) * (tail_width + 0.1)
    middle = end - 0.12 * along
    return limb(x, y, tuple(middle - across), tuple(middle + across), (0.13, 0.13))
