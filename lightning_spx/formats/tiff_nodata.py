"""Which numbers of a TIFF file are no part of its image, as GDAL marks them."""

from dataclasses import replace
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from lightning_spx.formats.stated_range import in_stated_range
from lightning_spx.formats.stored_image import StoredImage

GDAL_NODATA = 42_113


def is_nodata(page: tifffile.TiffPage, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where numbers of more than 8 bits are those that a page says are none (the tag GDAL_NODATA).

    Args:
        page: the page, as tifffile describes it.
        values: its numbers, of any shape.

    Raises:
        ValueError: the tag holds no number.
    """
    nowhere = np.zeros(values.shape, bool)
    said = page.tags.valueof(GDAL_NODATA, None)
    # 8 bits are shown as they are, by viewers, too
    if said is None or values.dtype.itemsize == 1 or values.dtype.kind not in "iuf":
        return nowhere
    text = str(said).strip(" \0\n")
    try:
        # whole numbers beyond 2**53 have no float
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError as error:
        raise ValueError(f"its tag GDAL_NODATA is {text[:40]!r}, no number.") from error
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            rounded = np.array(number, np.float64).astype(values.dtype)
        if np.isinf(rounded) and not np.isinf(number):
            return nowhere
        return np.isnan(values) if np.isnan(rounded) else np.asarray(values == rounded)
    limits = np.iinfo(values.dtype)
    if not limits.min <= number <= limits.max or number != int(number):
        return nowhere
    return np.asarray(values == values.dtype.type(int(number)))


def in_known_range(
    values: NDArray[Any], nodata: NDArray[np.bool_], bits: int | None = None, inverted: bool = False
) -> StoredImage:
    """Return an image with the range of its type, as `in_stated_range` does, and NaN where there is no number.

    Args:
        values: (H, W, C).
        nodata: (H, W, C), where there is none; values become float64 if that is anywhere.
        bits: number of bits that the file states, where it is not that of the type.
        inverted: whether 0 is white.

    Raises:
        ValueError: there is no number at all; or for the reasons of `in_stated_range`.

    Example:
        >>> image = in_known_range(np.array([[[9], [-1]]]), np.array([[[False], [True]]]))
        >>> image.values.ravel().tolist()
        [9.0, nan]
    """
    if not nodata.any():
        return in_stated_range(values, bits, inverted)
    if nodata.all():
        raise ValueError("all of its numbers are the one that its tag GDAL_NODATA says is none.")
    known = in_stated_range(values[~nodata], bits, inverted)
    return replace(known, values=np.where(nodata, np.nan, values.astype(np.float64)))
