"""Reads one image of a DICOM file: the scanner's own numbers, and what the file says is black and white."""

import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_spx.formats.dicom_frame import RGB, stored_frame
from lightning_spx.formats.dicom_gray import gray_image
from lightning_spx.formats.dicom_table import palette_colors
from lightning_spx.formats.plane_size import check_size
from lightning_spx.formats.stored_image import StoredImage

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# what pydicom and its decoders raise on damaged files
UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, SyntaxError),
    *(EOFError, MemoryError, struct.error, zlib.error),
)
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# what pixels cannot be read without
DESCRIBED = ("Rows", "Columns", "PhotometricInterpretation")
DESCRIBED_INTEGERS = ("BitsAllocated", "BitsStored", "PixelRepresentation")
GRAY = ("MONOCHROME1", "MONOCHROME2")
# the bytes in front of a file's content: a preamble of 128 bytes, and "DICM"
PREAMBLE = 128
# a file of a few megabytes may unfold to many gigabytes
MAX_INFLATED = 2**30
DEFLATED = "1.2.840.10008.1.2.1.99"


def is_dicom(beginning: bytes) -> bool:
    """Return whether a file is DICOM, from its first 132 bytes.

    Example:
        >>> is_dicom(bytes(128) + b"DICM")
        True
    """
    return beginning[PREAMBLE : PREAMBLE + 4] == b"DICM"


def read_dicom(path: Path, frame: int | None = None) -> StoredImage:
    """Read one image of a DICOM file (PS3.3, sections C.7.6.3 and C.11) by pydicom.

    Gray values are those after the modality's rescaling or table, such as Hounsfield units. Black and white are those
    of the file's first window; without one, `shown` is what its first VOI table makes of the values; without either,
    the range is what the stored bits can hold after rescaling. Enhanced files state all of this for each frame.
    MONOCHROME1 is inverted. Pixels of padding are NaN, so they become black and count for no percentile. Colors are
    RGB, whatever the file stores (YBR, palette, planes), without window or color profile. Overlays and annotations are
    left out. Pixels that are no squares are not resampled, because masks and maps lie on the same grid.

    Args:
        path: a file with the DICOM preamble, of any transfer syntax that pydicom's installed decoders know; the whole
            file is read, of which one frame is decoded.
        frame: number of the frame, from 0; None for the only one.

    Returns:
        Values (H, W, 1), or (H, W, 3) of colors; integers, or float64 where they are rescaled or have padding.

    Raises:
        ModuleNotFoundError: pydicom is not installed.
        ValueError: the file cannot be read, has no pixels, has several frames and `frame` is None, needs a decoder that
            is not installed, or contradicts itself.

    Example:
        >>> from pydicom.data import get_testdata_file
        >>> image = read_dicom(Path(get_testdata_file("CT_small.dcm")))
        >>> image.values.shape, float(image.values[64, 64, 0])
        ((128, 128, 1), 904.0)
    """
    try:
        import pydicom
    except ImportError as error:
        raise ModuleNotFoundError(
            f'Expected pydicom to be installed, which reads {path}: pip install "lightning_spx[dicom]".'
        ) from error
    try:
        if not path.is_file():
            raise FileNotFoundError("there is no such file.")
        _check_file(path)
        with warnings.catch_warnings():
            # pydicom warns of what it puts right, once for each file
            warnings.simplefilter("ignore")
            return _image(pydicom.dcmread(path), frame)
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected {path} to be a readable DICOM image: {reason}") from error


def _check_file(path: Path) -> None:
    """Refuse a file without the preamble, because its bytes may mean anything, and one that unfolds to too much."""
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as stream:
        if not is_dicom(stream.read(PREAMBLE + 4)):
            raise ValueError("it does not begin with 128 bytes and 'DICM', as DICOM files do since 1993.")
        meta = read_file_meta_info(path)
        if "TransferSyntaxUID" not in meta:
            raise ValueError("it does not say how it is stored, as its transfer syntax is missing.")
        if meta.TransferSyntaxUID != DEFLATED:
            return
        # the length itself takes 12 bytes
        stream.seek(PREAMBLE + 4 + 12 + int(meta.FileMetaInformationGroupLength))
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof and (content := inflater.unconsumed_tail or stream.read(2**20)):
            size += len(inflater.decompress(content, 2**20))
            if size > MAX_INFLATED:
                raise ValueError(f"it unfolds to more than {MAX_INFLATED} bytes.")


def _image(dataset: "Dataset", frame: int | None) -> StoredImage:
    if not any(each in dataset for each in PIXELS):
        kind = dataset.get("SOPClassUID")
        raise ValueError(f"it holds no pixels ({'its kind is not said' if kind is None else kind.name}).")
    for name in (*DESCRIBED, *(DESCRIBED_INTEGERS if "PixelData" in dataset else ())):
        if dataset.get(name) is None:
            raise ValueError(f"it does not say its {name}.")
    check_size(int(dataset.Columns), int(dataset.Rows))
    meaning = str(dataset.get("PhotometricInterpretation"))
    samples = int(dataset.get("SamplesPerPixel", 1))
    if samples != (3 if meaning in RGB else 1) or meaning not in (*RGB, *GRAY, "PALETTE COLOR"):
        raise ValueError(f"its pixels are {meaning} of {samples} numbers each, which is neither gray, RGB nor YBR.")
    index = _chosen(int(dataset.get("NumberOfFrames") or 1), frame)
    stored = stored_frame(dataset, index)
    if meaning in GRAY:
        return gray_image(dataset, index, stored)
    if meaning == "PALETTE COLOR":
        colors, white = palette_colors(dataset, stored.values)
        return StoredImage(colors, 0, white)
    return StoredImage(stored.values, 0, 2 ** int(dataset.BitsStored) - 1)


def _chosen(frames: int, frame: int | None) -> int:
    if frame is None and frames > 1:
        raise ValueError(f"it holds {frames} frames: choose one by `frame`, 0 to {frames - 1}.")
    index = frame or 0
    if not 0 <= index < frames:
        raise ValueError(f"its frames are 0 to {frames - 1}, and `frame` is {frame}.")
    return index
