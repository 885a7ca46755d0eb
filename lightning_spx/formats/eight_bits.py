"""Converts the numbers of an image that Pillow reads to 8-bit brightness, or says why that is undefined."""

import sys
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

# 16-bit images below this value may hold unscaled numbers of 8, 10, 12 or 14 bits
DOUBTFUL = 2**14
WHITE_IS_ZERO = 0
IN_PLANES = 2
UNSIGNED = 1
BITS_FROM_THE_RIGHT = 2


class Numbers(NamedTuple):
    """How a file's numbers become brightness.

    Args:
        highest: the number of full brightness.
        white_is_zero: whether the scale is inverted and Pillow does not invert it back.
    """

    highest: int
    white_is_zero: bool


def numbers_of(image: Image.Image) -> Numbers:
    """Return what an image's header says about its numbers, before anything is decoded.

    Raises:
        ValueError: their brightness is not defined, or Pillow decodes them wrongly.

    Example:
        >>> numbers_of(Image.new("L", (2, 1)))
        Numbers(highest=255, white_is_zero=False)
    """
    # 32-bit values have no range, and Pillow's conversion of CIELAB changes from version to version
    if image.mode in ("F", "LAB") or (image.mode == "I" and image.format != "PPM"):
        raise ValueError(f"it holds values of Pillow's mode {image.mode}, neither colors nor gray of 8 or 16 bits.")
    white_is_zero = False
    if isinstance(image, TiffImageFile):
        tags = image.tag_v2
        white_is_zero = tags.get(Tag.PhotometricInterpretation, WHITE_IS_ZERO) == WHITE_IS_ZERO
        if any(kind != UNSIGNED for kind in tags.get(Tag.SampleFormat, ())):
            raise ValueError("it holds signed numbers, whose brightness is not defined: save it with 8 bits, unsigned.")
        # Pillow's own reader takes the bytes of planes unchanged
        turned = white_is_zero or tags.get(Tag.FillOrder) == BITS_FROM_THE_RIGHT
        in_planes = tags.get(Tag.PlanarConfiguration) == IN_PLANES and {each[0] for each in image.tile} == {"raw"}
        if in_planes and (turned or set(tags.get(Tag.BitsPerSample, (1,))) != {8}):
            raise ValueError("it holds planes of other than 8 bits, which Pillow mixes up: save it interleaved.")
    # an image without pixels is refused when it is decoded
    if not isinstance(image, ImageFile) or image.format not in ("PNG", "PPM", "TIFF") or not image.tile:
        return Numbers(255, white_is_zero)
    decoder, arguments = image.tile[0][0], image.tile[0][3]
    kind, *others = arguments if isinstance(arguments, tuple) else (arguments or "",)
    if decoder.startswith("ppm"):
        return Numbers(int(others[-1]), white_is_zero)
    return Numbers(4095 if ";12" in kind else 65_535 if ";16" in kind else 255, white_is_zero)


def eight_bits(image: Image.Image, numbers: Numbers) -> Image.Image:
    """Return a decoded image with 8 bits: the upper eight if it has more.

    Args:
        image: decoded by Pillow, whose own conversion would turn every gray above 255 white.
        numbers: what its header says.

    Raises:
        ValueError: at most a quarter of the 16-bit range is used. Unscaled numbers of 8 to 14 bits look like that and
            would be far too dark, and they cannot be told from a photo taken at night.

    Example:
        >>> deep = Image.fromarray(np.array([[0, 0x80FF]], np.uint16))
        >>> np.asarray(eight_bits(deep, Numbers(65535, white_is_zero=False))).tolist()
        [[0, 128]]
    """
    if image.mode.startswith("I"):
        gray = np.asarray(image)
        _check_range(int(gray.max()), numbers)
        # Pillow scales 12 bits to 16 for PNM but not for TIFF
        shift = 4 if numbers.highest == 4095 and image.mode != "I" else 8
        levels = (gray >> shift).astype(np.uint8)
        return Image.fromarray(255 - levels if numbers.white_is_zero else levels)
    if numbers.highest == 65_535 and image.mode.startswith("RGB"):
        # Pillow kept only the upper eight bits
        _check_range(256 * int(np.asarray(image)[..., :3].max()), numbers)
    return image


def check_black(image: Image.Image, numbers: Numbers) -> None:
    """Refuse 16-bit colors that Pillow turns black, because it drops the lower eight bits.

    Args:
        image: the image, opened again and not decoded.
        numbers: what its header says.

    Raises:
        ValueError: the lower bits are not zero.
    """
    lower_bits(image)
    _check_range(int(np.asarray(image)[..., :3].max()), numbers)


def lower_bits(image: Image.Image) -> None:
    """Let an opened image of 16-bit colors, which is not decoded, keep the lower eight bits in place of the upper."""
    if isinstance(image, ImageFile):
        image.tile = [tile._replace(args=_of_lower_bits(tile.args)) for tile in image.tile]


def _of_lower_bits(arguments: str | tuple[Any, ...] | None) -> str | tuple[Any, ...]:
    """Return arguments with which Pillow's decoder reads the lower byte instead of the upper one."""
    kind, *others = arguments if isinstance(arguments, tuple) else (arguments or "",)
    if others == [65_535]:
        # for PNM, Pillow divides by the largest number
        return kind, 256
    little = kind.endswith("L") or (kind.endswith("N") and sys.byteorder == "little")
    turned = f"{kind[:-1]}{'B' if little else 'L'}"
    return (turned, *others) if isinstance(arguments, tuple) else turned


def _check_range(largest: int, numbers: Numbers) -> None:
    if numbers.highest == 65_535 and 0 < largest <= DOUBTFUL:
        raise ValueError(
            f"it holds 16-bit numbers of at most {largest}, a quarter of their range, as unscaled ones of fewer bits "
            "do: save it with 8 bits, as bright as it should be."
        )
