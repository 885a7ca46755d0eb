"""Reads a mask file as levels from 0 to 255 on the object, or says why they are not clear."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from lightning_spx.data.mask_areas import NEAR, has_numbers
from lightning_spx.formats.image_file import UNREADABLE, decode, reason_of
from lightning_spx.formats.tiff import BEGINNINGS
from lightning_spx.formats.tiff_pages import WHITE_IS_ZERO, check_bands, check_planes, images_of

Levels = NDArray[np.uint8]
HALF = 128
# how far JPEG may move the channels of gray apart
ALMOST_GREY = 16
ADVICE = "save it as gray of 8 bits, 255 on the object and 0 elsewhere."


def mask_levels(path: Path) -> Levels:
    """Return how much of each pixel is object, `(H, W)` from 0 to 255, with the image upright.

    Gray levels are used unchanged, but a single value of at least 128 beside 0 is the object. So is a single color on
    black. Opaque pixels are the object if all pixels have one color or if the opaque ones are the bright ones. Zeros
    alone, or what JPEG and WebP make of them, mean that there is no object. Values near 0 and 255 count as 0 and 255.

    Args:
        path: an image file.

    Raises:
        ValueError: the file cannot be read, or holds something else: only values below 128, like numbers of classes or
            annotators; numbers of classes beside 255; several colors; gray and opacity that differ; a TIFF of several
            pages, or one whose scale is inverted.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mask.png"
        ...     Image.new("1", (2, 1), 1).save(path)
        ...     mask_levels(path)
        array([[255, 255]], dtype=uint8)
    """
    pixels = decode(path, "RGBA", _page(path))
    levels = _of_colors(path, pixels[..., :3])
    opacity = pixels[..., 3]
    if opacity.min() < 255:
        if (pixels[..., :3] == pixels[0, 0, :3]).all():
            levels = opacity
        elif ((levels >= HALF) != (opacity >= HALF)).any():
            raise ValueError(
                f"Expected the mask {path} to be gray or transparent, got both, and not on the same pixels: {ADVICE}"
            )
    values = np.flatnonzero(np.bincount(levels.ravel(), minlength=256))
    largest = int(values[-1])
    noise = _noise_of_black(path)
    if largest <= NEAR and noise is not None and largest - values[0] <= noise:
        return np.zeros_like(levels)
    if 0 < largest < HALF:
        advice = "multiply it by 255." if largest == 1 else ADVICE
        raise ValueError(f"Expected the mask {path} to be 255 on the object, got at most {largest}: {advice}")
    if len(values) == 2 and values[0] == 0:
        # only two levels: make the object 255, because resizing would shrink an object of 128
        return np.where(levels > 0, 255, 0).astype(np.uint8)
    if has_numbers(levels, values, is_lossy=noise is not None):
        some = ", ".join(map(str, values[:5].tolist())) + (", ..." if len(values) > 5 else "")
        raise ValueError(
            f"Expected the mask {path} to be 255 on the object and 0 elsewhere, got areas of {some}: {ADVICE}"
        )
    return levels


def _page(path: Path) -> int | None:
    """Return the number of the only page of a TIFF that is no thumbnail; None for other files."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if not file.read(4).startswith(BEGINNINGS):
            return None
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = images_of(tiff)
            check_planes(tiff, pages[0], len(pages))
            check_bands(pages[0])
            count, page, is_inverted = len(pages), pages[0].index, pages[0].photometric == WHITE_IS_ZERO
    except UNREADABLE as error:
        raise ValueError(f"Expected the mask {path} to be a readable image: {reason_of(error)}") from error
    if count > 1:
        raise ValueError(f"Expected the mask {path} to have one page, got {count}: save the one that counts.")
    if is_inverted:
        raise ValueError(
            f"Expected the mask {path} to be 255 on the object, but its scale is inverted (WhiteIsZero), and programs "
            "differ in whether they turn it round: save it with BlackIsZero."
        )
    return int(page)


def _of_colors(path: Path, colors: Levels) -> Levels:
    """Return the gray levels, or those of the single color beside black."""
    red, green, blue = colors.transpose(2, 0, 1)
    brightest: Levels = np.maximum(np.maximum(red, green), blue)
    if (brightest - np.minimum(np.minimum(red, green), blue)).max() <= ALMOST_GREY:
        return brightest
    seen = colors[brightest > 0].astype(np.int32) @ (2**16, 2**8, 1)
    others = np.unique(seen)
    if len(others) > 1:
        some = ", ".join(f"#{color:06x}" for color in others[:2].tolist())
        raise ValueError(f"Expected the mask {path} to be gray, got {len(others)} colors such as {some}: {ADVICE}")
    return brightest


def _noise_of_black(path: Path) -> int | None:
    """Return how far the values of a black image differ in JPEG and lossy WebP; None for other formats."""
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"\xff\xd8\xff"):
        return 0
    return 2 if start.startswith(b"RIFF") and start.endswith(b"WEBPVP8 ") else None
