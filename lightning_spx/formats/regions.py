"""Reads the regions of one photo from files of annotation tools, and joins them to one mask or one map of ids."""

import struct
import unicodedata
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.formats.annotation_fields import parsed_json
from lightning_spx.formats.coco import CocoFile
from lightning_spx.formats.cvat import CvatFile
from lightning_spx.formats.labelme import labelme_regions
from lightning_spx.formats.once import warn_once
from lightning_spx.formats.region import Flags, Region, Regions, Size
from lightning_spx.formats.sam import sam_regions

__all__ = ["Overlap", "Region", "Regions", "label_map", "read_regions", "union"]

Overlap = Literal["smallest", "last", "refuse"]
# what the parsers of JSON, XML, and the pictures of labelme raise on damaged files
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, ElementTree.ParseError),
    *(LookupError, TypeError, AttributeError, ArithmeticError, struct.error, zlib.error, MemoryError, RecursionError),
)
# files for many photos are parsed once, for training and test and one more
KEPT_FILES = 3
_FILES: OrderedDict[tuple[str, int, int], CocoFile | CvatFile] = OrderedDict()
# images are read in threads, and a large file is to be parsed by one of them
_LOCK = Lock()
SHOWN = 10


def read_regions(path: Path, image: str | None = None, size: Size | None = None) -> Regions:
    """Return the regions of one photo from a file of COCO, SAM, labelme or CVAT, known by its content.

    Files for many photos (COCO, CVAT) are parsed once in a process, and the last three are held as text, about as much
    memory as their files take; while one is parsed it takes up to eight times that.

    Args:
        path: the file.
        image: the photo's file name or path, which chooses among the photos of the file, or is compared with the one
            that it names; None if the file is known to be the photo's own.
        size: height and width of the photo, upright; None to take that of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, is of another tool, does not name the photo, or is of another size; in one line
            with the file's name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "jay.json")
        ...     _ = path.write_text('[{"segmentation": {"size": [2, 2], "counts": [2, 2]}}]')
        ...     [region.mask.astype(int).tolist() for region in read_regions(path)]
        [[[0, 1], [0, 1]]]
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected regions{f' of {image}' if image else ''} in {path}, found no such file.")
    try:
        found = _read(path, image, size)
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected regions{f' of {image}' if image else ''} in {path}: {reason}") from error
    if found.left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found.left_out.items())
        warn_once("shapes without an area", f"{path} holds {kinds}, which have no area and are left out, as in others.")
    return found


def is_annotation(beginning: bytes) -> bool:
    r"""Return whether the first bytes of a file are those of JSON or XML.

    Example:
        >>> is_annotation(b" [{"), is_annotation(b"\\x89PNG")
        (True, False)
    """
    return beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[", b"<")


def _read(path: Path, image: str | None, size: Size | None) -> Regions:
    with _LOCK:
        file = _opened(path)
    if not isinstance(file, CocoFile | CvatFile):
        if isinstance(file, dict) and "shapes" in file:
            return labelme_regions(file, image, size)
        return sam_regions(file, image, size)
    if image is None:
        if len(file.images) != 1:
            raise ValueError(f"it is for {len(file.images)} photos, and it is not said which one.")
        image = next(iter(file.images))
    return file.regions(image, size)


def _opened(path: Path) -> CocoFile | CvatFile | dict[str, Any] | list[Any]:
    state = path.stat()
    key = str(path.resolve()), state.st_mtime_ns, state.st_size
    if key not in _FILES:
        content = _parsed(path)
        if not isinstance(content, CocoFile | CvatFile):
            return content
        _FILES[key] = content
        while len(_FILES) > KEPT_FILES:
            _FILES.popitem(last=False)
    _FILES.move_to_end(key)
    return _FILES[key]


def _parsed(path: Path) -> CocoFile | CvatFile | dict[str, Any] | list[Any]:
    with path.open("rb") as file:
        beginning = file.read(64)
    if not is_annotation(beginning):
        raise ValueError("it is neither JSON nor XML.")
    if beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return CvatFile.read(path)
    content = parsed_json(path)
    if isinstance(content, list) or (isinstance(content, dict) and ("shapes" in content or "image" in content)):
        return content
    if isinstance(content, dict) and "images" in content and "annotations" in content:
        return CocoFile.of(content)
    raise ValueError("it is JSON of none of COCO, SAM and labelme.")


def union(regions: Regions, labels: Sequence[str] | None = None) -> Flags:
    """Return where any region of the given labels is, (H, W).

    Args:
        regions: those of one photo.
        labels: the names that count; None for all.

    Raises:
        ValueError: a name is none of the labels that the file defines. A file of labelme defines none, so that there a
            name that its photo does not have is no error.

    Example:
        >>> jay = Region.of_mask("jay", np.array([[True, False]]), instance=1)
        >>> union(Regions((1, 2), [jay], names=("jay", "robin")), ["robin"])
        array([[False, False]])
    """
    wanted = None if labels is None else {_composed(label) for label in labels}
    if labels is not None and regions.names is not None:
        known_names = {_composed(name) for name in regions.names}
        unknown = [label for label in labels if _composed(label) not in known_names]
        if unknown:
            more = f" and {len(regions.names) - SHOWN} more" if len(regions.names) > SHOWN else ""
            known = ", ".join(regions.names[:SHOWN])
            raise ValueError(f"Expected `labels` to be among {known}{more}, got {', '.join(unknown)}.")
    mask = np.zeros(regions.size, np.bool_)
    for region in regions:
        if wanted is None or _composed(region.label) in wanted:
            mask[region.place] |= region.inside
    return mask


def _composed(label: str) -> str:
    # two spellings of one letter look alike, and tools differ in which they write
    return unicodedata.normalize("NFC", label)


def label_map(regions: Regions, overlap: Overlap = "smallest") -> NDArray[np.int64]:
    """Return the number of each pixel's instance, (H, W) int64, 0 where there is none.

    Args:
        regions: those of one photo.
        overlap: which of several instances has a pixel: the `smallest` one, of equal ones the later; the `last` one in
            the order of the file, or of `z_order` where it has that; or `refuse`.

    Raises:
        ValueError: two instances overlap, and `overlap` is `refuse`; or `overlap` is none of the three.

    Example:
        >>> whole = Region.of_mask("bird", np.array([[True, True, True]]), instance=1)
        >>> wing = Region.of_mask("wing", np.array([[False, True, False]]), instance=2)
        >>> label_map(Regions((1, 4), [whole])), label_map(Regions((1, 3), [wing, whole]))
        (array([[1, 1, 1, 0]]), array([[1, 2, 1]]))
    """
    if overlap not in ("smallest", "last", "refuse"):
        raise ValueError(f"Expected `overlap` to be 'smallest', 'last' or 'refuse', got {overlap!r}.")
    ordered = sorted(regions, key=lambda each: -each.area) if overlap == "smallest" else list(regions)
    if overlap == "refuse":
        for first, second in combinations(ordered, 2):
            shared = int((first.mask & second.mask).sum()) if _boxes_meet(first, second) else 0
            if shared:
                raise ValueError(
                    f"Expected regions that do not overlap, got {first.label} ({first.instance}) and {second.label} "
                    f"({second.instance}), which share {shared} pixels: choose `overlap`."
                )
    labels = np.zeros(regions.size, np.int64)
    for region in ordered:
        labels[region.place][region.inside] = region.instance
    return labels


def _boxes_meet(first: Region, second: Region) -> bool:
    return all(
        one.start < other.stop and other.start < one.stop for one, other in zip(first.place, second.place, strict=True)
    )
