"""Photos of other than 8 bits: as bright as they are, or refused by name."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_spx.formats.image_file import decode
from lightning_spx.formats.photo import read_photo

# 6 rows of 8: brightness in [0, 1], of which each color has its own
RAMP = np.linspace(0, 1, 48).reshape(6, 8)
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1] / 2], axis=2)


def packed(numbers: NDArray[np.float64], bits: int) -> bytes:
    """Unsigned numbers, the highest bit first; each row begins on a byte."""
    rows = ("".join(f"{int(number):0{bits}b}" for number in row) for row in numbers)
    return b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)


def tiff(data: bytes, bits: int, order: str = "<", **others: int) -> bytes:
    """An uncompressed TIFF file of 8 x 6 pixels in one strip, by its specification; of planes, one strip each."""
    samples, planes = others.get("samples", 1), others.get("planes", 1)
    strips = samples if planes == 2 else 1
    tags = {256: 8, 257: 6, 258: bits, 259: 1, 262: others.get("photometric", 1), 273: 8, 277: samples, 278: 6}
    tags |= {279: len(data) // strips, 284: planes, 339: others.get("kind", 1)}
    counts = {258: samples, 273: strips, 279: strips, 339: samples}
    # values of several samples follow the directory
    beyond, at = b"", 8 + len(data) + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, value in tags.items():
        count = counts.get(tag, 1)
        if count == 1:
            entries += struct.pack(order + "HHII", tag, 4, 1, value)
            continue
        values = [8 + len(data) // strips * strip for strip in range(strips)] if tag == 273 else [value] * count
        entries += struct.pack(order + "HHII", tag, 4, count, at + len(beyond))
        beyond += struct.pack(f"{order}{count}I", *values)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data))
    return header + data + struct.pack(order + "H", len(tags)) + entries + bytes(4) + beyond


def png(numbers: NDArray[np.float64], colors: int) -> bytes:
    """A PNG file of 16 bits."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers)
    header = struct.pack(">IIBBBBB", 8, 6, 16, colors, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def of(largest: int, values: NDArray[np.float64] = RAMP) -> NDArray[np.float64]:
    return np.round(values * largest)


def opaque(colors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([colors, np.full((6, 8, 1), 65_535)], axis=2)


def deep(largest: int, order: str = "<", values: NDArray[np.float64] = RAMP) -> bytes:
    return of(largest, values).astype(f"{order}u2").tobytes()


def shown(path: Path) -> NDArray[np.float64]:
    """Brightness in [0, 1]."""
    found = read_photo(path)
    return found / 255 if found.dtype == np.uint8 else found.astype(np.float64)


WHITE_IS_ZERO = 0
AS_BRIGHT = {
    "8 bits": tiff(of(255).astype(np.uint8).tobytes(), 8),
    "8 bits, white is zero": tiff((255 - of(255)).astype(np.uint8).tobytes(), 8, photometric=WHITE_IS_ZERO),
    "8 bits of one plane, white is zero": tiff(
        (255 - of(255)).astype(np.uint8).tobytes(), 8, planes=2, photometric=WHITE_IS_ZERO
    ),
    "12 bits": tiff(packed(of(4095), 12), 12),
    "16 bits": tiff(deep(65_535), 16),
    "16 bits, the highest first": tiff(deep(65_535, ">"), 16, ">"),
    "16 bits, white is zero": tiff(deep(65_535, values=1 - RAMP), 16, photometric=WHITE_IS_ZERO),
    "a PNG of 16 bits": png(of(65_535), 0),
    "a PGM of 12 bits, which says so": b"P5 8 6 4095\n" + deep(4095, ">"),
    "a plain PGM of 10 bits": b"P2 8 6 1023\n" + " ".join(f"{number:.0f}" for number in of(1023).ravel()).encode(),
}
IN_COLOUR = {
    "contiguous": tiff(deep(65_535, values=COLOURS), 16, samples=3, photometric=2),
    "8 bits in planes": tiff(
        of(255, COLOURS).astype(np.uint8).transpose(2, 0, 1).tobytes(), 8, samples=3, photometric=2, planes=2
    ),
    "16 bits in planes": tiff(deep(65_535, values=COLOURS.transpose(2, 0, 1)), 16, samples=3, photometric=2, planes=2),
    "a PNG": png(of(65_535, COLOURS), 2),
    "an opaque PNG": png(opaque(of(65_535, COLOURS)), 6),
}
BLACK = np.zeros((6, 8))
REFUSED = {
    "signed bytes": (
        tiff((of(255) - 128).astype(np.int8).tobytes(), 8, kind=2),
        "no range for its numbers, -128 to 127: give",
    ),
    "signed 16 bits": (tiff((of(65_535) - 32_768).astype("<i2").tobytes(), 16, kind=2), "no range for its numbers"),
    "10 bits": (tiff(packed(of(1023), 10), 10), "requires the 'imagecodecs' package"),
    "14 bits": (tiff(packed(of(16_383), 14), 14), "requires the 'imagecodecs' package"),
    **{
        f"{name} of at most {largest}": (content, "it holds numbers from 0 to")
        for largest in (255, 1023, 4095, 16_383)
        for name, content in {
            "a PNG of gray": png(of(largest), 0),
            "a PNG of colors": png(of(largest, COLOURS), 2),
            "a PNG of opaque colors": png(opaque(of(largest, COLOURS)), 6),
            "a TIFF": tiff(deep(largest), 16),
            "a TIFF where white is zero": tiff(deep(largest), 16, photometric=WHITE_IS_ZERO),
            "a TIFF of colors": tiff(deep(largest, values=COLOURS), 16, samples=3, photometric=2),
            "a PGM": b"P5 8 6 65535\n" + deep(largest, ">"),
            "a PPM": b"P6 8 6 65535\n" + deep(largest, ">", COLOURS),
        }.items()
    },
}


@pytest.mark.parametrize("name", AS_BRIGHT)
def test_gray_is_as_bright_as_its_numbers_say(name: str, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(AS_BRIGHT[name])
    levels = 255 if "8 bits" in name else 1023 if "10 bits" in name else 4095 if "12 bits" in name else 65_535
    assert np.abs(shown(tmp_path / "photo") - RAMP[..., None]).max() <= 0.5 / levels + 1e-7
    # a mask is read with the upper eight bits, by Pillow alone
    if "plane" not in name:
        assert np.abs(decode(tmp_path / "photo") / 255 - RAMP[..., None]).max() <= 1 / 255


@pytest.mark.parametrize("name", IN_COLOUR)
def test_colors_are_as_bright_as_their_numbers_say(name: str, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(IN_COLOUR[name])
    levels = 255 if "8 bits" in name else 65_535
    assert np.abs(shown(tmp_path / "photo") - COLOURS).max() <= 0.5 / levels + 1e-7


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_plain_brightness_is_refused_by_name(name: str, tmp_path: Path) -> None:
    content, reason = REFUSED[name]
    (tmp_path / "photo.tif").write_bytes(content)
    with pytest.raises(ValueError, match=rf"photo\.tif to be a readable image: .*{reason}"):
        read_photo(tmp_path / "photo.tif")


def test_a_black_photo_and_a_dark_one_with_a_bright_pixel_are_read(tmp_path: Path) -> None:
    for values, brightest in ((BLACK, 0), (RAMP / 3, 85)):
        (tmp_path / "night.png").write_bytes(png(of(65_535, values), 0))
        assert decode(tmp_path / "night.png").max() == brightest
        assert shown(tmp_path / "night.png").max() == pytest.approx(brightest / 255, abs=1e-5)


@pytest.mark.parametrize("lowest", [0, 1])
def test_black_colors_of_16_bits_are_read_and_numbers_that_only_look_black_are_not(lowest: int, tmp_path: Path) -> None:
    numbers = np.zeros((6, 8, 3))
    numbers[2, 3, 1] = lowest
    files = {
        "a.png": png(numbers, 2),
        "b.png": png(opaque(numbers), 6),
        "c.tif": tiff(numbers.astype("<u2").tobytes(), 16, samples=3, photometric=2),
        "d.tif": tiff(numbers.astype(">u2").tobytes(), 16, ">", samples=3, photometric=2),
        "e.ppm": b"P6 8 6 65535\n" + numbers.astype(">u2").tobytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        if lowest:
            with pytest.raises(ValueError, match=r"it holds numbers from [01] to 1, nearly all in a quarter"):
                read_photo(tmp_path / name)
        else:
            assert not read_photo(tmp_path / name).any()
