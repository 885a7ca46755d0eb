"""TIFF files of fewer than 8 bits, written by the specification (TIFF 6.0), for no common program writes them."""

import struct

import numpy as np
from numpy.typing import NDArray

CLEAR, END = 256, 257
RUN = 200


def packed_tiff(ids: NDArray[np.uint8], bits: int, lzw: bool = False, photometric: int = 1) -> bytes:
    """One strip of numbers (H, W) of 1, 2 or 4 bits; each row begins with a new byte."""
    height, width = ids.shape
    single = (ids[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
    strip = np.packbits(single.reshape(height, width * bits), axis=1).tobytes()
    strip = _lzw(strip) if lzw else strip
    tags: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [bits]),
        (259, 3, [5 if lzw else 1]),
        (262, 3, [photometric]),
        (273, 4, [8]),
        (277, 3, [1]),
        (278, 4, [height]),
        (279, 4, [len(strip)]),
    ]
    colors = [257 * (7 * number % 256) for number in range(3 * 2**bits)]
    strip += b"\0" * (len(strip) % 2)
    if photometric == 3:
        tags.append((320, 3, colors))
    directory = struct.pack("<H", len(tags))
    for tag, kind, values in tags:
        # numbers of the palette lie behind the strip
        value = struct.pack("<I", values[0] if len(values) == 1 else 8 + len(strip))
        directory += struct.pack("<HHI", tag, kind, len(values)) + value
    table = struct.pack(f"<{len(colors)}H", *colors)
    header = b"II*\0" + struct.pack("<I", 8 + len(strip) + len(table))
    return header + strip + table + directory + struct.pack("<I", 0)


def _lzw(content: bytes) -> bytes:
    """Codes of 9 bits, one a byte: the table is cleared before it needs longer ones."""
    codes: list[int] = []
    for start in range(0, len(content), RUN):
        codes += [CLEAR, *content[start : start + RUN]]
    codes.append(END)
    single = (np.array(codes)[:, None] >> np.arange(8, -1, -1)) & 1
    return np.packbits(single.ravel()).tobytes()
