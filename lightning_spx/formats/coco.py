"""Reads the regions of one photo from a file of COCO, for many photos."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lightning_spx.formats.annotation_fields import field, whole
from lightning_spx.formats.image_names import ImageNames
from lightning_spx.formats.mask_size import check_mask_size
from lightning_spx.formats.region import Region, Regions, Size
from lightning_spx.formats.run_lengths import mask_of_runs, unpacked_counts
from lightning_spx.formats.shapes import checked_points

KEPT = ("id", "category_id", "segmentation", "iscrowd")


@dataclass(frozen=True)
class CocoFile:
    """A file of COCO, whose annotations are held as text, an eighth of the memory of their parsed form.

    Args:
        images: number and size of each photo, by its name.
        annotations: those of each photo as JSON, by its number.
        categories: name of each class, by its number.
    """

    images: dict[str, tuple[int, Size]]
    annotations: dict[int, bytes]
    categories: dict[int, str]

    @cached_property
    def names(self) -> ImageNames:
        """Return the names of the photos."""
        return ImageNames(self.images)

    @classmethod
    def of(cls, content: dict[str, Any]) -> "CocoFile":
        """Return the file of its parsed content.

        Raises:
            ValueError: a field is missing, a photo or a class is there twice, or an annotation is of no photo.
        """
        images: dict[str, tuple[int, Size]] = {}
        for image in field(content, "images", list):
            name = field(image, "file_name", str)
            if name in images:
                raise ValueError(f"it names the photo {name} twice.")
            images[name] = whole(image, "id"), (whole(image, "height"), whole(image, "width"))
        numbers = {number for number, _ in images.values()}
        if len(numbers) < len(images):
            raise ValueError(f"its {len(images)} photos have {len(numbers)} different numbers.")
        categories: dict[int, str] = {}
        for category in field(content, "categories", list):
            categories[whole(category, "id")] = field(category, "name", str)
        if len(categories) < len(content["categories"]) or len(set(categories.values())) < len(categories):
            raise ValueError("its categories have numbers or names twice.")
        parts: dict[int, list[Any]] = {}
        for annotation in field(content, "annotations", list):
            parts.setdefault(whole(annotation, "image_id"), []).append(
                {name: annotation[name] for name in KEPT if name in annotation}
            )
        if not parts.keys() <= numbers:
            raise ValueError(f"it annotates the photo of number {min(parts.keys() - numbers)}, which it does not list.")
        return cls(images, {number: json.dumps(each).encode() for number, each in parts.items()}, categories)

    def regions(self, image: str, size: Size | None) -> Regions:
        """Return the regions of one photo, a crowd as one instance.

        Args:
            image: its file name or path.
            size: its height and width.

        Raises:
            ValueError: the file does not name it, gives another size, or has a bounding box only.
        """
        number, found = self.images[self.names.find(image)]
        check_mask_size(found, size)
        annotations = json.loads(self.annotations.get(number, b"[]"))
        regions = [self._region(each, found, instance) for instance, each in enumerate(annotations, start=1)]
        return Regions(found, regions, tuple(self.categories.values()))

    def _region(self, annotation: dict[str, Any], size: Size, instance: int) -> Region:
        category = whole(annotation, "category_id")
        if category not in self.categories:
            raise ValueError(f"an annotation has the category {category}, which it does not list.")
        segmentation = annotation.get("segmentation")
        if segmentation and not isinstance(segmentation, list | dict):
            raise ValueError("a segmentation is neither a list of polygons nor run lengths.")
        if not segmentation:
            raise ValueError(
                f"its annotation {annotation.get('id')} has no segmentation: a bounding box is no mask, and has a "
                "column of its own in tables."
            )
        return region_of(segmentation, self.categories[category], size, instance)


def region_of(segmentation: list[Any] | dict[str, Any], label: str, size: Size, instance: int) -> Region:
    """Return the region of COCO's field `segmentation`: polygons, or run lengths as numbers or as a string.

    Several polygons are parts of one region; a polygon inside another makes no hole.

    Args:
        segmentation: the field.
        label: name of the region.
        size: height and width of the photo.
        instance: number of the region.

    Raises:
        ValueError: it is none of these, or of another size.

    Example:
        >>> region_of({"size": [2, 3], "counts": "222"}, "jay", (2, 3), instance=1).mask.astype(int).tolist()
        [[0, 1, 0], [0, 1, 0]]
    """
    if isinstance(segmentation, list):
        counts: Sequence[object] = unpacked_counts(_rasterized(segmentation, size))
    else:
        check_mask_size(stated_size(segmentation), size)
        lengths = segmentation.get("counts")
        if not isinstance(lengths, str | list):
            raise ValueError("the `counts` of run lengths are neither a string nor a list.")
        counts = unpacked_counts(lengths) if isinstance(lengths, str) else lengths
    inside, top, left = mask_of_runs(counts, size, by_columns=True)
    return Region(label, instance, inside, top, left, size)


def stated_size(run_lengths: dict[str, Any]) -> Size:
    """Return height and width of run lengths.

    Example:
        >>> stated_size({"size": [2, 3], "counts": [6]})
        (2, 3)
    """
    sides = field(run_lengths, "size", list)
    if len(sides) != 2 or any(type(side) is not int for side in sides):
        raise ValueError("the `size` of run lengths is no height and width.")
    check_mask_size((sides[0], sides[1]), None)
    return sides[0], sides[1]


def _rasterized(polygons: list[Any], size: Size) -> bytes:
    """Return the run lengths of polygons as COCO fills them."""
    try:
        from pycocotools import mask as coco
    except ImportError as error:
        raise ValueError('polygons of COCO need pycocotools: pip install "lightning_spx[coco]"') from error
    numbers = []
    for each in polygons:
        if not isinstance(each, list) or len(each) % 2:
            raise ValueError("a polygon is no list of x, y, x, y and so on.")
        # pycocotools takes four numbers for a box, and memory for points however far away
        checked_points([each[at : at + 2] for at in range(0, len(each), 2)], size)
        numbers.append([float(number) for number in each])
    counts: bytes = coco.merge(coco.frPyObjects(numbers, *size))["counts"]
    return counts
