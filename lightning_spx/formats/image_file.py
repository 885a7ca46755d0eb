"""Decodes an image file with 8 bits, as viewers show it, or says in one line why that is impossible."""

import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lightning_spx.formats.eight_bits import check_black, eight_bits, numbers_of
from lightning_spx.formats.plane_size import check_size

# recognized by content, whatever the name; other formats of Pillow may run programs or read other files
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# what Pillow raises on damaged files of these formats and on files large enough to exhaust memory, found by fuzzing
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError),
    *(LookupError, TypeError, AttributeError, ArithmeticError, struct.error, zlib.error, MemoryError),
)


def decode(path: Path, mode: Literal["L", "RGB", "RGBA"] = "RGB", frame: int | None = None) -> NDArray[np.uint8]:
    """Return a frame of an image file with 8 bits, rotated as its EXIF data says.

    Masks are read so; `read_photo` keeps all levels. Of 12 or 16 bits the upper eight are kept; 16-bit images that use
    at most a quarter of their range are refused. Color profiles and gamma are ignored, and Pillow converts other color
    spaces (CMYK). A file is refused before it is decoded if it has more than 20,000 px a side or 178,956,970 px in all,
    or an aspect ratio above 100.

    Args:
        path: an image file: BMP, GIF, JPEG, PNG, PNM, TIFF or WebP, whatever its name ends with.
        mode: RGB ignores transparency; RGBA adds the opacity; L is the gray of RGB.
        frame: number of a frame or page, counted from 0; None is the first.

    Returns:
        `(H, W, 3)`, `(H, W, 4)` with opacity, or `(H, W, 1)` in gray.

    Raises:
        ValueError: if the file does not exist, cannot be read, is too large, or holds numbers whose brightness is not
            defined, see `eight_bits`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "gray.png"
        ...     Image.fromarray(np.array([[0, 0x80FF]], np.uint16)).save(path)
        ...     decode(path)[..., 0]
        array([[  0, 128]], dtype=uint8)
    """
    try:
        colors = brightness(path, "RGBA" if mode == "RGBA" else "RGB", frame)
        return np.array(colors.convert("L"))[..., None] if mode == "L" else np.array(colors)
    except UNREADABLE as error:
        raise ValueError(f"Expected {path} to be a readable image: {reason_of(error)}") from error


def brightness(path: Path, mode: Literal["RGB", "RGBA"] = "RGB", frame: int | None = None) -> Image.Image:
    """Return what `decode` returns as a picture of Pillow, with the errors of Pillow.

    Args:
        path: an image file.
        mode: of the result.
        frame: number of a frame or page, counted from 0; None is the first.

    Raises:
        ValueError: if there is no such frame, or for the reasons of `decode`; whatever else is in `UNREADABLE`.
    """
    check_file(path)
    with Image.open(path, formats=FORMATS) as image:
        check_size(*image.size)
        if frame is not None:
            check_frame(frame, getattr(image, "n_frames", 1))
            image.seek(frame)
            check_size(*image.size)
        numbers = numbers_of(image)
        colors = eight_bits(ImageOps.exif_transpose(image), numbers).convert(mode)
        deep_colors = numbers.highest == 65_535 and image.mode.startswith("RGB")
    if deep_colors and not np.asarray(colors)[..., :3].any():
        with Image.open(path, formats=FORMATS) as image:
            check_black(image, numbers)
    return colors


def reason_of(error: BaseException) -> str:
    """Return an error's words in one line.

    Example:
        >>> reason_of(EOFError())
        'EOFError'
    """
    return " ".join(str(error).split()) or type(error).__name__


def check_file(path: Path) -> None:
    """Raise a FileNotFoundError unless a path is a file; reading a pipe of that name would wait forever."""
    if not path.is_file():
        raise FileNotFoundError("there is no such file.")


def check_frame(frame: int, num_frames: int) -> None:
    """Raise a ValueError for a frame, page or slice that a file does not have.

    Example:
        >>> check_frame(3, 2)
        Traceback (most recent call last):
        ...
        ValueError: it has 2 frames, counted from 0, and no frame 3.
    """
    if not 0 <= frame < num_frames:
        raise ValueError(f"it has {num_frames} frames, counted from 0, and no frame {frame}.")
