"""Reads one slice of a NIfTI volume as radiologists look at it, with its labels in the same orientation."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.nifti_labels import whole_numbers
from lightning_spx.formats.nifti_slice import chosen_slice
from lightning_spx.formats.stored_image import StoredImage

if TYPE_CHECKING:
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.nifti1 import Nifti1Image

# what nibabel raises on damaged files
UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError),
    *(EOFError, MemoryError, struct.error, zlib.error),
)
# that of the second version is the longer one
HEADER = 540
GZIP = b"\x1f\x8b"
# magic bytes and their place, of the first version and the second
SECOND = b"n+2\0\r\n\x1a\n"
VOLUMES = {344: b"n+1\0", 4: SECOND}
HEADERS_ONLY = {344: b"ni1\0", 4: b"ni2\0\r\n\x1a\n"}
# notes between header and volume are read as a whole, and a packed file may unfold to many gigabytes
MAX_NOTES = 2**26


def is_nifti(path: Path) -> bool:
    """Return whether a file is NIfTI, by its content; it may be packed by gzip.

    Example:
        >>> is_nifti(Path(__file__))
        False
    """
    try:
        with _opened(path) as stream:
            beginning = stream.read(HEADER)
    except (OSError, EOFError, zlib.error):
        return False
    return _has(beginning, VOLUMES) or _has(beginning, HEADERS_ONLY)


def read_nifti(path: Path, frame: int | None = None) -> StoredImage:
    """Read one axial slice of a NIfTI file by nibabel, in radiological convention.

    The top of the picture is anterior, and its left is the patient's right. Slices are counted from the lowest, along
    the stored axis that is nearest to the body's: an oblique volume is not resampled, nor are pixels that are no
    squares, because masks lie on the same grid. A volume of one sagittal or coronal slice gives that one, superior at
    the top, and anterior (sagittal) or the patient's right (coronal) at the left. Values are those after the file's
    rescaling. The range is the display range `cal_min` to `cal_max` if it is stated, else that of unscaled 8-bit
    numbers; otherwise there is none. NaN stays. Only the slice is kept in memory, but a gzip file is unpacked up to it
    for each call.

    Args:
        path: a `.nii` or `.nii.gz` file, whatever its name; a `.hdr` of a pair is refused.
        frame: number of the slice, from 0; None for the only one.

    Returns:
        Values (H, W, 1), or (H, W, 3) of RGB; integers, or floats where they are stored as such or rescaled.

    Raises:
        ModuleNotFoundError: nibabel is not installed.
        ValueError: the file cannot be read, states no orientation or two that contradict each other, has several
            volumes, or several slices and `frame` is None.

    Example:
        >>> import tempfile
        >>> import nibabel
        >>> volume = np.arange(24, dtype=np.int16).reshape(2, 3, 4)  # left to right, back to front, bottom to top
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), Path(folder) / "scan.nii")
        ...     read_nifti(Path(folder) / "scan.nii", 0).values[..., 0]
        array([[20,  8],
               [16,  4],
               [12,  0]], dtype=int16)
    """
    with _read(path) as image:
        values = chosen_slice(image, frame)
        if values.shape[2] == 3:
            return StoredImage(values, 0, 255)
        slope, inter = _scale(image)
        low, high = float(image.header["cal_min"]), float(image.header["cal_max"])
        if (slope, inter) != (1, 0):
            values = values.astype(np.float64) * slope + inter
        if not (np.isfinite((low, high)).all() and low < high):
            is_photo = values.dtype == np.uint8
            return StoredImage(values, 0 if is_photo else None, 255 if is_photo else None)
        return StoredImage(values, low, high)


def read_nifti_labels(path: Path, frame: int | None = None) -> NDArray[np.int64]:
    """Read one slice of a NIfTI label map, in the orientation of `read_nifti`.

    Integers are those of the file. Rescaled integers, as nibabel writes a float array under an integer header, are
    rounded if all are within the file's quantization step of a whole number; floats have to be whole.

    Args:
        path: a `.nii` or `.nii.gz` file.
        frame: number of the slice, from 0; None for the only one.

    Returns:
        Labels, (H, W).

    Raises:
        ModuleNotFoundError: nibabel is not installed.
        ValueError: as for `read_nifti`, or a value is not whole, or the storage has too few bits to tell it from
            the next.

    Example:
        >>> import tempfile
        >>> import nibabel
        >>> labels = np.array([[0, 2**31 - 1]], np.int32)[..., None]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), Path(folder) / "labels.nii.gz")
        ...     read_nifti_labels(Path(folder) / "labels.nii.gz")
        array([[2147483647],
               [         0]])
    """
    with _read(path) as image:
        stored = chosen_slice(image, frame)
        if stored.shape[2] != 1:
            raise ValueError("it holds colors, and no labels.")
        return whole_numbers(stored[..., 0], *_scale(image))


@contextmanager
def _read(path: Path) -> Iterator["Nifti1Image"]:
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
        from nibabel.spatialimages import HeaderDataError, HeaderTypeError
    except ImportError as error:
        raise ModuleNotFoundError(
            f'Expected nibabel to be installed, which reads {path}: pip install "lightning_spx[nifti]".'
        ) from error
    unreadable = (*UNREADABLE, HeaderDataError, HeaderTypeError, ImageFileError)
    try:
        if not path.is_file():
            raise FileNotFoundError("there is no such file.")
        with _opened(path) as stream:
            beginning = stream.read(HEADER)
            if _has(beginning, HEADERS_ONLY):
                raise ValueError("it is the header of a pair, whose volume is in another file: save it as one `.nii`.")
            if not _has(beginning, VOLUMES):
                raise ValueError("it does not begin as NIfTI files do.")
            kind = nibabel.Nifti2Image if beginning[4:12] == SECOND else nibabel.Nifti1Image
            header = kind.header_class(beginning[: kind.header_class.sizeof_hdr])
            if not 0 <= header["vox_offset"] <= MAX_NOTES:
                raise ValueError(f"its volume begins after {header['vox_offset']:.0f} bytes.")
            stream.seek(0)
            # the open file, because nibabel goes by the names of files
            holder = nibabel.FileHolder(fileobj=stream)
            yield kind.from_file_map({"header": holder, "image": holder})
    except unreadable as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected {path} to be a readable NIfTI file: {reason}") from error


def _scale(image: "Nifti1Image") -> tuple[float, float]:
    """Return slope and intercept, which nibabel takes out of the header it shows."""
    proxy = cast("ArrayProxy", image.dataobj)
    return float(proxy.slope), float(proxy.inter)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
        stream.seek(0)
        if not packed:
            yield stream
            return
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield unpacked


def _has(beginning: bytes, magic: dict[int, bytes]) -> bool:
    return any(beginning[place : place + len(known)] == known for place, known in magic.items())
