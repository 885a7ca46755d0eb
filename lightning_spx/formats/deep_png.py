"""Reads PNG files of 16 bits, of which Pillow drops the lower eight of colors and of gray with opacity.

Pillow decodes them all the same, for torchvision's decoders, which keep 16 bits, are deprecated since its version 0.29.
"""

import io
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.formats.eight_bits import lower_bits
from lightning_spx.formats.orientation import TAG, upright
from lightning_spx.formats.plane_size import check_size
from lightning_spx.formats.stated_range import in_stated_range
from lightning_spx.formats.stored_image import StoredImage

BEGINNING = b"\x89PNG\r\n\x1a\n"
GRAY, GRAY_AND_OPACITY, RGBA = 0, 4, 6


class Header(NamedTuple):
    """What the beginning of a PNG file says.

    Args:
        bits: number of bits of a number: 1, 2, 4, 8 or 16.
        kind: the color type of the specification: 0 gray, 2 RGB, 3 palette, 4 and 6 with opacity.
        significant: number of bits that held something before they were scaled (sBIT); None where it is not said.
    """

    bits: int
    kind: int
    significant: int | None


def read_header(path: Path) -> Header:
    """Return the header of a PNG file.

    Raises:
        ValueError: the file ends before it.
    """
    significant = None
    with path.open("rb") as file:
        beginning = file.read(33)
        if len(beginning) < 33 or beginning[12:16] != b"IHDR":
            raise ValueError("it is a PNG without a header.")
        while len(chunk := file.read(8)) == 8 and chunk[4:] not in (b"IDAT", b"PLTE", b"IEND"):
            (length,) = struct.unpack(">I", chunk[:4])
            if chunk[4:] == b"sBIT" and 1 <= length <= 4:
                said = set(file.read(length)[: 3 if beginning[25] in (2, 6) else 1])
                significant = said.pop() if len(said) == 1 else None
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return Header(beginning[24], beginning[25], significant)


def read_deep_png(path: Path, as_stored: bool = False) -> StoredImage:
    """Return the image of a PNG file of 16 bits, without its opacity, upright.

    If the file says how many bits are significant, numbers are shifted back to these, as the specification says (PNG
    third edition, 11.3.3.4); writers that never scaled them are recognized. Gamma and color profile are ignored.

    Args:
        path: a PNG file of 16 bits.
        as_stored: return the numbers of the file, to which a window refers, and do not shift them.

    Raises:
        ValueError: it is too large; whatever Pillow raises on damaged files.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "gray.png"
        ...     Image.fromarray(np.array([[0, 0x80FF]], np.uint16)).save(path)
        ...     read_deep_png(path).values.ravel().tolist()
        [0, 33023]
    """
    header = read_header(path)
    with Image.open(path, formats=("PNG",)) as image:
        check_size(*image.size)
        orientation = image.getexif().get(TAG, 1)
    if header.kind == GRAY:
        colors = _picture(path)[..., None]
    elif header.kind == GRAY_AND_OPACITY:
        colors = _gray_with_opacity(path)
    else:
        # Pillow keeps the upper eight bits, and the lower ones if it is told another order of bytes
        upper, lower = _picture(path)[..., :3], _picture(path, lower=True)[..., :3]
        colors = upper.astype(np.uint16) << 8 | lower
    stored = colors.astype(np.uint16, copy=False)
    values, bits = _significant(stored, header.significant)
    if as_stored and values is not stored:
        values, bits = stored, None
    return in_stated_range(upright(values, orientation), bits)


def _picture(path: Path, lower: bool = False) -> NDArray[Any]:
    with Image.open(path, formats=("PNG",)) as image:
        if lower:
            lower_bits(image)
        return np.array(image)


def _gray_with_opacity(path: Path) -> NDArray[np.uint16]:
    """Return gray (H, W, 1): the four bytes of such a pixel are laid out as those of an RGBA pixel of 8 bits."""
    content = path.read_bytes()
    header = bytearray(content[12:29])
    header[12:14] = bytes((8, RGBA))
    file = io.BytesIO(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    with Image.open(file, formats=("PNG",)) as image:
        pixels = np.asarray(image).astype(np.uint16)
    return (256 * pixels[..., :1] + pixels[..., 1:2]).astype(np.uint16)


def _significant(values: NDArray[np.uint16], bits: int | None) -> tuple[NDArray[np.uint16], int | None]:
    """Return numbers of as many bits as are significant, and how many these are; None for all 16."""
    if bits is None or not 8 <= bits < 16:
        return values, None
    shift = 16 - bits
    upper = (values >> shift).astype(np.uint32)
    highest = 2**bits - 1
    scaled = (
        upper << shift,
        (upper << shift) | (upper >> (bits - shift)),
        (upper * 65_535 + highest // 2) // highest,
    )
    if any(np.array_equal(values, each) for each in scaled):
        return upper.astype(np.uint16), bits
    return (values, bits) if values.max() < 2**bits else (values, None)
