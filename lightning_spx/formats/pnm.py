"""Reads PGM and PPM files with the numbers that they store; Pillow scales them, and cuts deep colors to 8 bits."""

import math
import re
from pathlib import Path

import numpy as np

from lightning_spx.formats.plane_size import check_size
from lightning_spx.formats.stored_image import StoredImage, is_barely_used

BEGINNINGS = (b"P2", b"P3", b"P5", b"P6")
# each number follows white space and comments
NUMBER = rb"(?:\s|#[^\n]*\n)+(\d{1,9})"
HEADER = re.compile(rb"P([2356])" + 3 * NUMBER + rb"\s")
SEARCHED = 2**14
LARGEST = 65_535


def highest_of(path: Path) -> int:
    """Return the number that is white in a PGM or PPM file, 0 if its header cannot be read."""
    with path.open("rb") as file:
        found = HEADER.match(file.read(SEARCHED))
    return int(found[4]) if found else 0


def read_pnm(path: Path) -> StoredImage:
    """Return the image of a PGM or PPM file; the file itself says which number is white.

    Args:
        path: a file that begins with P2, P3, P5 or P6.

    Raises:
        ValueError: it is too large or too short, or a number is greater than the file says.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "gray.pgm"
        ...     _ = path.write_bytes(b"P2 2 1 4095 7 4095 ")
        ...     read_pnm(path).values.ravel().tolist()
        [7, 4095]
    """
    with path.open("rb") as file:
        found = HEADER.match(file.read(SEARCHED))
        if not found:
            raise ValueError("it is a PNM without a header.")
        kind, width, height, highest = (int(each) for each in found.groups())
        if not 0 < highest <= LARGEST or 0 in (width, height):
            raise ValueError(f"it is a PNM of {width} x {height} pixels whose white is {highest}.")
        check_size(width, height)
        shape = (height, width, 3 if kind in (3, 6) else 1)
        file.seek(found.end())
        size = 1 if highest < 256 else 2
        plain = kind in (2, 3)
        # a plain number has at most five digits, and white space
        content = file.read(math.prod(shape) * (64 if plain else size))
    if plain:
        words = content.split()[: math.prod(shape)]
        if not all(word.isdigit() and len(word) < 6 for word in words):
            raise ValueError("it is a plain PNM with words that are no numbers.")
        values = np.array([int(word) for word in words], np.int64)
    else:
        values = np.frombuffer(content[: len(content) // size * size], f">u{size}")
    if values.size != math.prod(shape):
        raise ValueError(f"it ends after {values.size} of {math.prod(shape)} numbers.")
    if values.max() > highest:
        raise ValueError(f"it says that {highest} is white, and holds {values.max()}.")
    deep = values.reshape(shape).astype(np.uint8 if size == 1 else np.uint16)
    return StoredImage(deep, 0.0, float(highest), barely_used=is_barely_used(deep, 0, highest))
