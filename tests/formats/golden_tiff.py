"""TIFF files written by tifffile, with the brightness that they must have, known by construction."""

import numpy as np
from PIL import Image

from lightning_spx.formats import Percentiles
from tests.formats.photo_writers import (
    BANDS,
    COLORED,
    DEEP_PALETTE,
    FULL_12,
    FULL_16,
    GRAY_8,
    GRAY_12,
    GRAY_16,
    LARGE,
    OPACITY,
    PALETTE,
    RGB_8,
    RGB_16,
    SHARES,
    SIGNED,
    WAVE,
    Golden,
    pages,
    tiff,
    turned,
    turned_as,
)

BY_TIFFFILE: dict[str, Golden] = {
    "8 bits": Golden(tiff(GRAY_8), GRAY_8),
    "8 bits of color": Golden(tiff(RGB_8), RGB_8),
    "8 bits in planes": Golden(tiff(RGB_8.transpose(2, 0, 1), planarconfig="separate"), RGB_8),
    "8 bits, white is zero": Golden(tiff(GRAY_8, photometric="miniswhite"), 255 - GRAY_8),
    "8 bits as gray of color": Golden(tiff(RGB_8), np.asarray(Image.fromarray(RGB_8).convert("L")), 1),
    "8 bits with a window": Golden(tiff(GRAY_8), np.clip(GRAY_8 / 100.0, 0, 1), 3, (0, 100)),
    "8 bits, white is zero, with a window": Golden(
        tiff(GRAY_8, photometric="miniswhite"), 1 - np.clip(GRAY_8 / 100.0, 0, 1), 1, (0, 100)
    ),
    "two levels": Golden(tiff(GRAY_8 > 99), 255 * (GRAY_8 > 99).astype(np.uint8)),
    "16 bits": Golden(tiff(GRAY_16), FULL_16),
    "16 bits in one channel": Golden(tiff(GRAY_16), FULL_16, 1),
    "16 bits, the highest byte first": Golden(tiff(GRAY_16, byteorder=">"), FULL_16),
    "16 bits of BigTIFF": Golden(tiff(GRAY_16, bigtiff=True), FULL_16),
    "16 bits of BigTIFF, the highest byte first": Golden(tiff(RGB_16, bigtiff=True, byteorder=">"), RGB_16 / 65_535),
    "16 bits, white is zero": Golden(tiff(GRAY_16, photometric="miniswhite"), 1 - FULL_16),
    "16 bits of color": Golden(tiff(RGB_16), RGB_16 / 65_535),
    "16 bits of color as gray": Golden(tiff(RGB_16), RGB_16 / 65_535 @ np.array([0.299, 0.587, 0.114]), 1),
    "16 bits in planes": Golden(tiff(RGB_16.transpose(2, 0, 1), planarconfig="separate"), RGB_16 / 65_535),
    "16 bits with opacity": Golden(
        tiff(np.concatenate([RGB_16, OPACITY], 2), photometric="rgb", extrasamples=["unassalpha"]), RGB_16 / 65_535
    ),
    "16 bits of gray with opacity": Golden(
        tiff(np.concatenate([GRAY_16[..., None], OPACITY], 2), planarconfig="contig", extrasamples=["unassalpha"]),
        FULL_16,
    ),
    "16 bits in tiles": Golden(tiff(LARGE, tile=(16, 16)), LARGE / 65_535),
    "16 bits in tiles of planes, packed": Golden(
        tiff(
            np.stack([LARGE, LARGE[::-1], LARGE]),
            photometric="rgb",
            planarconfig="separate",
            tile=(16, 16),
            compression="zlib",
            predictor=True,
        ),
        np.stack([LARGE, LARGE[::-1], LARGE], 2) / 65_535,
    ),
    "16 bits in strips": Golden(tiff(LARGE, rowsperstrip=7), LARGE / 65_535),
    **{
        f"16 bits by {name}": Golden(tiff(LARGE, compression=name, predictor=predictor), LARGE / 65_535)
        for name, predictor in (("zlib", False), ("deflate", True), ("lzma", False))
    },
    **{
        f"16 bits of orientation {number}": Golden(tiff(GRAY_16, **turned(number)), turned_as(GRAY_16, number) / 65_535)
        for number in range(1, 9)
    },
    **{
        f"planes of orientation {number}": Golden(
            tiff(RGB_16.transpose(2, 0, 1), planarconfig="separate", **turned(number)),
            turned_as(RGB_16, number) / 65_535,
        )
        for number in (5, 6, 8)
    },
    "16 bits that say 12": Golden(tiff(GRAY_12, extratags=[(281, "H", 1, 4095, True)]), FULL_12),
    "12 of 16 bits with a window": Golden(tiff(GRAY_12), FULL_12, 3, (0, 4095)),
    "12 of 16 bits, white is zero, with a window": Golden(
        tiff(GRAY_12, photometric="miniswhite"), 1 - FULL_12, 3, (0, 4095)
    ),
    "32 bits": Golden(tiff(GRAY_16.astype(np.uint32) * 65_537), FULL_16),
    "32 bits, white is zero": Golden(tiff(GRAY_16.astype(np.uint32) * 65_537, photometric="miniswhite"), 1 - FULL_16),
    "signed 8 bits with a window": Golden(
        tiff(GRAY_8.view(np.int8)), (GRAY_8.view(np.int8) + 128.0) / 255, 3, (-128, 127)
    ),
    "signed 16 bits with a window": Golden(tiff(SIGNED), FULL_12, 3, (-1024, 3071)),
    "signed 32 bits with a window": Golden(tiff(SIGNED.astype(np.int32) * 1000), FULL_12, 3, (-1_024_000, 3_071_000)),
    **{
        f"floats of {8 * np.dtype(kind).itemsize} bits": Golden(tiff(SHARES.astype(kind)), SHARES.astype(kind))
        for kind in (np.float16, np.float32, np.float64)
    },
    "floats of color": Golden(tiff(COLORED.astype(np.float32)), COLORED.astype(np.float32)),
    "floats with a window": Golden(tiff(WAVE), (WAVE.astype(np.float64) + 100) / 400, 3, (-100, 300)),
    "floats, white is zero": Golden(
        tiff(SHARES.astype(np.float32), photometric="miniswhite"), 1 - SHARES.astype(np.float32).astype(float)
    ),
    "the percentiles of a file": Golden(
        tiff(GRAY_12),
        (GRAY_12 - np.percentile(GRAY_12, 10)) / (np.percentile(GRAY_12, 80) - np.percentile(GRAY_12, 10)),
        1,
        Percentiles(10, 80),
    ),
    "a page of 16 bits": Golden(pages((GRAY_16[::-1], {}), (GRAY_16, {})), FULL_16, 3, None, 1),
    "a page of 8 bits": Golden(pages((GRAY_8[::-1], {}), (GRAY_8, {})), GRAY_8, 3, None, 1),
    "the first page of 8 bits": Golden(pages((GRAY_8, {}), (GRAY_8[::-1], {})), GRAY_8),
    "an image and its thumbnail": Golden(pages((GRAY_16, {}), (GRAY_8[::2], {"subfiletype": 1})), FULL_16),
    "a page behind a thumbnail": Golden(
        pages((GRAY_8[::2], {"subfiletype": 1}), (GRAY_16[::-1], {}), (GRAY_16, {})), FULL_16, 3, None, 1
    ),
    "a palette": Golden(
        tiff(
            GRAY_8 // 64, photometric="palette", colormap=np.pad(PALETTE.T.astype(np.uint16) * 257, ((0, 0), (0, 252)))
        ),
        PALETTE[GRAY_8 // 64],
    ),
    "a palette of 16 bits": Golden(
        tiff(GRAY_16, photometric="palette", colormap=DEEP_PALETTE),
        np.moveaxis(DEEP_PALETTE[:, GRAY_16], 0, 2) / 65_535,
    ),
    "five bands": Golden(tiff(BANDS, planarconfig="contig"), BANDS / 65_535, 5),
    "five bands in planes": Golden(
        tiff(BANDS.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate"), BANDS / 65_535, 5
    ),
    "five bands in pages": Golden(tiff(BANDS.transpose(2, 0, 1), photometric="minisblack"), BANDS / 65_535, 5),
    "five bands of floats, turned": Golden(
        tiff((BANDS / 65_535).astype(np.float32), planarconfig="contig", **turned(6)),
        np.rot90((BANDS / 65_535).astype(np.float32), -1),
        5,
    ),
    "five bands with a window": Golden(tiff(BANDS // 16, planarconfig="contig"), (BANDS // 16) / 4095, 5, (0, 4095)),
}
