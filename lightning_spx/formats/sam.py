"""Reads the masks of Segment Anything: the list that its mask generator returns, and the files of its data set."""

from typing import Any

from lightning_spx.formats.annotation_fields import field, whole
from lightning_spx.formats.coco import region_of, stated_size
from lightning_spx.formats.image_names import same_stem
from lightning_spx.formats.mask_size import check_mask_size
from lightning_spx.formats.region import Region, Regions, Size

# SAM's boxes end at the center of their last pixel, and some writers round them
BOX_PIXELS = 3
BOX_SHARE = 0.05


def sam_regions(content: dict[str, Any] | list[Any], image: str | None, size: Size | None) -> Regions:
    """Return SAM's masks; as they have no names, the label of each is its number, "1", "2" and so on.

    Args:
        content: the parsed file: a list of masks, or an object with `image` and `annotations` as in SA-1B.
        image: the photo's file name, compared with the one that SA-1B gives; None to take any.
        size: height and width of the photo.

    Raises:
        ValueError: it is another photo's or of another size, a mask is no run-length encoding, or it lies beside its
            own bounding box, as one whose rows were taken for columns does.

    Example:
        >>> masks = [{"segmentation": {"size": [2, 2], "counts": [1, 2, 1]}, "area": 2}]
        >>> [(each.label, each.mask.astype(int).tolist()) for each in sam_regions(masks, None, (2, 2))]
        [('1', [[0, 1], [1, 0]])]
    """
    if isinstance(content, dict):
        described = field(content, "image", dict)
        if "file_name" in described and image is not None and not same_stem(image, field(described, "file_name", str)):
            raise ValueError(f"it holds the masks of {described['file_name']}.")
        found = whole(described, "height"), whole(described, "width")
        check_mask_size(found, size)
        size = found
        masks = field(content, "annotations", list)
    else:
        masks = content
    if not masks and size is None:
        raise ValueError("it is empty, and states no size.")
    regions = []
    for number, each in enumerate(masks, start=1):
        segmentation = each.get("segmentation") if isinstance(each, dict) else None
        if isinstance(each, dict) and "image_id" in each:
            raise ValueError("it is a list of COCO's results, which name photos by numbers: add images and categories.")
        if not isinstance(segmentation, dict):
            raise ValueError(
                "a mask is no run-length encoding: give SamAutomaticMaskGenerator output_mode='uncompressed_rle' or "
                "'coco_rle'."
            )
        size = size or stated_size(segmentation)
        region = region_of(segmentation, str(number), size, number)
        _check_box(each, region)
        regions.append(region)
    if size is None:
        raise ValueError("it states no size.")
    return Regions(size, regions, tuple(each.label for each in regions))


def _check_box(mask: dict[str, Any], region: Region) -> None:
    box = mask.get("bbox")
    if box is None or not region.area:
        return
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(each, int | float) for each in box):
        raise ValueError("the `bbox` of a mask is no list of left, top, width and height.")
    height, width = region.inside.shape
    for stated, seen, side in zip(box, (region.left, region.top, width, height), region.size[::-1] * 2, strict=True):
        if not abs(stated - seen) <= max(BOX_PIXELS, BOX_SHARE * side):
            raise ValueError(
                f"its mask {region.label} covers the box {[region.left, region.top, width, height]}, and states {box}: "
                "run lengths go down the columns."
            )
