"""Reads the regions of one photo from CVAT's format for images 1.1, for many photos."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lightning_spx.formats.annotation_fields import MAX_BYTES
from lightning_spx.formats.image_names import ImageNames
from lightning_spx.formats.mask_size import check_mask_size
from lightning_spx.formats.region import Region, Regions, Size, grouped
from lightning_spx.formats.run_lengths import mask_of_runs
from lightning_spx.formats.shapes import checked_points, ellipse, polygon, rectangle, rotated

WITHOUT_AREA = frozenset({"polyline", "points", "tag", "skeleton", "cuboid"})
WITH_AREA = frozenset({"polygon", "box", "ellipse", "mask"})


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Builds the tree of a file that defines no entities, which only a DOCTYPE can."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE, which CVAT's files do not.")


@dataclass(frozen=True)
class CvatFile:
    """A file of CVAT, whose photos are held as text.

    Args:
        images: size and element of each photo, by its name.
        labels: the labels that it defines and those that it uses.
    """

    images: dict[str, tuple[Size, bytes]]
    labels: tuple[str, ...]

    @cached_property
    def names(self) -> ImageNames:
        """Return the names of the photos."""
        return ImageNames(self.images)

    @classmethod
    def read(cls, path: Path) -> "CvatFile":
        """Return the file of a path.

        Raises:
            ValueError: it is no file of CVAT for images, such as one for videos, or it has a DOCTYPE.
        """
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has {path.stat().st_size} bytes, more than {MAX_BYTES}: split it.")
        root: Any = ElementTree.parse(path, ElementTree.XMLParser(target=_WithoutDoctype())).getroot()
        if root.tag != "annotations":
            raise ValueError(f"its first element is {root.tag[:40]}, and that of CVAT is annotations.")
        if root.find("track") is not None:
            raise ValueError("it is CVAT's format for videos: export CVAT for images 1.1.")
        images: dict[str, tuple[Size, bytes]] = {}
        for element in root.findall("image"):
            name = _text(element, "name")
            if name in images:
                raise ValueError(f"it names the photo {name} twice.")
            found = int(_number(element, "height")), int(_number(element, "width"))
            images[name] = found, ElementTree.tostring(element)
        defined = [each.findtext("name") or "" for each in root.iterfind("./meta//labels/label")]
        used = [shape.get("label", "") for element in root.findall("image") for shape in element]
        return cls(images, tuple(dict.fromkeys([*defined, *used])))

    def regions(self, image: str, size: Size | None) -> Regions:
        """Return the regions of one photo, those of the highest `z_order` last.

        Shapes of one label and one `group_id` are one instance; polylines, points, tags, skeletons and cuboids are
        counted.

        Args:
            image: its file name or path.
            size: its height and width.

        Raises:
            ValueError: the file does not name it, gives another size, or a shape is not what its element says.
        """
        found, stored = self.images[self.names.find(image)]
        check_mask_size(found, size)
        shapes: list[tuple[float, Region, object | None]] = []
        left_out: Counter[str] = Counter()
        for shape in ElementTree.fromstring(stored):
            if shape.tag in WITHOUT_AREA or shape.get("outside") == "1":
                left_out[shape.tag] += 1
                continue
            if shape.tag not in WITH_AREA:
                raise ValueError(f"it holds an element {shape.tag[:40]}, which is unknown.")
            # CVAT writes 0 for no group, or leaves it out
            group = shape.get("group_id", "0")
            order = _number(shape, "z_order") if "z_order" in shape.attrib else 0.0
            shapes.append((order, _region(shape, found), None if group in ("", "0") else group))
        shapes.sort(key=lambda each: each[0])
        return Regions(found, grouped([each[1:] for each in shapes]), self.labels, dict(left_out))


def _region(shape: ElementTree.Element, size: Size) -> Region:
    label = _text(shape, "label")
    turned = _number(shape, "rotation") if "rotation" in shape.attrib else 0.0
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in _text(shape, "points").split(";")]
        return polygon(label, checked_points(pairs, size), size)
    if shape.tag == "box":
        left, top, right, bottom = (_number(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
        corners = rectangle(left, top, right, bottom)
        corners = checked_points(rotated(corners, turned) if turned else corners, size)
        return polygon(label, corners, size)
    if shape.tag == "ellipse":
        x, y, across, down = (_number(shape, name) for name in ("cx", "cy", "rx", "ry"))
        return ellipse(label, (x, y), (across, down), turned, size)
    left, top, width, height = (int(_number(shape, name)) for name in ("left", "top", "width", "height"))
    if min(left, top) < 0 or min(width, height) < 1 or left + width > size[1] or top + height > size[0]:
        raise ValueError(f"the box of a mask, {width} x {height} at {left}, {top}, leaves the photo.")
    counts = [int(number) for number in _text(shape, "rle").split(",")]
    inside, first, begin = mask_of_runs(counts, (height, width), by_columns=False)
    return Region.of_part(label, 0, inside, (top + first, left + begin), size)


def _text(element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise ValueError(f"an element {element.tag} lacks `{name}`.")
    return str(value)


def _number(element: ElementTree.Element, name: str) -> float:
    value = _text(element, name)
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"`{name}` of an element {element.tag} is no number.") from error
