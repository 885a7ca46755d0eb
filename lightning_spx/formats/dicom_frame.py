"""Decodes one frame of a DICOM file to the numbers that were stored, or to RGB."""

from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# stored colors that pydicom turns into RGB; the last two only exist inside JPEG 2000
RGB = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
JPEG_OF_PILLOW = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", *(f"1.2.840.10008.1.2.4.20{n}" for n in (1, 2, 3)))
RLE = "1.2.840.10008.1.2.5"


class StoredFrame(NamedTuple):
    """One frame as it is stored.

    Args:
        values: (H, W, 1) numbers, or (H, W, 3) of RGB.
        padding: (H, W) True where the scanner only filled the rectangle.
        lowest: smallest number that the stored bits can hold; None for float pixels.
        highest: largest such number.
    """

    values: NDArray[Any]
    padding: NDArray[np.bool_]
    lowest: int | None
    highest: int | None


def stored_frame(dataset: "Dataset", index: int) -> StoredFrame:
    """Return one frame of a dataset, without rescaling.

    Args:
        dataset: read by pydicom, with its meta information.
        index: number of the frame, from 0.

    Raises:
        ValueError: no installed package decodes it, or its numbers are outside the bits that it says it uses.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    meaning = dataset.PhotometricInterpretation
    if meaning in ("YBR_RCT", "YBR_ICT") and syntax not in JPEG_2000:
        raise ValueError(f"its colors are {meaning}, which only JPEG 2000 can store, and it is {syntax.name}.")
    values = _decoded(dataset, index)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind == "f":
        return StoredFrame(values.reshape(*values.shape[:2], -1), np.zeros(values.shape[:2], bool), None, None)
    bits, signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    # scanners mark padding by a number that may need more bits than they say they use
    padding = _is_padding(dataset, values)
    if not syntax.is_encapsulated or syntax == RLE:
        values = _in_bits(dataset, values)
        padding |= _is_padding(dataset, values)
    counted = values if values.ndim == 3 else values[~padding]
    if counted.size and (counted.min() < lowest or counted.max() > highest):
        raise ValueError(f"it says that it uses {bits} bits, and holds {counted.min()} to {counted.max()}.")
    return StoredFrame(values.reshape(*values.shape[:2], -1), padding, lowest, highest)


def _decoded(dataset: "Dataset", index: int) -> NDArray[Any]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise ValueError(f"its pixels are stored as {syntax.name}, which pydicom does not decode.") from error
    installable = f"for which one of these has to be installed: {'; '.join(decoder.missing_dependencies)}."
    if not decoder.is_available:
        raise ValueError(f"its pixels are stored as {syntax.name}, {installable}")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if dataset.BitsAllocated == 1 and not syntax.is_encapsulated and frames > 1:
        # pydicom 3.0.2 reads too few bytes for a frame that begins inside a byte
        return np.asarray(pixel_array(dataset)[index])
    colors_by_pillow = _is_adobe_jpeg(dataset, index, frames)
    plugin = "pillow" if colors_by_pillow else ""
    try:
        # unused bits are left, because they may tell padding from other pixels
        return np.asarray(
            pixel_array(dataset, index=index, raw=colors_by_pillow, decoding_plugin=plugin, correct_unused_bits=False)
        )
    except RuntimeError as error:
        # Pillow decodes part of what these formats allow
        missing = f" It is {syntax.name}, {installable}" if decoder.missing_dependencies else ""
        raise ValueError(f"{error}.{missing}") from error


def _is_adobe_jpeg(dataset: "Dataset", index: int, frames: int) -> bool:
    """Return whether a JPEG of colors has Adobe's marker, by which Pillow makes RGB and pydicom then converts again."""
    from pydicom.encaps import get_frame

    if dataset.file_meta.TransferSyntaxUID not in JPEG_OF_PILLOW or dataset.SamplesPerPixel != 3:
        return False
    content = get_frame(dataset.PixelData, index, number_of_frames=frames)
    with Image.open(BytesIO(content), formats=["JPEG"]) as picture:
        return "adobe_transform" in picture.info


def _in_bits(dataset: "Dataset", values: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers alone, without what lies in the bits beside them, such as overlays of older files."""
    allocated, used = int(dataset.BitsAllocated), int(dataset.BitsStored)
    highest_bit = int(dataset.get("HighBit", used - 1))
    if not used - 1 <= highest_bit < allocated:
        raise ValueError(f"its numbers have {used} of {allocated} bits, and their highest bit is {highest_bit}.")
    if allocated == used:
        return values
    # the sign bit goes to the top, from where the shift to the right spreads it
    return np.asarray(np.right_shift(np.left_shift(values, allocated - 1 - highest_bit), allocated - used))


def _is_padding(dataset: "Dataset", values: NDArray[Any]) -> NDArray[np.bool_]:
    first = dataset.get("PixelPaddingValue")
    if first is None or values.ndim == 3:
        return np.zeros(values.shape[:2], bool)
    last = dataset.get("PixelPaddingRangeLimit")
    # writers mistake the sign of this number, so its bits count
    kind = values.dtype.type
    ends = sorted(int(np.asarray(int(each)).astype(kind)) for each in (first, first if last is None else last))
    return np.asarray((values >= ends[0]) & (values <= ends[1]))
