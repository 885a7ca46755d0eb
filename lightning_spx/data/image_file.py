"""The pixels of an image file as a viewer shows them, or one line that says why there are none."""

import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lightning_spx.data.eight_bits import check_black, eight_bits, numbers_of

# by content, whatever the name ends with: other formats that Pillow knows run programs or read other files
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# what Pillow raises on damaged files of these formats, and on those large enough to exhaust the memory; found by
# feeding it such files
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError),
    *(LookupError, TypeError, AttributeError, ArithmeticError, struct.error, zlib.error, MemoryError),
)
MAX_SIDE = 20_000
# where Pillow itself refuses a decompression bomb; it warns from half of that
MAX_PIXELS = 2 * 89_478_485
# the shorter side is brought to the size of a batch's images, so a strip would become far larger than its file
MAX_RATIO = 100


def decode(path: Path, mode: Literal["RGB", "RGBA"] = "RGB") -> NDArray[np.uint8]:
    """Return the first frame of an image file, turned as its EXIF data says, at 8 bits.

    Of 12 and 16 bits the upper eight are kept, and 16 of which no more than a quarter is used are refused. Colour
    profiles and gamma are left out of account, and colours that have no red, green and blue (CMYK) are converted as
    Pillow does. Nothing is decoded of a file that says it is wider or higher than 20,000 pixels, holds more than
    178,956,970 of them, or is more than 100 times as long as it is wide.

    Args:
        path: an image file: BMP, GIF, JPEG, PNG, PNM, TIFF or WebP, whatever its name ends with.
        mode: colours alone, whatever their transparency, or with their opacity.

    Returns:
        `(H, W, 3)`, or `(H, W, 4)` with opacity.

    Raises:
        ValueError: if there is no such file, it cannot be read, is too large, or holds numbers whose brightness
            is not plain, see `eight_bits`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "grey.png"
        ...     Image.fromarray(np.array([[0, 0x80FF]], np.uint16)).save(path)
        ...     decode(path)[..., 0]
        array([[  0, 128]], dtype=uint8)
    """
    try:
        # a pipe of that name would be waited for
        if not path.is_file():
            raise FileNotFoundError("there is no such file.")
        with Image.open(path, formats=FORMATS) as image:
            _check_size(*image.size)
            numbers = numbers_of(image)
            pixels = np.array(eight_bits(ImageOps.exif_transpose(image), numbers).convert(mode))
            deep_colours = numbers.highest == 65_535 and image.mode.startswith("RGB")
        if deep_colours and not pixels[..., :3].any():
            with Image.open(path, formats=FORMATS) as image:
                check_black(image, numbers)
        return pixels
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected {path} to be a readable image: {reason}") from error


def _check_size(width: int, height: int) -> None:
    longer, shorter = max(width, height), min(width, height)
    if longer > MAX_SIDE or width * height > MAX_PIXELS or longer > MAX_RATIO * shorter:
        raise ValueError(
            f"it is {width} x {height} pixels, and a side may have {MAX_SIDE} and be {MAX_RATIO} times as long as the "
            f"other, and all may be {MAX_PIXELS}."
        )
