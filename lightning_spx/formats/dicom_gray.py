"""Turns the stored numbers of a gray DICOM frame into the scanner's units, and finds what is black and white."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.dicom_frame import StoredFrame
from lightning_spx.formats.dicom_table import table
from lightning_spx.formats.stored_image import StoredImage, is_barely_used

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

BIG_ENDIAN = "1.2.840.10008.1.2.2"
# of several windows and tables a file offers, the first counts
FIRST = 0


class _Scale(NamedTuple):
    """Where black and white lie, low and high; or a curve from black to white, in [0, 1]."""

    low: float | None
    high: float | None
    curve: NDArray[Any] | None = None


def gray_image(dataset: "Dataset", index: int, stored: StoredFrame) -> StoredImage:
    """Return a gray frame in the scanner's units, with padding as NaN.

    Args:
        dataset: the file.
        index: number of the frame, from 0.
        stored: its numbers.

    Raises:
        ValueError: the file contradicts itself.
    """
    values, possible = _in_units(dataset, index, stored)
    if stored.padding.any():
        values = values.astype(np.float64)
        values[stored.padding] = np.nan
    scale = _scale(dataset, index, values, possible)
    # a tomogram of 16 bits without a window would be one gray
    barely = (
        scale is possible
        and stored.lowest is not None
        and stored.highest is not None
        and is_barely_used(stored.values[~stored.padding], stored.lowest, stored.highest)
    )
    if not _is_inverted(dataset):
        return StoredImage(values, scale.low, scale.high, _shown(scale.curve, stored.padding), barely)
    if scale.low is None:
        raise ValueError("it is MONOCHROME1, and states no range that could be inverted.")
    inverted = None if scale.curve is None else 1 - scale.curve
    return StoredImage(values, scale.high, scale.low, _shown(inverted, stored.padding), barely)


def _in_units(dataset: "Dataset", index: int, stored: StoredFrame) -> tuple[NDArray[Any], _Scale]:
    """Return the values after the modality's rescaling, and the range that they can have."""
    if dataset.get("ModalityLUTSequence"):
        if stored.lowest is None or stored.highest is None:
            raise ValueError("its pixels are float numbers, and it has a table for integers.")
        item = dataset.ModalityLUTSequence[FIRST]
        found = table(item.LUTDescriptor, item["LUTData"].value, _is_little(dataset), stored.lowest, stored.highest)
        return found.of(stored.values), _Scale(0, found.highest)
    if "DoseGridScaling" in dataset:
        # a plan's dose has a unit, but no brightness
        return stored.values * float(dataset.DoseGridScaling), _Scale(None, None)
    said = _macro(dataset, index, "PixelValueTransformationSequence")
    slope, intercept = said.get("RescaleSlope"), said.get("RescaleIntercept")
    if (slope is None) != (intercept is None):
        raise ValueError(f"its rescaling has the slope {slope} and the intercept {intercept}.")
    if slope is None or (float(slope), float(intercept)) == (1, 0):
        return stored.values, _Scale(stored.lowest, stored.highest)
    slope, intercept = float(slope), float(intercept)
    if slope == 0 or not np.isfinite(slope + intercept):
        raise ValueError(f"its rescaling has the slope {slope} and the intercept {intercept}.")
    values = stored.values * slope + intercept
    if stored.lowest is None or stored.highest is None:
        return values, _Scale(None, None)
    low, high = sorted((stored.lowest * slope + intercept, stored.highest * slope + intercept))
    return values, _Scale(low, high)


def _scale(dataset: "Dataset", index: int, values: NDArray[Any], possible: _Scale) -> _Scale:
    """Return the file's first window, else its first table, else all that the values can be."""
    said = _macro(dataset, index, "FrameVOILUTSequence")
    centers, widths = (_numbers(said.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centers and widths:
        return _window(centers[FIRST], widths[FIRST], str(said.get("VOILUTFunction") or "LINEAR"), values, possible)
    if dataset.get("VOILUTSequence"):
        if possible.low is None or possible.high is None:
            raise ValueError("its values have no range, and it has a table for integers.")
        item = dataset.VOILUTSequence[FIRST]
        found = table(item.LUTDescriptor, item["LUTData"].value, _is_little(dataset), possible.low, possible.high)
        return possible._replace(curve=found.of(values) / found.highest)
    return possible


def _window(center: float, width: float, function: str, values: NDArray[Any], possible: _Scale) -> _Scale:
    """Return where a window lies (PS3.3, section C.11.2.1); one that is none states no range."""
    if function == "LINEAR" and width > 1:
        return _Scale(center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)
    if function == "LINEAR" and width == 1:
        return possible._replace(curve=np.asarray(values > center - 0.5, np.float64))
    if function == "LINEAR_EXACT" and width > 0:
        return _Scale(center - width / 2, center + width / 2)
    if function == "SIGMOID" and width > 0:
        with np.errstate(over="ignore"):
            return possible._replace(curve=1 / (1 + np.exp(-4 * (values - center) / width)))
    return _Scale(None, None)


def _shown(curve: NDArray[Any] | None, padding: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    return None if curve is None else np.where(padding[..., None], 0, curve).astype(np.float32)


def _is_inverted(dataset: "Dataset") -> bool:
    inverted = bool(dataset.PhotometricInterpretation == "MONOCHROME1")
    shape = dataset.get("PresentationLUTShape")
    if shape and (shape == "INVERSE") != inverted:
        raise ValueError(f"it is {dataset.PhotometricInterpretation} and {shape}: one says that 0 is black, one white.")
    return inverted


def _is_little(dataset: "Dataset") -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID != BIG_ENDIAN)


def _macro(dataset: "Dataset", index: int, name: str) -> "Dataset":
    """Return the part of a file that says something about one frame: its own, that of all frames, or the file."""
    of_frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if of_frames and index >= len(of_frames):
        raise ValueError(f"it describes {len(of_frames)} frames, and frame {index} is read.")
    for group in (*of_frames[index : index + 1], *(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]):
        if group.get(name):
            found: Dataset = group[name].value[0]
            return found
    return dataset


def _numbers(value: float | Sequence[float] | None) -> list[float]:
    """Return the numbers of an element that has several, one or none."""
    if value is None:
        return []
    return [float(each) for each in (value if isinstance(value, Sequence) else (value,))]
