"""Reads TIFF files of any numbers, with all of their levels."""

import logging
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base as Tag

from lightning_spx.formats.eight_bits import numbers_of
from lightning_spx.formats.image_file import FORMATS, UNREADABLE, brightness, check_frame
from lightning_spx.formats.numpy_array import other_shape
from lightning_spx.formats.orientation import upright
from lightning_spx.formats.plane_size import MAX_PIXELS, check_size
from lightning_spx.formats.stated_range import in_stated_range
from lightning_spx.formats.stored_image import StoredImage
from lightning_spx.formats.tiff_by_pillow import read_by_pillow
from lightning_spx.formats.tiff_nodata import in_known_range, is_nodata
from lightning_spx.formats.tiff_pages import REDUCED_OR_MASK, check_bands, check_channels, check_planes, images_of
from lightning_spx.formats.unfolding import check_unfolding

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PHOTO_CHANNELS = (1, 3)
# the kinds of colors whose numbers are brightness
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
MULTIPLIED = 1
MOST_BYTES = 8 * MAX_PIXELS
# its complaints are part of our errors; without a handler Python prints them, too
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(path: Path, channels: int = 3, frame: int | None = None, as_stored: bool = True) -> StoredImage:
    """Return the image of a TIFF file, upright.

    Of a photo, opacity is left out, and a palette becomes colors. With other than one or three channels, bands are
    those of one page, or one page each. MaxSampleValue states the range only if it is 2**n - 1, because TIFF 6.0 calls
    it a statistic. Numbers of more than 8 bits that the tag GDAL_NODATA marks as none become NaN. What tifffile cannot
    unpack without the package imagecodecs, such as LZW, is decoded by Pillow.

    Args:
        path: a TIFF file.
        channels: number of channels; 1 and 3 read photos, gray or colored.
        frame: number of the page, counted from 0, without thumbnails and masks; None is the only one.
        as_stored: return the numbers of the file where a photo of 8 bits would otherwise be read as viewers show it.

    Raises:
        ValueError: there are several pages and `frame` is None; colors are of another kind, or bands are more or fewer;
            whatever tifffile and Pillow raise on damaged files.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "gray.tif"
        ...     tifffile.imwrite(path, np.array([[0, 4095]], np.uint16), photometric="miniswhite")
        ...     image = read_tiff(path)
        >>> image.values.ravel().tolist(), image.black
        ([0, 4095], 65535.0)
    """
    as_shown = not as_stored and channels in PHOTO_CHANNELS
    with ExitStack() as opened:
        try:
            file = opened.enter_context(tifffile.TiffFile(path))
            pages = images_of(file)
        except UNREADABLE:
            if as_shown and frame is None and _is_full_and_plain(path):
                # even where tifffile could not read its header
                return in_stated_range(np.array(brightness(path)))
            raise
        if channels not in PHOTO_CHANNELS and frame is None and len(pages) == channels:
            return _pages_as_bands(path, pages)
        first_is_plain = frame is None and _is_plain(path, pages[0].index)
        if first_is_plain and channels in PHOTO_CHANNELS:
            check_channels(file, pages)
        if first_is_plain and as_shown:
            check_bands(pages[0])
            check_planes(file, pages[0], len(pages))
            return in_stated_range(np.array(brightness(path, frame=pages[0].index)))
        if frame is not None:
            check_frame(frame, len(pages))
        elif len(pages) > 1 and not first_is_plain:
            raise ValueError(f"it has {len(pages)} pages: save the one that counts, or give `frame`.")
        page = pages[frame or 0]
        _check_is_one_image(file, page, len(pages))
        if channels not in PHOTO_CHANNELS and page.samplesperpixel != channels:
            shape = (len(pages), *page.shape) if len(pages) > 1 else page.shape
            raise ValueError(other_shape(shape, channels))
        # inks and the colors of JPEG have no numbers of brightness before they are converted
        as_shown = as_shown or page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE)
        if channels in PHOTO_CHANNELS and as_shown and _is_plain(path, page.index):
            check_bands(page)
            return in_stated_range(np.array(brightness(path, frame=page.index)))
        if page.photometric == PALETTE and as_stored:
            raise ValueError("it has a palette, whose numbers have no order: remove `window`.")
        return _of_page(path, page, channels)


def _is_full_and_plain(path: Path) -> bool:
    """Return whether the first page of a file is one of 8 bits and no thumbnail, as Pillow reads its header."""
    if not _is_plain(path, 0):
        return False
    with Image.open(path, formats=FORMATS) as image:
        kind = getattr(image, "tag_v2", {}).get(Tag.NewSubfileType, 0)
        return isinstance(kind, int) and not kind & REDUCED_OR_MASK


