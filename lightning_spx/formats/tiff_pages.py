"""Which pages of a TIFF file are images, and whether they are channels or planes of one image."""

import json
import math
import re
from typing import Any

import tifffile

REDUCED_OR_MASK = 5
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1
OPACITY = (1, 2)
# not parsed, because OME-XML names other files
OME_CHANNELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*?\bSizeC\s*=\s*[\"'](\d+)[\"']")


def images_of(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """Return the pages of a file without thumbnails and masks.

    Raises:
        ValueError: none is left.
    """
    every = [page if isinstance(page, tifffile.TiffPage) else page.aspage() for page in file.pages]
    pages = [page for page in every if not int(page.subfiletype) & REDUCED_OR_MASK]
    if not pages:
        raise ValueError("it is a TIFF without an image.")
    return pages


def check_channels(file: tifffile.TiffFile, pages: list[tifffile.TiffPage]) -> None:
    """Raise a ValueError if each channel of an image has a page of its own, as OME-TIFF, ImageJ and tifffile write it.

    Args:
        file: the open file.
        pages: its images.
    """
    channels = _channels(file, pages[0])
    # a file of one page may be one of several that the description names
    if len(pages) > 1 and channels > pages[0].samplesperpixel:
        raise ValueError(
            f"it has {channels} channels, on {len(pages)} pages: save the one that counts, or give `frame`."
        )


def check_bands(page: tifffile.TiffPage) -> None:
    """Raise a ValueError if gray is followed by a second number in each pixel that is not its opacity."""
    samples, extra = int(page.samplesperpixel), [int(kind) for kind in page.extrasamples]
    if int(page.photometric) in (WHITE_IS_ZERO, BLACK_IS_ZERO) and samples == 2 and (extra or [0])[0] not in OPACITY:
        raise ValueError(f"it has {samples} bands: set `channels` to {samples}, or save those that count.")


def check_planes(file: tifffile.TiffFile, page: tifffile.TiffPage, num_pages: int) -> None:
    """Raise a ValueError if one header stands for several planes, of which only the first could be read.

    Args:
        file: the open file.
        page: the page that is read.
        num_pages: how many images the file has.
    """
    planes = int(page.imagedepth)
    if file.is_imagej and num_pages == 1:
        planes = max(planes, _number(file.imagej_metadata, "images"))
    said = _described(page)
    if said.get("truncated"):
        planes = max(planes, math.prod(int(side) for side in said["shape"]) // max(1, math.prod(page.shape)))
    if planes > 1:
        raise ValueError(f"it holds a volume of {planes} slices under one header: save the one that counts.")


def _channels(file: tifffile.TiffFile, first: tifffile.TiffPage) -> int:
    """Return how many channels the description of a file names; 1 where it names none."""
    if file.is_ome and (found := OME_CHANNELS.search(first.description)):
        return int(found[1])
    if file.is_imagej:
        return _number(file.imagej_metadata, "channels")
    said = _described(first)
    axes, shape = str(said.get("axes", "")), said.get("shape", [])
    return int(shape[axes.index("C")]) if "C" in axes and len(axes) == len(shape) else 1


def _number(metadata: dict[str, Any] | None, name: str) -> int:
    found = (metadata or {}).get(name, 1)
    return found if isinstance(found, int) else 1


def _described(page: tifffile.TiffPage) -> dict[str, Any]:
    """Return what tifffile wrote about the array of which a page is a part; nothing for other files."""
    try:
        said = json.loads(page.shaped_description or "{}")
    except ValueError:
        return {}
    is_array = isinstance(said, dict) and isinstance(said.get("shape"), list)
    return said if is_array and all(isinstance(side, int) for side in said["shape"]) else {}
