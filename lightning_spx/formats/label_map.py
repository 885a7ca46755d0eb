"""Reads one image's segments from a file of another tool: an array or a picture of ids."""

import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lightning_spx.formats.label_tiff import read_label_tiff
from lightning_spx.formats.regions import label_map, read_regions

# what NumPy and Pillow raise on damaged files, found by fuzzing them
UNREADABLE = (
    *(EOFError, OSError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error, Image.DecompressionBombError),
    *(LookupError, TypeError, AttributeError, ArithmeticError, struct.error, MemoryError, RuntimeError, TokenError),
)
# gray and palette pictures, whose values are ids
MODES = ("L", "P", "I", "I;16", "I;16B")


PNG_HEADER = 26
ARRAYS = (".npy", ".npz")
TIFFS = (".tif", ".tiff")
SCANS = (".nii", ".nii.gz")


def read_label_map(path: Path, shape: tuple[int, int], frame: int | None = None) -> NDArray[np.integer]:
    """Read one image's ids: an array, a gray or palette picture, a TIFF, NIfTI labels, or an image's own regions.

    What a file must hold follows from the ending of its name: `.npz` (one array), `.npy`, `.png`, `.tif`, `.nii`,
    `.nii.gz`, or `.json` of SAM or labelme, whose smaller regions lie on top and whose rest is 0, see `label_map`. A
    file whose header gives another shape is refused before it is unpacked. Pictures are rotated as their EXIF data
    says, as photos are; of an animated picture, the first frame counts.

    Args:
        path: The file.
        shape: `(H, W)` of the image.
        frame: The page of a TIFF or the slice of a NIfTI file that has several, from 0.

    Returns:
        The ids as they were stored, `(H, W)`.

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
    name = path.name.lower()
    if name.endswith(".json") and frame is None:
        return label_map(read_regions(path, size=shape))
    try:
        if name.endswith(TIFFS):
            return read_label_tiff(path, shape, frame)
        if name.endswith(SCANS):
            return _read_scan(path, shape, frame)
        if frame is not None:
            raise ValueError(f"it has no frames, and frame {frame} was asked for.")
        if name.endswith(".png"):
            return _read_picture(path, shape)
        if name.endswith(ARRAYS):
            return _in_array(path, shape, "iu")
        raise ValueError(f"its name ends with none of {', '.join((*ARRAYS, '.png', *TIFFS, *SCANS, '.json'))}.")
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected a label map, integers of shape {shape}, in {path}: {reason}") from error


def read_flags(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read the one array of truths of a `.npz` or `.npy` file.

    Raises:
        ValueError: If the file cannot be read or holds something else, such as numbers.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mask.npy"
        ...     np.save(path, np.array([[0, 1]]))
        ...     read_flags(path, (1, 2))
        Traceback (most recent call last):
        ...
        ValueError: Expected a mask, truths of shape (1, 2), in ...mask.npy: it holds int64 of shape (1, 2).
    """
    try:
        return _in_array(path, shape, "b").astype(np.bool_)
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected a mask, truths of shape {shape}, in {path}: {reason}") from error


def _in_array(path: Path, shape: tuple[int, int], kinds: str) -> NDArray[Any]:
    if path.name.lower().endswith(".npz"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise ValueError(f"it holds {len(names)} arrays.")
            with archive.open(names[0]) as stream:
                return _read_array(stream, shape, kinds)
    with path.open("rb") as stream:
        return _read_array(stream, shape, kinds)


def _read_scan(path: Path, shape: tuple[int, int], frame: int | None) -> NDArray[np.integer]:
    # the extra `nifti` is needed for these files alone
    from lightning_spx.formats.nifti import read_nifti_labels

    labels = read_nifti_labels(path, frame)
    if labels.shape != shape:
        raise ValueError(f"it holds {labels.dtype} of shape {labels.shape}.")
    return labels


def _read_array(stream: IO[bytes], shape: tuple[int, int], kinds: str) -> NDArray[Any]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"its version of NumPy's format is {version}.")
    found, by_columns, dtype = readers[version](stream)
    if found != shape or dtype.kind not in kinds:
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
        is_gray = picture.mode == "L"
    if is_gray:
        with path.open("rb") as stream:
            bits = stream.read(PNG_HEADER)[24]
        # Pillow stretches gray of 2 and 4 bits to 255, and ids should stay what they are
        labels = labels // (255 // (2**bits - 1))
    if labels.shape != shape:
        raise ValueError(f"it is a picture of {labels.shape[0]} x {labels.shape[1]} values.")
    return labels