def _is_plain(path: Path, index: int) -> bool:
    """Return whether Pillow reads a page rightly as one of 8 bits or fewer."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.seek(index)
            return numbers_of(image).highest == 255
    except UNREADABLE:
        return False


def _check_is_one_image(file: tifffile.TiffFile, page: tifffile.TiffPage, num_pages: int) -> None:
    check_size(page.imagewidth, page.imagelength)
    check_planes(file, page, num_pages)
    if math.prod(page.shape) * (page.bitspersample + 7) // 8 > MOST_BYTES:
        raise ValueError(f"it holds {page.samplesperpixel} numbers a pixel, more than {MOST_BYTES} bytes in all.")
    sizes = [(at, length) for at, length in zip(page.dataoffsets, page.databytecounts, strict=False)]
    end = file.filehandle.size
    lost = sum(at <= 0 or length <= 0 or at + length > end for at, length in sizes)
    if lost or not sizes:
        raise ValueError(f"it lacks {lost} of its {len(sizes)} strips or tiles.")
    check_unfolding(file, page)


def _pages_as_bands(path: Path, pages: list[tifffile.TiffPage]) -> StoredImage:
    with tifffile.TiffFile(path) as file:
        for page in pages:
            _check_is_one_image(file, page, len(pages))
    if len({(page.shape, page.dtype, page.photometric, page.tags.valueof("Orientation", 1)) for page in pages}) > 1:
        raise ValueError("its pages differ in size, orientation or numbers, so they are no bands of one image.")
    bands = [_numbers(path, page, 1) for page in pages]
    nodata = np.concatenate([is_nodata(page, band) for page, band in zip(pages, bands, strict=True)], axis=2)
    return _with_range(pages[0], np.concatenate(bands, axis=2), nodata)


def _of_page(path: Path, page: tifffile.TiffPage, channels: int) -> StoredImage:
    """Return a page's colors or bands."""
    stored = _numbers(path, page, channels)
    if page.photometric == PALETTE:
        return in_stated_range(stored)
    return _with_range(page, stored, is_nodata(page, stored))


def _with_range(page: tifffile.TiffPage, stored: NDArray[Any], nodata: NDArray[np.bool_]) -> StoredImage:
    return in_known_range(stored, nodata, _bits(page, stored[~nodata]), page.photometric == WHITE_IS_ZERO)


def _numbers(path: Path, page: tifffile.TiffPage, channels: int) -> NDArray[Any]:
    """Return the numbers of a page's colors or bands, (H, W, C), those of a palette looked up."""
    kind = int(page.photometric)
    if kind not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE):
        raise ValueError(f"its colors are of the kind {tifffile.PHOTOMETRIC(kind).name}: save it as RGB or gray.")
    if page.dtype is None:
        raise ValueError(f"it holds numbers of {page.bitspersample} bits of an unknown kind.")
    stored = _decoded(path, page)
    if kind == PALETTE:
        table = np.asarray(page.colormap)
        if int(stored.max()) >= table.shape[1]:
            raise ValueError(f"its palette has {table.shape[1]} colors, and a pixel has the number {stored.max()}.")
        return np.moveaxis(table[:, stored[..., 0]], 0, 2)
    if channels in PHOTO_CHANNELS:
        return _without_opacity(stored, page, channels)
    if stored.shape[2] != channels:
        raise ValueError(other_shape(page.shape, channels))
    return stored


def _decoded(path: Path, page: tifffile.TiffPage) -> NDArray[Any]:
    """Return the numbers of a page, (H, W, S), upright."""
    try:
        values = page.asarray(maxworkers=1)
    except (NotImplementedError, ImportError, ValueError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
            raise
        # Pillow turns what it reads
        return read_by_pillow(path, page, str(error))
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, 2)
    elif page.axes == "YX":
        values = values[..., None]
    elif page.axes != "YXS":
        raise ValueError(f"it has the shape {page.shape} with the axes {page.axes}.")
    return upright(values, int(page.tags.valueof("Orientation", 1)))


def _without_opacity(stored: NDArray[Any], page: tifffile.TiffPage, channels: int) -> NDArray[Any]:
    """Return gray or colors without what follows them in each pixel."""
    count, kinds = stored.shape[2], [int(each) for each in page.extrasamples]
    colors = 3 if page.photometric == RGB else 1
    if count in (channels, colors):
        return stored
    # a gray image with other bands is none, unless the file says that they are its opacity
    if count < colors or (colors == 1 and (count > 2 or not kinds or not kinds[0])):
        raise ValueError(f"it has {count} bands: set `channels` to {count}, or save those that count.")
    opacity = stored[..., colors]
    if kinds and kinds[0] == MULTIPLIED and (opacity < opacity.max()).any():
        raise ValueError("its colors are multiplied by their opacity: save it without.")
    return stored[..., :colors]


def _bits(page: tifffile.TiffPage, values: NDArray[Any]) -> int | None:
    """Return how many bits a page states for its unsigned numbers, if these are fewer than those of their type."""
    if values.dtype.kind != "u":
        return None
    full, said = 8 * values.dtype.itemsize, page.bitspersample
    if said < full:
        return int(said)
    highest = page.tags.valueof("MaxSampleValue", None)
    numbers = {int(each) for each in np.ravel(highest)} if highest is not None else set()
    for bits in range(full // 2 + 1, full):
        if numbers == {2**bits - 1} and values.size and values.max() < 2**bits:
            return bits
    return None
