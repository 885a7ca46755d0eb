"""Reads a photo of any format with all of its levels; every data module and command reads photos through it."""

from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.formats import deep_png, jpeg2000, numpy_array, pnm, tiff
from lightning_spx.formats.dicom import is_dicom, read_dicom
from lightning_spx.formats.image_file import (
    FORMATS,
    UNREADABLE,
    brightness,
    check_file,
    check_frame,
    reason_of,
)
from lightning_spx.formats.nifti import is_nifti, read_nifti
from lightning_spx.formats.plane_size import check_size
from lightning_spx.formats.stored_image import StoredImage, UnstatedRangeError
from lightning_spx.formats.window import Percentiles, Window, checked_window

PHOTO_CHANNELS = (1, 3)
# what readers raise beyond Pillow's errors on damaged files, and where a compression or a format needs another package
REFUSED = (*UNREADABLE, RuntimeError, ImportError, AssertionError, TokenError, LZMAError)
# DICOM has its signature behind a preamble
BEGINNING = 132
# black and white of 8 bits, and of those whose scale is inverted
EIGHT_BITS = ((0, 255), (255, 0))
# the weights of ITU-R 601, by which Pillow makes colors gray
GRAY = (0.299, 0.587, 0.114)


def read_photo(
    path: Path, channels: int = 3, window: Window | Percentiles | None = None, frame: int | None = None
) -> NDArray[np.uint8 | np.float32]:
    """Return the image of a file, upright; its content decides what it is, whatever its name ends with.

    8-bit BMP, GIF, JPEG, JPEG 2000, PNG, PNM, TIFF and WebP have the numbers that viewers show. TIFF, PNG, PNM,
    JPEG 2000, NumPy, DICOM and NIfTI files of more bits keep all of their levels. Without a window, numbers are
    brightness in the range that the file states: that of an unsigned type, the number of bits if it is stated, or
    floats inside [0, 1]. 16-bit numbers that lie nearly all in a quarter of their range are refused, as are signed ones
    and other floats. Color profiles and gamma are ignored. A file is refused before it is decoded if it has more than
    20,000 px a side or 178,956,970 px in all, or an aspect ratio above 100.

    Args:
        path: the file.
        channels: 3 gives RGB, or gray three times; 1 gives gray, or that of RGB (ITU-R 601). Opacity is left out. Other
            numbers read arrays (H, W, C) or (C, H, W), and TIFF, DICOM and NIfTI files with that number of bands.
        window: the numbers of the file that become 0 and 1, or the percentiles of the file where they lie.
        frame: number of a frame, page or slice, counted from 0. None reads the first of an animation or of 8-bit pages,
            and the only one of other files.

    Returns:
        (H, W, C), uint8 if the file has 8 bits and there is no window, else float32 in [0, 1].

    Raises:
        UnstatedRangeError: the file needs a window.
        ValueError: the file does not exist, cannot be read, is too large, or has several frames.
        TypeError: the window is none, or its percentiles are those of the training images, which one file cannot know.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "gray.png"
        ...     Image.fromarray(np.array([[0, 4095]], np.uint16)).save(path)
        ...     read_photo(path, channels=1, window=(0, 4095)).ravel().tolist()
        [0.0, 1.0]
    """
    if isinstance(window, Percentiles) and window.over != "file":
        raise TypeError("Expected `window` to be numbers or percentiles over the file, got percentiles over training.")
    window = checked_window(window)
    try:
        stored = _stored(path, channels, frame, as_stored=window is not None)
        if window is None and stored.values.dtype == np.uint8 and (stored.black, stored.white) in EIGHT_BITS:
            values = stored.values if stored.white else 255 - stored.values
            return _in_channels(values, channels)
        numbers = window.of(stored.values) if isinstance(window, Percentiles) else window
        shares = stored.in_range(numbers)
        return _in_channels(shares, channels)
    except REFUSED as error:
        raise _refused(path, channels, error) from error


