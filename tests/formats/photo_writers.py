"""What writes photos by other programs, and the numbers that are written."""

import base64
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.formats import Percentiles, Window

Numbers = NDArray[Any]
# height 6 and width 8; 0 and the highest number are there, and every color has its own
SHARES = np.linspace(0, 1, 48).reshape(6, 8)
COLORED = np.stack([SHARES, SHARES[::-1], SHARES[:, ::-1] / 2], axis=2)
GRAY_8, RGB_8 = (np.round(255 * each).astype(np.uint8) for each in (SHARES, COLORED))
GRAY_16, RGB_16 = (np.round(65_535 * each).astype(np.uint16) for each in (SHARES, COLORED))
GRAY_12 = np.round(4095 * SHARES).astype(np.uint16)
OPACITY = np.full((6, 8, 1), 40_000, np.uint16)
BANDS = np.concatenate([RGB_16, GRAY_16[..., None], 65_535 - GRAY_16[..., None]], axis=2)
# larger than a tile
LARGE = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) * 32


class Golden(NamedTuple):
    """A file, how it is read, and what must come out.

    Args:
        write: writes the file.
        expected: (H, W) or (H, W, C), uint8, or numbers that are rounded to float32; gray stands for three channels.
        channels, window, frame: of `read_photo`.
    """

    write: Callable[[Path], object]
    expected: Numbers
    channels: int = 3
    window: Window | Percentiles | None = None
    frame: int | None = None


def tiff(numbers: Numbers, **settings: object) -> Callable[[Path], object]:
    options: dict[str, Any] = settings
    options.setdefault(
        "photometric", "rgb" if numbers.ndim == 3 and 3 in (numbers.shape[0], numbers.shape[2]) else "minisblack"
    )
    return lambda path: tifffile.imwrite(path, numbers, **options)


def pages(*each: tuple[Numbers, dict[str, Any]]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path) as writer:
            for numbers, settings in each:
                writer.write(numbers, **{"photometric": "minisblack", "metadata": None, **settings})

    return write


def turned(number: int) -> dict[str, Any]:
    return {"extratags": [(274, "H", 1, number, True)]}


def turned_as(numbers: Numbers, orientation: int) -> Numbers:
    """What is shown of numbers that are stored so, by coordinates (TIFF 6.0, page 36)."""
    height, width = numbers.shape[:2]
    y, x = np.mgrid[:height, :width]
    # the row and the column where a stored pixel is shown
    rows = {1: y, 2: y, 3: height - 1 - y, 4: height - 1 - y, 5: x, 6: x, 7: width - 1 - x, 8: width - 1 - x}
    columns = {1: x, 2: width - 1 - x, 3: width - 1 - x, 4: x, 5: y, 6: height - 1 - y, 7: height - 1 - y, 8: y}
    shape = (width, height) if orientation > 4 else (height, width)
    shown = np.zeros((*shape, *numbers.shape[2:]), numbers.dtype)
    shown[rows[orientation], columns[orientation]] = numbers
    return shown


def by_opencv(ending: str, numbers: Numbers, *settings: int) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        # OpenCV's colors are blue, green, red
        colors = numbers if numbers.ndim == 2 else numbers[..., [2, 1, 0, *range(3, numbers.shape[2])]]
        done, content = cv2.imencode(ending, np.ascontiguousarray(colors), list(settings))
        assert done
        path.write_bytes(content.tobytes())

    return write


def by_pillow(kind: str, numbers: Numbers, mode: str | None = None, **settings: object) -> Callable[[Path], object]:
    options: dict[str, Any] = settings

    def write(path: Path) -> None:
        image = Image.fromarray(numbers)
        (image if mode is None else image.convert(mode)).save(path, kind, **options)

    return write


def moving(kind: str, **settings: object) -> Callable[[Path], object]:
    frames = [Image.fromarray(RGB_8[::-1]), Image.fromarray(RGB_8[:, ::-1])]
    return by_pillow(kind, RGB_8, None, save_all=True, append_images=frames, **settings)


def exif(number: int) -> Image.Exif:
    found = Image.Exif()
    found[274] = number
    return found


def with_palette(kind: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        image = Image.fromarray((GRAY_8 // 64).astype(np.uint8)).convert("L")
        image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
        image.save(path, kind)

    return write


PALETTE = np.arange(10, 130, 10).reshape(4, 3).astype(np.uint8)
DEEP_PALETTE = np.random.default_rng(0).integers(30_000, 65_536, (3, 65_536)).astype(np.uint16)


def array(numbers: Numbers) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, numbers)

    return write


def content(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(base64.b64decode(text))


def png(numbers: Numbers, kind: int, extra: bytes = b"", interlaced: bool = False) -> Callable[[Path], object]:
    """A PNG of 16 bits by its specification, which no common program writes with every setting."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = numbers.shape[:2]
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    passes = [numbers[y::down, x::right] for y, x, down, right in starts] if interlaced else [numbers]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for each in passes if each.size for row in each)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def significant(*bits: int) -> bytes:
    return struct.pack(">I", len(bits)) + b"sBIT" + bytes(bits) + struct.pack(">I", zlib.crc32(b"sBIT" + bytes(bits)))


LZW, DEFLATE = 5, 8
COMPRESSION = cv2.IMWRITE_TIFF_COMPRESSION
FULL_16, FULL_12 = GRAY_16 / 65_535, GRAY_12 / 4095
SIGNED = GRAY_12.astype(np.int16) - 1024
WAVE = SHARES.astype(np.float32) * 500 - 100
