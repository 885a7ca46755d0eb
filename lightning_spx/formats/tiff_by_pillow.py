"""Reads pages of TIFF files that tifffile cannot unpack without the package imagecodecs, such as LZW, by Pillow."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lightning_spx.formats.eight_bits import lower_bits

WHITE_IS_ZERO = 0
IN_PLANES = 2
UNSIGNED = 1


def read_by_pillow(path: Path, page: tifffile.TiffPage, reason: str) -> NDArray[Any]:
    """Return the numbers of a page as they are stored, (H, W, S), upright.

    Args:
        path: a TIFF file.
        page: the page, as tifffile describes it.
        reason: why tifffile cannot unpack it.

    Raises:
        ValueError: Pillow would change its numbers; whatever Pillow raises on damaged files.
    """
    refused = ValueError(f"{reason.rstrip('.')}, and Pillow reads such files otherwise: pip install imagecodecs.")
    bits, samples = int(page.bitspersample), int(page.samplesperpixel)
    if page.planarconfig == IN_PLANES and samples > 1:
        raise refused
    try:
        picture = _opened(path, page.index)
    except (OSError, SyntaxError, KeyError) as error:
        raise refused from error
    if samples == 1 and picture.mode.startswith("I"):
        # 12 bits are not scaled, and signed numbers keep their sign
        if bits > 16:
            raise refused
        return np.asarray(picture).astype(page.dtype)[..., None]
    if samples == 1 and picture.mode == "F" and bits == 32:
        return np.asarray(picture)[..., None]
    if samples == 1 and picture.mode in ("L", "1") and page.sampleformat == UNSIGNED:
        shown = np.asarray(picture.convert("L"))[..., None]
        # Pillow turns the scale round, and spreads fewer bits over eight
        stored = 255 - shown if page.photometric == WHITE_IS_ZERO else shown
        fewer: NDArray[Any] = stored // (255 // (2**bits - 1))
        return fewer
    if picture.mode in ("RGB", "RGBA", "RGBX") and bits == 8 and page.sampleformat == UNSIGNED:
        return np.asarray(picture)[..., :samples]
    if picture.mode in ("RGB", "RGBA", "RGBX") and bits == 16 and page.sampleformat == UNSIGNED:
        # Pillow keeps the upper eight bits, and the lower ones if it is told another order of bytes
        lower = np.asarray(_opened(path, page.index, lower=True))
        both: NDArray[Any] = np.asarray(picture).astype(np.uint16) << 8 | lower
        return both[..., :samples]
    raise refused


def _opened(path: Path, index: int, lower: bool = False) -> Image.Image:
    with Image.open(path, formats=("TIFF",)) as image:
        image.seek(index)
        if lower:
            lower_bits(image)
        image.load()
        return ImageOps.exif_transpose(image)
