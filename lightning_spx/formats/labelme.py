"""Reads the shapes that labelme drew on one photo."""

import base64
import binascii
import io
import math
from collections import Counter
from typing import Any

import numpy as np
from PIL import Image

from lightning_spx.formats.annotation_fields import field, whole
from lightning_spx.formats.image_names import same_stem
from lightning_spx.formats.mask_size import check_mask_size
from lightning_spx.formats.region import Region, Regions, Size, grouped
from lightning_spx.formats.shapes import check_inside, checked_points, ellipse, polygon, rectangle

WITHOUT_AREA = frozenset({"line", "linestrip", "point", "points"})
MASK_MODES = ("1", "L", "P")


def labelme_regions(content: dict[str, Any], image: str | None, size: Size | None) -> Regions:
    """Return the shapes of a labelme file: polygons, rectangles, circles and masks; lines and points are counted.

    Shapes of one label and one `group_id` are one instance. Pixels are inside if their centers are; labelme's own
    export adds the outline.

    Args:
        content: the parsed file.
        image: the photo's file name, compared with `imagePath` but for its ending; None to take any.
        size: height and width of the photo.

    Raises:
        ValueError: it is another photo's or of another size, or a shape is not what its type says.

    Example:
        >>> shape = {"label": "jay", "shape_type": "rectangle", "points": [[3, 1], [1, 2]]}
        >>> file = {"shapes": [shape], "imagePath": "1.jpg", "imageHeight": 3, "imageWidth": 4}
        >>> [(each.label, each.mask.astype(int).tolist()) for each in labelme_regions(file, "1.jpg", (3, 4))]
        [('jay', [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])]
    """
    if content.get("imageHeight") is None or content.get("imageWidth") is None:
        raise ValueError("it states no `imageHeight` and `imageWidth`: save it with a newer labelme.")
    found = whole(content, "imageHeight"), whole(content, "imageWidth")
    if image is not None and not same_stem(image, field(content, "imagePath", str)):
        raise ValueError(f"it holds the shapes of {content['imagePath']}.")
    check_mask_size(found, size)
    parts: list[tuple[Region, object | None]] = []
    left_out: Counter[str] = Counter()
    for shape in field(content, "shapes", list):
        if not isinstance(shape, dict):
            raise ValueError("a shape is no object.")
        # old files have no types, and null where they have
        kind = shape.get("shape_type") or "polygon"
        if kind in WITHOUT_AREA:
            left_out[kind] += 1
            continue
        group = shape.get("group_id")
        if not isinstance(group, int | str | None):
            raise ValueError("the `group_id` of a shape is neither a number nor a text.")
        parts.append((_region(shape, kind, found), group))
    return Regions(found, grouped(parts), left_out=dict(left_out))


def _region(shape: dict[str, Any], kind: object, size: Size) -> Region:
    label, points = field(shape, "label", str), field(shape, "points", list)
    if kind in ("polygon", "oriented_rectangle", "rotation") or (kind == "rectangle" and len(points) == 4):
        return polygon(label, checked_points(points, size), size)
    if kind not in ("rectangle", "circle", "mask"):
        raise ValueError(f"a shape is of the type {str(kind)[:40]!r}, which is unknown.")
    # a third point would change what two corners mean
    first, second = _two(points, size, str(kind))
    if kind == "rectangle":
        return polygon(label, rectangle(*first, *second), size)
    if kind == "circle":
        radius = math.dist(first, second)
        return ellipse(label, first, (radius, radius), 0, size)
    return _drawn(shape, label, first, second, size)


def _two(points: list[Any], size: Size, kind: str) -> tuple[tuple[float, float], tuple[float, float]]:
    if len(points) != 2:
        raise ValueError(f"a {kind} has {len(points)} points in place of two.")
    # the first one twice, because three are the fewest that are taken
    corners = checked_points([*points, points[0]], size)
    check_inside(corners, size)
    return (float(corners[0, 0]), float(corners[0, 1])), (float(corners[1, 0]), float(corners[1, 1]))


def _drawn(
    shape: dict[str, Any], label: str, first: tuple[float, float], second: tuple[float, float], size: Size
) -> Region:
    """Return a mask that is stored as a PNG file of its box, whose second corner is its last pixel."""
    left, top, right, bottom = (int(number) for number in (*first, *second))
    height, width = bottom - top + 1, right - left + 1
    if left < 0 or top < 0 or min(height, width) < 1 or bottom >= size[0] or right >= size[1]:
        raise ValueError(f"the box of a mask, {left}, {top} to {right}, {bottom}, leaves the photo.")
    try:
        stored = base64.b64decode(field(shape, "mask", str), validate=True)
    except binascii.Error as error:
        raise ValueError("a mask is not in base64.") from error
    with Image.open(io.BytesIO(stored), formats=["PNG"]) as picture:
        if picture.size != (width, height) or picture.mode not in MASK_MODES:
            raise ValueError(
                f"a mask is a picture of {picture.width} x {picture.height} of mode {picture.mode}, and its box of "
                f"{width} x {height}."
            )
        inside = np.asarray(picture) > 0
    return Region.of_part(label, 0, inside, (top, left), size)
