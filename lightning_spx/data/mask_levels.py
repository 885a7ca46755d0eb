"""What a mask file says of each pixel, from 0 to 255 on the object, or why that is not plain."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from lightning_spx.data.image_file import decode

Levels = NDArray[np.uint8]
HALF = 128
# colours that a JPEG file gives to grey
ALMOST_GREY = 16
# a drawn mask has two values, blurred edges and probabilities have many, and numbers of classes are in between
FEW_VALUES = 32
SHARE_OF_OBJECT = 0.25
MOST_ANNOTATORS = 10
# what 2 to 10 annotators agree on, rounded either way
SHARES = frozenset(
    round(255 * votes / annotators + turn)
    for annotators in range(1, MOST_ANNOTATORS + 1)
    for votes in range(annotators + 1)
    for turn in (-0.49, 0.49)
)
ADVICE = "save it as grey of 8 bits, 255 on the object and 0 elsewhere."


def mask_levels(path: Path) -> Levels:
    """Return how much of each pixel is object, `(H, W)` from 0 to 255, upright.

    Grey is taken as it is, and one value of at least 128 beside 0 is the object. So is one colour on black, and what is
    opaque where all pixels have one colour, or where the opaque ones are the bright ones. Zeros alone are no object.

    Args:
        path: an image file.

    Raises:
        ValueError: the file cannot be read, or holds something else: nothing from 128 on, as numbers of classes or
            annotators do; numbers of classes beside 255; several colours; grey and opacity that differ.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mask.png"
        ...     Image.new("1", (2, 1), 1).save(path)
        ...     mask_levels(path)
        array([[255, 255]], dtype=uint8)
    """
    pixels = decode(path, "RGBA")
    levels = _of_colours(path, pixels[..., :3])
    opacity = pixels[..., 3]
    if opacity.min() < 255:
        if (pixels[..., :3] == pixels[0, 0, :3]).all():
            levels = opacity
        elif ((levels >= HALF) != (opacity >= HALF)).any():
            raise ValueError(
                f"Expected the mask {path} to be grey or transparent, got both, and not on the same pixels: {ADVICE}"
            )
    values = np.flatnonzero(np.bincount(levels.ravel(), minlength=256))
    largest = int(values[-1])
    if 0 < largest < HALF:
        advice = "multiply it by 255." if largest == 1 else ADVICE
        raise ValueError(f"Expected the mask {path} to be 255 on the object, got at most {largest}: {advice}")
    if len(values) == 2 and values[0] == 0:
        # there are two kinds of pixels, and resizing would shrink an object that is 128
        return np.where(levels > 0, 255, 0).astype(np.uint8)
    _check_numbers(path, levels, values)
    return levels


def _of_colours(path: Path, colours: Levels) -> Levels:
    """Return grey, or the one colour that there is beside black."""
    red, green, blue = colours.transpose(2, 0, 1)
    brightest: Levels = np.maximum(np.maximum(red, green), blue)
    if (brightest - np.minimum(np.minimum(red, green), blue)).max() <= ALMOST_GREY:
        return brightest
    seen = colours[brightest > 0].astype(np.int32) @ (2**16, 2**8, 1)
    others = np.unique(seen)
    if len(others) > 1:
        some = ", ".join(f"#{colour:06x}" for colour in others[:2].tolist())
        raise ValueError(f"Expected the mask {path} to be grey, got {len(others)} colours such as {some}: {ADVICE}")
    return brightest


def _check_numbers(path: Path, levels: Levels, values: NDArray[np.int64]) -> None:
    """Refuse numbers of classes, of which a threshold would take the largest: often 255, a border without a class."""
    odd = [int(value) for value in values if value not in SHARES]
    if not odd or len(values) > FEW_VALUES:
        return
    # an edge is a pixel or two wide, and what has a class has an inside
    inside = maximum_filter(levels, size=3) == minimum_filter(levels, size=3)
    if (inside & np.isin(levels, odd)).sum() >= SHARE_OF_OBJECT * (levels > 0).sum():
        some = ", ".join(map(str, values[:5].tolist())) + (", ..." if len(values) > 5 else "")
        raise ValueError(
            f"Expected the mask {path} to be 255 on the object and 0 elsewhere, got areas of {some}: {ADVICE}"
        )
