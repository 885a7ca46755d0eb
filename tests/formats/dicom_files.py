"""DICOM files, written by pydicom."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

IMPLICIT, EXPLICIT, BIG = str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian), str(ExplicitVRBigEndian)
DEFLATED, RLE, JPEG, JPEG_2000 = (f"1.2.840.10008.1.2{end}" for end in (".1.99", ".5", ".4.50", ".4.90"))


def dicom(
    path: Path,
    pixels: NDArray[Any] | list[bytes],
    syntax: str = EXPLICIT,
    shape: tuple[int, ...] | None = None,
    /,
    **elements: object,
) -> Path:
    """Write numbers, (H, W), (H, W, 3), or a list of compressed frames, with elements by their keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = UID(syntax)
    file = Dataset()
    file.file_meta, file.preamble = meta, bytes(128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    if isinstance(pixels, list):
        assert shape is not None
        bits, signed = 8, 0
    else:
        shape = pixels.shape[-3:] if pixels.shape[-1] == 3 else pixels.shape[-2:]
        bits, signed = 8 * pixels.dtype.itemsize, int(pixels.dtype.kind == "i")
    color = len(shape) == 3
    described: dict[str, object] = {
        **{"Rows": shape[0], "Columns": shape[1], "SamplesPerPixel": 3 if color else 1},
        **{"BitsAllocated": bits, "BitsStored": bits, "PixelRepresentation": signed},
        "PhotometricInterpretation": "RGB" if color else "MONOCHROME2",
        **({"PlanarConfiguration": 0} if color else {}),
        **elements,
    }
    described.setdefault("HighBit", int(str(described["BitsStored"])) - 1)
    for keyword, value in described.items():
        if value is not None:
            setattr(file, keyword, value)
    if isinstance(pixels, list):
        file.PixelData = encapsulate(pixels)
        file["PixelData"].VR = "OB"
        file["PixelData"].is_undefined_length = True
    elif "PixelData" not in file:
        content = pixels.astype(pixels.dtype.newbyteorder(">")) if syntax == BIG else pixels
        raw = content.tobytes()
        file.PixelData = raw + bytes(len(raw) % 2)
        file["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    file.save_as(path, enforce_file_format=True)
    return path


def item(**elements: object) -> Dataset:
    """Return an item of a sequence."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def lut(first: int, entries: list[int], bits: int, signed: bool = False) -> Dataset:
    """Return a table of integers, as modality and VOI tables are."""
    made = Dataset()
    made.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 2**16, first, bits])
    made.add_new("LUTData", "US", entries)
    return made


def jpeg(pixels: NDArray[np.uint8], **settings: bool) -> bytes:
    """Return a JPEG of the best quality by Pillow."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=100, subsampling=0, **settings)
    return stream.getvalue()


def jpeg_2000(pixels: NDArray[Any], **settings: bool | int | str) -> bytes:
    """Return a lossless JPEG 2000 codestream by Pillow."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", irreversible=False, no_jp2=True, **settings)
    return stream.getvalue()


def with_adobe(content: bytes, transform: int) -> bytes:
    """Return a JPEG with Adobe's marker, which says whether it is RGB (0) or YCbCr (1), in place of JFIF's."""
    length = 2 + int.from_bytes(content[4:6], "big")
    assert content[2:4] == b"\xff\xe0"
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
    return content[:2] + marker + content[2 + length :]
