"""Photos written by other programs, with the brightness that they must have, and photos that must be refused.

The JPEG 2000 files of 10 and 12 bits were written by imagecodecs 2026.3.6 from `SHARES`, checked by its own decoder.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lightning_spx.formats import Percentiles
from tests.formats.golden_tiff import BY_TIFFFILE
from tests.formats.photo_writers import (
    BANDS,
    COMPRESSION,
    DEFLATE,
    FULL_12,
    FULL_16,
    GRAY_8,
    GRAY_12,
    GRAY_16,
    LARGE,
    LZW,
    OPACITY,
    PALETTE,
    RGB_8,
    RGB_16,
    SHARES,
    SIGNED,
    WAVE,
    Golden,
    array,
    by_opencv,
    by_pillow,
    content,
    exif,
    moving,
    pages,
    png,
    significant,
    tiff,
    with_palette,
)

J2K_12 = (
    "/0//UQApAAAAAAAIAAAABgAAAAAAAAAAAAAACAAAAAYAAAAAAAAAAAABCwEB/1IADAAAAAEAAAQEAAH/XAAEQGD/ZAAlAAFDcmVhdGVkIGJ5IE"
    "9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAABWAAH/k9/hFBIp0Q/YlAJoTvaMYai0uNfo+HEGCIXPxrtWr7R/2TrLB0y4q5fcmmNlO6kX"
    "IJdDKKs++pA7sxP0FjrF5x1+G6jtQ+cDuv/Z"
)
JP2_10 = (
    "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABgAAAAgAAQkHAAAAAAAPY29scgEAAAAAABEAAAC7an"
    "AyY/9P/1EAKQAAAAAACAAAAAYAAAAAAAAAAAAAAAgAAAAGAAAAAAAAAAAAAQkBAf9SAAwAAAABAAAEBAAB/1wABEBQ/2QAJQABQ3JlYXRlZCBi"
    "eSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAASQAB/5PfscASKdEP2JQCaE72jGGotLjX6PhxBgiFz8a7Vq+0f9k6ywdMuQElrrS0VV"
    "DKTHy2wDgfaZYupSr+Df/Z"
)
J2K_SIGNED = (
    "/0//UQApAAAAAAAIAAAABgAAAAAAAAAAAAAACAAAAAYAAAAAAAAAAAABiwEB/1IADAAAAAEAAAQEAAH/XAAEQGD/ZAAlAAFDcmVhdGVkIGJ5IE"
    "9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAABWAAH/k9/hFBIp0Q/YlAJoTvaMYai0uNfo+HEGCIXPxrtWr7R/2TrLB0y4q5fcmmNlO6kX"
    "IJdDKKs++pA7sxP0FjrF5x1+G6jtQ+cDuv/Z"
)
J2K_COLOR = (
    "/0//UQAvAAAAAAAIAAAABgAAAAAAAAAAAAAACAAAAAYAAAAAAAAAAAADCwEBCwEBCwEB/1IADAAAAAEBAAQEAAH/XAAEQGD/ZAAlAAFDcmVhdG"
    "VkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAADPAAH/k8fscj2p9zQR5y6iCu5V2FiplP9etYmGmQqY53L5EJLT0aZQK6Kw9BHL"
    "H5dZZSvnuVZJbyb2vN4QpifA79/hIBDcQj59XV8Y2TVVkq2Vwpco2r1ksIR8q1WG46vO64hMrIKmy9hxrs5eEVxoF3R90V9RJwX1KjxZZ7VCA+"
    "CGIiJhDc/7hjuOf9/g3BDcQjz0FIQ1woPhI5EVmNA3vrxIHp7eyAkIbSkZ6BCn43u6Nbezx+gEI1KOV6Axvd0a29kBIR//2Q=="
)
BY_OPENCV: dict[str, Golden] = {
    "a PNG of 16 bits": Golden(by_opencv(".png", GRAY_16), FULL_16),
    "a PNG of 16 bits of color": Golden(by_opencv(".png", RGB_16), RGB_16 / 65_535),
    "a PNG of 16 bits with opacity": Golden(by_opencv(".png", np.concatenate([RGB_16, OPACITY], 2)), RGB_16 / 65_535),
    "a PNG of 12 of 16 bits with a window": Golden(
        by_opencv(".png", RGB_16 // 16), (RGB_16 // 16) / 4095, 3, (0, 4095)
    ),
    "a PGM of 16 bits": Golden(by_opencv(".pgm", GRAY_16), FULL_16),
    "a PPM of 16 bits": Golden(by_opencv(".ppm", RGB_16), RGB_16 / 65_535),
    "a JPEG 2000 of 16 bits": Golden(
        by_opencv(".jp2", LARGE, cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000), LARGE / 65_535
    ),
    "a JPEG 2000 of 8 bits": Golden(
        by_opencv(".jp2", np.tile(RGB_8, (8, 8, 1)), cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000),
        np.tile(RGB_8, (8, 8, 1)),
    ),
    **{
        f"{kind} in a TIFF by {name}": Golden(by_opencv(".tif", numbers, COMPRESSION, method), expected)
        for name, method in (("LZW", LZW), ("deflate", DEFLATE))
        for kind, numbers, expected in (
            ("8 bits", GRAY_8, GRAY_8),
            ("8 bits of color", RGB_8, RGB_8),
            ("16 bits", GRAY_16, FULL_16),
            ("16 bits of color", RGB_16, RGB_16 / 65_535),
            ("16 bits with opacity", np.concatenate([RGB_16, OPACITY], 2), RGB_16 / 65_535),
            ("floats", SHARES.astype(np.float32), SHARES.astype(np.float32)),
        )
    },
    "signed 16 bits in a TIFF by LZW": Golden(by_opencv(".tif", SIGNED, COMPRESSION, LZW), FULL_12, 3, (-1024, 3071)),
    "8 bits in a TIFF by LZW with a window": Golden(
        by_opencv(".tif", RGB_8, COMPRESSION, LZW), np.clip(RGB_8 / 100, 0, 1), 3, (0, 100)
    ),
}
BY_PILLOW = {
    "a PNG of 16 bits, turned": Golden(by_pillow("PNG", GRAY_16, exif=exif(6)), np.rot90(FULL_16, -1)),
    "a PNG of 2 levels": Golden(by_pillow("PNG", GRAY_8 > 99), 255 * (GRAY_8 > 99).astype(np.uint8)),
    "a PNG of 2 levels with a window": Golden(by_pillow("PNG", GRAY_8 > 99), (GRAY_8 > 99) / 2, 3, (0, 2)),
    "a PNG with a palette": Golden(with_palette("PNG"), PALETTE[GRAY_8 // 64]),
    "a TIFF with a palette": Golden(with_palette("TIFF"), PALETTE[GRAY_8 // 64]),
    "a PNG of gray with opacity": Golden(by_pillow("PNG", GRAY_8, "LA"), GRAY_8),
    "a PNG with opacity": Golden(by_pillow("PNG", np.concatenate([RGB_8, RGB_8[..., :1]], 2)), RGB_8),
    "a TIFF of 16 bits by LZW, turned": Golden(
        by_pillow("TIFF", GRAY_16, compression="tiff_lzw", exif=exif(8)), np.rot90(FULL_16)
    ),
    "a TIFF of 16 bits by packbits": Golden(by_pillow("TIFF", GRAY_16, compression="packbits"), FULL_16),
    "a TIFF of floats by LZW": Golden(by_pillow("TIFF", SHARES.astype(np.float32), compression="tiff_lzw"), SHARES),
    "a JPEG 2000 of gray": Golden(by_pillow("JPEG2000", GRAY_8), GRAY_8),
    "a JPEG 2000 of color": Golden(by_pillow("JPEG2000", RGB_8), RGB_8),
    "a JPEG 2000 of 16-bit gray": Golden(by_pillow("JPEG2000", GRAY_16), FULL_16),
    "a frame of an APNG": Golden(moving("PNG"), RGB_8[:, ::-1], 3, None, 2),
    "the first frame of an APNG": Golden(moving("PNG"), RGB_8),
    "a frame of a WebP": Golden(moving("WEBP", lossless=True), RGB_8[::-1], 3, None, 1),
    "a page of a TIFF by LZW": Golden(moving("TIFF", compression="tiff_lzw"), RGB_8[::-1], 3, None, 1),
}
BY_NUMPY = {
    "an array of 8 bits": Golden(array(GRAY_8), GRAY_8),
    "an array of 8 bits, colors first": Golden(array(RGB_8.transpose(2, 0, 1)), RGB_8),
    "an array of 16 bits": Golden(array(RGB_16), RGB_16 / 65_535),
    "an array of 16 bits by columns, the highest byte first": Golden(
        array(np.asfortranarray(RGB_16).astype(">u2")), RGB_16 / 65_535
    ),
    "an array of floats": Golden(array(SHARES), SHARES),
    "an array of signed numbers with a window": Golden(array(SIGNED), FULL_12, 3, (-1024, 3071)),
    "an array of 64 bits with a window": Golden(array(GRAY_16.astype(np.int64) * 10**9), FULL_16, 3, (0, 65_535e9)),
    "an array of 8 bits with a window": Golden(array(RGB_8), np.clip(RGB_8 / 100, 0, 1), 3, (0, 100)),
}
BY_HAND = {
    "a JPEG 2000 of 12 bits": Golden(content(J2K_12), FULL_12),
    "a JPEG 2000 of 10 bits": Golden(content(JP2_10), np.round(1023 * SHARES) / 1023),
    "a JPEG 2000 of signed 12 bits with a window": Golden(content(J2K_SIGNED), FULL_12, 1, (-2048, 2047)),
    "a PNG of 16-bit gray with opacity": Golden(png(np.concatenate([GRAY_16[..., None], OPACITY], 2), 4), FULL_16),
    "an interlaced PNG of 16 bits": Golden(png(GRAY_16, 0, interlaced=True), FULL_16),
    "an interlaced PNG of 16-bit gray with opacity": Golden(
        png(np.concatenate([GRAY_16[..., None], OPACITY], 2), 4, interlaced=True), FULL_16
    ),
    "an interlaced PNG of 16 bits of color": Golden(png(RGB_16, 2, interlaced=True), RGB_16 / 65_535),
    "a PNG of 12 bits, scaled by repetition": Golden(png(GRAY_12 << 4 | GRAY_12 >> 8, 0, significant(12)), FULL_12),
    "a PNG of 12 bits, scaled by zeros": Golden(
        png((RGB_16 >> 4) << 4, 2, significant(12, 12, 12)), (RGB_16 >> 4) / 4095
    ),
    "a PNG of 12 bits, not scaled": Golden(png(GRAY_12, 0, significant(12)), FULL_12),
    "a dark PNG of 12 bits, scaled": Golden(png(GRAY_12 // 32 << 4, 0, significant(12)), (GRAY_12 // 32) / 4095),
    "a PNG that says 12 bits and has more": Golden(png(GRAY_16 | 1, 0, significant(12)), (GRAY_16 | 1) / 65_535),
}
GOLDEN: dict[str, Golden] = {**BY_TIFFFILE, **BY_OPENCV, **BY_PILLOW, **BY_NUMPY, **BY_HAND}

# what has no plain brightness, and a part of the reason
REFUSED: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "12 of 16 bits": (tiff(GRAY_12), {}, "from 0 to 4095, nearly all in a quarter"),
    "12 of 32 bits": (tiff(GRAY_12.astype(np.uint32)), {}, "from 0 to 4095, nearly all in a quarter"),
    "12 of 16 bits in an array": (array(GRAY_12), {}, "from 0 to 4095, nearly all in a quarter"),
    "signed numbers": (tiff(SIGNED), {}, "no range for its numbers, -1024 to 3071: give `window`"),
    "signed numbers, white is zero": (tiff(SIGNED, photometric="miniswhite"), {"window": (0, 1)}, "scale is inverted"),
    "floats": (tiff(WAVE), {}, "no range for its numbers, -100 to 400"),
    "NaN": (tiff(np.where(SHARES > 0.5, np.nan, SHARES)), {}, "NaN or infinite"),
    "infinity with a window": (tiff(np.where(SHARES > 0.5, np.inf, SHARES)), {"window": (0, 1)}, "NaN or infinite"),
    "complex numbers": (array(SHARES * 1j), {"window": (0, 1)}, "no real numbers"),
    "pages": (pages((GRAY_16, {}), (GRAY_16, {})), {}, "it has 2 pages"),
    "no such page": (
        pages((GRAY_16, {}), (GRAY_16, {})),
        {"frame": 2},
        "it has 2 frames, counted from 0, and no frame 2",
    ),
    "no such frame": (moving("WEBP"), {"frame": 3}, "it has 3 frames"),
    "no frames": (by_pillow("PNG", GRAY_16), {"frame": 1}, "it has 1 frames"),
    "a volume": (tiff(LARGE.reshape(2, 20, 50), volumetric=True, tile=(2, 16, 16)), {}, "a volume of 2 slices"),
    "a stack of ImageJ": (tiff(LARGE.reshape(2, 20, 50), imagej=True), {}, "it has 2 pages"),
    "five bands as a photo": (tiff(BANDS, planarconfig="contig"), {}, "it has 5 bands: set `channels` to 5"),
    "a photo as five bands": (tiff(RGB_16), {"channels": 5}, "of 5 bands: it has the shape"),
    "inks of 16 bits": (
        tiff(np.concatenate([RGB_16, OPACITY], 2), photometric="separated"),
        {},
        "of the kind SEPARATED",
    ),
    "colors multiplied by opacity": (
        tiff(np.concatenate([RGB_16, 65_535 - GRAY_16[..., None]], 2), photometric="rgb", extrasamples=["assocalpha"]),
        {},
        "multiplied by their opacity",
    ),
    "JPEG 2000 colors of 12 bits": (content(J2K_COLOR), {}, "JPEG 2000 colors of 12 bits"),
    "JPEG 2000 colors of 16 bits": (
        by_opencv(".jp2", np.tile(RGB_16, (8, 8, 1)), cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000),
        {},
        "colors of 16 bits",
    ),
    "signed JPEG 2000": (content(J2K_SIGNED), {}, "no range for its numbers, -2048 to 2047"),
    "a window on a palette": (with_palette("PNG"), {"window": (0, 9)}, "a palette, whose numbers have no order"),
    "a window on a palette in a TIFF": (with_palette("TIFF"), {"window": (0, 9)}, "a palette, whose numbers"),
    "percentiles of one number": (tiff(GRAY_16 * 0 + 7), {"window": Percentiles()}, "are the same, 7"),
    "colors by LZW in planes": (
        by_pillow("TIFF", RGB_8, compression="tiff_lzw"),
        {"channels": 5},
        "of 5 bands: it has the shape",
    ),
    "a PGM with a number beyond white": (
        lambda path: path.write_bytes(b"P2 2 1 999 7 1000 "),
        {},
        "999 is white, and holds 1000",
    ),
    "half of a PGM": (lambda path: path.write_bytes(b"P5 2 2 999 " + bytes(6)), {}, "it ends after 3 of 4 numbers"),
}
