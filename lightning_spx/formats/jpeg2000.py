"""Reads JPEG 2000 files."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from lightning_spx.formats.plane_size import check_size
from lightning_spx.formats.stated_range import in_stated_range
from lightning_spx.formats.stored_image import StoredImage

# the signature of the file format, and that of a code stream alone
BEGINNINGS = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
START = BEGINNINGS[1]
# where the markers of the code stream must begin; color profiles come first
SEARCHED = 2**22
SIGNED = 0x80


class Precision(NamedTuple):
    """How a code stream stores its numbers.

    Args:
        bits: number of bits of each number.
        signed: whether they are signed.
    """

    bits: int
    signed: bool


def precision_of(path: Path) -> Precision:
    """Return what the marker SIZ of a JPEG 2000 file says (ISO 15444-1, A.5.1).

    Raises:
        ValueError: there is none, or components differ.
    """
    with path.open("rb") as file:
        beginning = file.read(SEARCHED)
    at = beginning.find(START)
    if at < 0 or at + 42 > len(beginning):
        raise ValueError("it is a JPEG 2000 without a code stream.")
    (count,) = struct.unpack_from(">H", beginning, at + 40)
    sizes = set(beginning[at + 42 : at + 42 + 3 * count : 3])
    if len(sizes) != 1:
        raise ValueError("it is a JPEG 2000 whose components differ in their bits.")
    size = sizes.pop()
    return Precision((size & ~SIGNED) + 1, bool(size & SIGNED))


def read_jpeg2000(path: Path) -> StoredImage:
    """Return the image of a JPEG 2000 file, without its opacity.

    Gray keeps all of its up to 16 bits. Signed numbers have no range.

    Args:
        path: a JP2 file, or a code stream.

    Raises:
        ValueError: it is too large, or colored with more than 8 bits, which Pillow would cut off; whatever Pillow
            raises on damaged files.
    """
    precision = precision_of(path)
    with Image.open(path, formats=("JPEG2000",)) as image:
        check_size(*image.size)
        picture = ImageOps.exif_transpose(image)
        if precision.bits > 8:
            if not picture.mode.startswith("I;16") or precision.bits > 16:
                raise ValueError(
                    f"it holds JPEG 2000 colors of {precision.bits} bits, of which Pillow keeps eight: save it as PNG "
                    "or TIFF."
                )
            # Pillow scales them up by a shift
            values = np.asarray(picture).astype(np.uint16) >> (16 - precision.bits)
        else:
            gray = picture.mode in ("L", "LA")
            values = np.array(picture.convert("L" if gray else "RGB"))
            if precision.bits < 8:
                raise ValueError(f"it is a JPEG 2000 of {precision.bits} bits: save it with 8.")
    values = values if values.ndim == 3 else values[..., None]
    if precision.signed:
        # Pillow has added half of the range
        return in_stated_range(values.astype(np.int32) - 2 ** (precision.bits - 1))
    return in_stated_range(values, precision.bits)
