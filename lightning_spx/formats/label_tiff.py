"""Reads the ids of a TIFF file, of any number of bits."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tifffile import COMPRESSION, PHOTOMETRIC

from lightning_spx.formats.tiff_pages import check_planes

# a lossy compression would blur one id into another
LOSSLESS = frozenset(
    {COMPRESSION.NONE, COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.PACKBITS}
    | {COMPRESSION.LZMA, COMPRESSION.ZSTD}
)
MAX_TILE = 2**26
# what an empty compressed piece may take
OVERHEAD = 2**12
UPRIGHT = 1
# numbers of bits of which Pillow unpacks several ids from one byte
PACKED = (2, 4)
# Pillow has no other integers
BY_PILLOW = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int32))


def read_label_tiff(path: Path, shape: tuple[int, int], frame: int | None) -> NDArray[np.integer]:
    """Return the integers of one page as they are stored, (H, W), whatever their colors or their photometric meaning.

    Overviews, which GeoTIFF files hold beside their image, are no pages.

    Args:
        path: the file.
        shape: height and width of the image.
        frame: the page, from 0; None for the only one.

    Raises:
        ValueError: it has several pages, another shape, other numbers or several bands, a lossy compression, or is
            stored turned.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "map.tif"
        ...     tifffile.imwrite(path, np.array([[7, 2**32 - 1]], np.uint32))
        ...     read_label_tiff(path, (1, 2), frame=None).tolist()
        [[7, 4294967295]]
    """
    with tifffile.TiffFile(path) as file:
        pages = [
            page for page in file.pages if isinstance(page, tifffile.TiffPage) and not (page.is_reduced or page.is_mask)
        ]
        if frame is None and len(pages) != 1:
            raise ValueError(f"it has {len(pages)} pages: name one as `frame`, from 0.")
        if not 0 <= (frame or 0) < len(pages):
            raise ValueError(f"it has {len(pages)} pages, and frame {frame} was asked for.")
        page = pages[frame or 0]
        check_planes(file, page, len(pages))
        if page.shape != shape or page.dtype is None or page.dtype.kind not in "iu":
            raise ValueError(f"it holds {page.dtype} of shape {page.shape}.")
        if page.compression not in LOSSLESS:
            raise ValueError(f"its compression {page.compression} may blur ids: save it without.")
        orientation = page.tags.valueof("Orientation", UPRIGHT)
        if orientation != UPRIGHT:
            raise ValueError(f"it is stored turned, orientation {orientation}: save it upright.")
        piece = page.tilewidth * page.tilelength if page.is_tiled else shape[0] * shape[1]
        if piece > MAX_TILE or any(count > 2 * piece * page.dtype.itemsize + OVERHEAD for count in page.databytecounts):
            raise ValueError("a piece of it is far larger than the image.")
        # Pillow turns 8 bits and fewer round where white is zero
        turned = page.dtype == np.uint8 and page.photometric == PHOTOMETRIC.MINISWHITE
        is_packed = page.bitspersample in PACKED
        if (is_packed or page.compression == COMPRESSION.LZW) and page.dtype in BY_PILLOW and not turned:
            # tifffile needs another package for these, and most maps of land have LZW
            return _by_pillow(path, page)
        labels: NDArray[np.integer] = page.asarray(maxworkers=1)
        return labels


def _by_pillow(path: Path, page: tifffile.TiffPage) -> NDArray[np.integer]:
    with Image.open(path, formats=["TIFF"]) as picture:
        picture.seek(page.index)
        labels, is_gray = np.asarray(picture), picture.mode == "L"
    if page.dtype is None or labels.ndim != 2 or labels.dtype.newbyteorder("=") != page.dtype:
        raise ValueError(f"it holds {labels.dtype} of shape {labels.shape} in place of {page.dtype}.")
    if is_gray and page.bitspersample in PACKED:
        # Pillow stretches gray of fewer bits to 255, and ids should stay what they are
        labels = labels // np.uint8(255 // (2**page.bitspersample - 1))
    return labels
