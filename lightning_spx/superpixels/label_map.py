"""Reads one image's segments from a file of another tool: an array or a picture of ids."""

import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image, ImageOps

# what NumPy and Pillow raise on damaged files, found by fuzzing them
UNREADABLE = (
    *(EOFError, OSError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error, Image.DecompressionBombError),
    *(LookupError, TypeError, AttributeError, ArithmeticError, struct.error, MemoryError, RuntimeError, TokenError),
)
# gray and palette pictures, whose values are ids
MODES = ("L", "P", "I", "I;16", "I;16B")


def read_label_map(path: Path, shape: tuple[int, int]) -> NDArray[np.integer]:
    """Read the one integer array of a `.npz`, `.npy` or `.png` file.

    A file whose header gives another shape is refused before it is unpacked. Pictures are rotated as their EXIF data
    says, as photos are; of an animated picture, the first frame counts.

    Args:
        path: The file.
        shape: `(H, W)` of the image.

    Returns:
        The array as it was stored, `(H, W)`.

    Raises:
        ValueError: If the file cannot be read or holds something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "map.npy"
        ...     np.save(path, np.array([[0, 1]]))
        ...     read_label_map(path, (1, 2))
        array([[0, 1]])
    """
    try:
        if path.suffix == ".png":
            return _read_picture(path, shape)
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    raise ValueError(f"it holds {len(names)} arrays.")
                with archive.open(names[0]) as stream:
                    return _read_array(stream, shape)
        with path.open("rb") as stream:
            return _read_array(stream, shape)
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected a label map, integers of shape {shape}, in {path}: {reason}") from error


def _read_array(stream: IO[bytes], shape: tuple[int, int]) -> NDArray[np.integer]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"its version of NumPy's format is {version}.")
    found, by_columns, dtype = readers[version](stream)
    if found != shape or not np.issubdtype(dtype, np.integer):
        raise ValueError(f"it holds {dtype} of shape {found}.")
    size = shape[0] * shape[1] * dtype.itemsize
    content = stream.read(size)
    if len(content) < size:
        raise ValueError(f"it ends after {len(content)} of {size} bytes.")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")


def _read_picture(path: Path, shape: tuple[int, int]) -> NDArray[np.integer]:
    # only PNG, whatever the file's name: JPEG would blur one id into another
    with Image.open(path, formats=["PNG"]) as picture:
        if picture.mode not in MODES or sorted(picture.size) != sorted(shape):
            raise ValueError(f"it is a picture of {picture.height} x {picture.width} values of mode {picture.mode}.")
        labels = np.asarray(ImageOps.exif_transpose(picture))
    if labels.shape != shape:
        raise ValueError(f"it is a picture of {labels.shape[0]} x {labels.shape[1]} values.")
    return labels
