"""Image files that no one should have, made at test time: those that are refused, and those with a defined result."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
# height 6, width 9: a turned one has another shape
PIXELS: Pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
OTHER: Pixels = 255 - PIXELS
INKS: Pixels = np.random.default_rng(2).integers(0, 256, (6, 9, 4), dtype=np.uint8)
LOSSLESS = ("BMP", "PNG", "PPM", "TIFF")
FORMATS = (*LOSSLESS, "GIF", "JPEG", "WEBP")
ORIENTATION = 0x0112


def saved(pixels: NDArray[np.generic], file_format: str, **settings: object) -> bytes:
    """An image file's bytes."""
    stream = io.BytesIO()
    options: dict[str, Any] = settings
    Image.fromarray(pixels).save(stream, file_format, **options)
    return stream.getvalue()


def of_mode(mode: str) -> bytes:
    """A TIFF file whose numbers are colors of another kind."""
    stream = io.BytesIO()
    numbers = INKS if mode == "CMYK" else PIXELS
    Image.frombytes(mode, (9, 6), numbers.tobytes()).save(stream, "TIFF")
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, content: bytes = b"", depth: int = 8, colors: int = 2, extra: bytes = b"") -> bytes:
    """A PNG file that says how large it is, and holds what it holds."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colors, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def resized(whole: bytes, at: int, form: str, width: int, height: int) -> bytes:
    """A file whose header says another size."""
    packed = struct.pack(form, width, height)
    return whole[:at] + packed + whole[at + len(packed) :]


def jpeg(width: int, height: int) -> bytes:
    whole = saved(PIXELS, "JPEG")
    return resized(whole, whole.index(b"\xff\xc0") + 5, ">HH", height, width)


def with_orientation(file_format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return saved(PIXELS, file_format, exif=exif)


WHOLE = {name: saved(PIXELS, name) for name in FORMATS}
BOMB = 30_000

# what is refused, and a part of the reason
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", ""),
    "one byte": (b"\x89", ""),
    "text": (b"no image at all", ""),
    "a page": (b"<html><img src='x'></html>", ""),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='6'/>", ""),
    "a document": (b"%PDF-1.4\n1 0 obj\n", ""),
    "a program for a printer": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 6\nshowpage\n", ""),
    "an icon": (saved(np.zeros((16, 16, 3), np.uint8), "ICO", sizes=[(16, 16)]), ""),
    "a table of FITS": (
        b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =  8".ljust(80) + b"END".ljust(2720),
        "",
    ),
    "an archive": (b"PK\x03\x04" + bytes(60), ""),
    "an array": (b"\x93NUMPY\x01\x00\x46\x00{'descr': '|u1', 'fortran_order': False, 'shape': (6, 9), }\n", ""),
    "noise": (np.random.default_rng(1).bytes(4096), ""),
    **{f"half of {name}": (whole[: len(whole) // 2], "") for name, whole in WHOLE.items()},
    **{f"beginning of {name}": (whole[:14], "") for name, whole in WHOLE.items()},
    "a wide PNG": (png(BOMB, 1000), "30000 x 1000"),
    "a high PNG": (png(1000, BOMB), "1000 x 30000"),
    "a large PNG": (png(BOMB, BOMB), "decompression bomb"),
    "a huge PNG": (png(2**31 - 1, 2**31 - 1), "decompression bomb"),
    "a PNG where Pillow refuses": (png(13_378, 13_377), "decompression bomb"),
    "16-bit gray that would be black": (saved(np.array([[0, 255]], np.uint16), "PNG"), "nearly all in a quarter"),
    "a long strip": (png(909, 9), "909 x 9"),
    "a high strip": (png(1, 101), "1 x 101"),
    "a wide JPEG": (jpeg(BOMB, 1000), "30000 x 1000"),
    "a large JPEG": (jpeg(65_500, 65_500), "decompression bomb"),
    "a wide GIF": (resized(WHOLE["GIF"], 6, "<HH", BOMB, 1000), "30000 x 1000"),
    "a wide BMP": (resized(WHOLE["BMP"], 18, "<ii", BOMB, 1000), "30000 x 1000"),
    "a wide PPM": (b"P6 30000 1000 255\n", "30000 x 1000"),
    "a wide TIFF": (
        WHOLE["TIFF"].replace(struct.pack("<HHII", 256, 4, 1, 9), struct.pack("<HHII", 256, 4, 1, BOMB), 1),
        "30000 x 6",
    ),
    "a PNG without width": (png(0, 6), ""),
    "a PNG without pixels": (png(9, 6), ""),
    "a PNG of 3 bits": (png(9, 6, depth=3), ""),
    "a PNG of color 5": (png(9, 6, colors=5), ""),
    "a PNG of noise": (png(9, 6, b"\x09" * 168), ""),
    "a PNG with a wrong checksum": (WHOLE["PNG"].replace(b"IDAT", b"IDAT\x00", 1)[:-1], ""),
    "a PNG with a text that unpacks for ever": (
        png(9, 6, bytes(168), extra=chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(2**24)))),
        "",
    ),
    "a PPM of letters": (b"P6 nine six 255\n" + PIXELS.tobytes(), ""),
    "a PPM of no levels": (b"P6 9 6 0\n" + PIXELS.tobytes(), ""),
    "32-bit integers": (saved(np.array([[0, 70_000]], np.int32), "TIFF"), "no range for its numbers, 0 to 70000"),
    "32-bit numbers": (saved(np.array([[0.0, 0.5, 300.0]], np.float32), "TIFF"), "no range for its numbers, 0 to 300"),
    "colors of CIELAB": (of_mode("LAB"), "colors are of the kind CIELAB"),
}


def as_rgb(gray: NDArray[np.generic]) -> Pixels:
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


def cmyk_as_rgb(cmyk: Pixels) -> Pixels:
    """Each ink and black take their share of the light, as Pillow does without a profile."""
    light = 255 - cmyk.astype(np.int64)
    # rounded product of 8-bit shares, Pillow's MULDIV255
    product = light[..., :3] * light[..., 3:] + 128
    return ((product + (product >> 8)) >> 8).astype(np.uint8)


DEEP: NDArray[np.uint16] = np.array([[0, 255, 256, 257], [0x1234, 0x7FFF, 0x8000, 65_535]], np.uint16)
GREY = PIXELS[..., 0]
# from how a file is stored to how it is shown
TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
    9: lambda stored: stored,
}


def moving(file_format: str, **settings: object) -> bytes:
    frames = [Image.fromarray(OTHER)]
    return saved(PIXELS, file_format, save_all=True, append_images=frames, **settings)


def deep_colors() -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in DEEP_COLOURS)
    return png(4, 2, rows, depth=16)


DEEP_GRAY = np.stack([DEEP, DEEP, DEEP], axis=2)
DEEP_COLOURS = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], axis=2)


def palette() -> tuple[bytes, Pixels]:
    image = Image.fromarray(GREY % 4).convert("P")
    colors = [[10, 20, 30], [40, 50, 60], [70, 80, 90], [100, 110, 120]]
    image.putpalette([level for color in colors for level in color])
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=1)
    return stream.getvalue(), np.array(colors, np.uint8)[GREY % 4]


def brightness(deep: NDArray[np.uint16]) -> NDArray[np.float32]:
    """All levels of 16 bits, in [0, 1]."""
    return (deep / 65_535).astype(np.float32)


# name of the file, its bytes, and its pixels as they must come out
DEFINED: dict[str, tuple[str, bytes, Pixels | NDArray[np.float32]]] = {
    **{f"a {name} named .png": ("a.png", WHOLE[name], PIXELS) for name in LOSSLESS if name != "PNG"},
    "a PNG named .jpg": ("a.jpg", WHOLE["PNG"], PIXELS),
    "a PNG without an ending": ("a", WHOLE["PNG"], PIXELS),
    "a PNG and more": ("a.png", WHOLE["PNG"] + b"more", PIXELS),
    "one pixel": ("a.png", saved(PIXELS[:1, :1], "PNG"), PIXELS[:1, :1]),
    "the longest strip": ("a.png", saved(np.full((1, 100, 3), 7, np.uint8), "PNG"), np.full((1, 100, 3), 7, np.uint8)),
    "16 bits of gray in a PNG": ("a.png", saved(DEEP, "PNG"), brightness(DEEP_GRAY)),
    "16 bits of gray in a TIFF": ("a.tiff", saved(DEEP, "TIFF"), brightness(DEEP_GRAY)),
    "16 bits of gray in a PGM": ("a.pgm", b"P5 4 2 65535\n" + DEEP.astype(">u2").tobytes(), brightness(DEEP_GRAY)),
    "16 bits of color": ("a.png", deep_colors(), brightness(DEEP_COLOURS)),
    "inks": ("a.tiff", of_mode("CMYK"), cmyk_as_rgb(INKS)),
    "two levels": ("a.png", saved(GREY > 99, "PNG"), as_rgb(255 * (GREY > 99))),
    "a palette with a transparent color": ("a.png", *palette()),
    "a transparent image": ("a.png", saved(INKS, "PNG"), INKS[..., :3]),
    "a moving GIF": ("a.gif", moving("GIF"), np.asarray(Image.open(io.BytesIO(WHOLE["GIF"])).convert("RGB"))),
    "a moving PNG": ("a.png", moving("PNG"), PIXELS),
    "a moving WebP": ("a.webp", moving("WEBP", lossless=True), PIXELS),
    "a TIFF of two pages": ("a.tif", moving("TIFF"), PIXELS),
    **{
        f"orientation {number} in a {name}": (f"a.{name.lower()}", with_orientation(name, number), turn(PIXELS))
        for number, turn in TURNS.items()
        for name in ("PNG", "TIFF")
    },
}