def stored_photo(path: Path, channels: int = 3, frame: int | None = None) -> StoredImage:
    """Return the image of a file with the numbers to which a window refers, as for `read_photo`.

    Raises:
        ValueError: the file does not exist, cannot be read, is too large, or has several frames.
    """
    try:
        return _stored(path, channels, frame, as_stored=True)
    except REFUSED as error:
        raise _refused(path, channels, error) from error


def _refused(path: Path, channels: int, error: BaseException) -> ValueError:
    if isinstance(error, ValueError) and str(path) in str(error):
        # readers of scanners' files name them already
        return error
    kind = "" if channels in PHOTO_CHANNELS else f" of {channels} bands"
    refusal = UnstatedRangeError if isinstance(error, UnstatedRangeError) else ValueError
    return refusal(f"Expected {path} to be a readable image{kind}: {reason_of(error)}")


def _stored(path: Path, channels: int, frame: int | None, as_stored: bool) -> StoredImage:
    check_file(path)
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    # scanners' files first: the preamble of DICOM may be the beginning of a TIFF
    if is_dicom(beginning):
        read = read_dicom(path, frame)
    elif is_nifti(path):
        read = read_nifti(path, frame)
    else:
        read = _by_format(path, beginning, channels, frame, as_stored)
    count, found = channels, read.values.shape[2]
    if found != count and not (count in PHOTO_CHANNELS and found in PHOTO_CHANNELS):
        raise ValueError(f"it has {found} bands, not {count}.")
    return read


def _by_format(path: Path, beginning: bytes, channels: int, frame: int | None, as_stored: bool) -> StoredImage:
    if beginning.startswith(numpy_array.BEGINNING):
        _check_only(frame)
        return numpy_array.read_array(path, channels)
    if beginning.startswith(tiff.BEGINNINGS):
        return tiff.read_tiff(path, channels, frame, as_stored)
    if channels not in PHOTO_CHANNELS:
        raise ValueError("it is neither a NumPy array nor a TIFF.")
    if beginning.startswith(jpeg2000.BEGINNINGS):
        _check_only(frame)
        return jpeg2000.read_jpeg2000(path)
    if beginning.startswith(deep_png.BEGINNING) and deep_png.read_header(path).bits == 16:
        _check_only(frame)
        return deep_png.read_deep_png(path, as_stored)
    if beginning.startswith(pnm.BEGINNINGS) and (as_stored or pnm.highest_of(path) > 255):
        _check_only(frame)
        return pnm.read_pnm(path)
    return _of_eight_bits(path, beginning, frame, as_stored)


def _of_eight_bits(path: Path, beginning: bytes, frame: int | None, as_stored: bool) -> StoredImage:
    values = np.array(brightness(path, frame=frame))
    if as_stored:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode == "P":
                raise ValueError("it has a palette, whose numbers have no order: remove `window`.")
        if beginning.startswith(deep_png.BEGINNING):
            # Pillow spreads fewer bits over eight
            highest = 2 ** deep_png.read_header(path).bits - 1
            return StoredImage(values // np.uint8(255 // highest), 0.0, float(highest))
    return StoredImage(values, 0.0, 255.0)


def _check_only(frame: int | None) -> None:
    if frame is not None:
        check_frame(frame, 1)


def _in_channels(values: NDArray[Any], channels: int) -> NDArray[Any]:
    """Return colors as gray or gray as colors, if that is another number of channels."""
    check_size(values.shape[1], values.shape[0])
    if values.shape[2] == channels:
        return np.ascontiguousarray(values)
    if channels == 3:
        return np.repeat(values, 3, axis=2)
    if values.dtype == np.uint8:
        # as Pillow rounds it
        return np.array(Image.fromarray(np.ascontiguousarray(values)).convert("L"))[..., None]
    gray: NDArray[np.float64] = values.astype(np.float64) @ np.array(GRAY)
    return gray[..., None].clip(0, 1).astype(np.float32)
