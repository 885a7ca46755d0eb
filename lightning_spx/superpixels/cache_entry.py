"""What a file of cached segments holds: ids in few bytes, some values of the image, and a checksum of it all."""

import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NUM_SPOTS = 64
# checksum of all that follows, bytes of an id, height, width
HEADER = struct.Struct("<IIII")


def spots(images: Tensor) -> list[bytes]:
    """Return 64 values of each image at 8 bits, spread over pixels and channels: too few to name it, enough to doubt.

    Args:
        images: `(N, 3, H, W)` in [0, 1].

    Example:
        >>> spots(torch.zeros(1, 3, 8, 8)) == [bytes(64)]
        True
    """
    flat = images.detach().flatten(1)
    if not flat.numel():
        return [bytes(NUM_SPOTS)] * len(flat)
    place = torch.arange(NUM_SPOTS, device=flat.device) * flat.shape[1] // NUM_SPOTS
    chosen = (flat[:, place].float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return [row.tobytes() for row in chosen.numpy()]


def entry(labels: NDArray[np.int64], image: bytes) -> bytes:
    """Return what a file holds.

    Args:
        labels: `(H, W)` int64, one image's segments.
        image: Its `spots`.

    Example:
        >>> len(entry(np.zeros((64, 64), dtype=np.int64), bytes(64)))
        4176
    """
    most = int(labels.max(initial=0))
    kind = np.dtype("u1" if most < 2**8 else "<u2" if most < 2**16 else "<u4")
    rest = HEADER.pack(0, kind.itemsize, *labels.shape)[4:] + image + labels.astype(kind).tobytes()
    return struct.pack("<I", zlib.crc32(rest)) + rest


def read_entry(path: Path, size: tuple[int, int], image: bytes) -> NDArray[np.unsignedinteger] | None:
    """Return one image's segments from its file, or None if the file is missing, damaged or of another image.

    Args:
        path: The file.
        size: `(H, W)` of the image.
        image: Its `spots`.

    Returns:
        `(H, W)` of an unsigned type.

    Example:
        >>> read_entry(Path("missing"), (2, 2), bytes(64)) is None
        True
    """
    try:
        with open(path, "rb") as stream:
            stored = stream.read()
    except FileNotFoundError:
        return None
    start = HEADER.size + NUM_SPOTS
    if len(stored) < start:
        return None
    checksum, item_size, height, width = HEADER.unpack_from(stored)
    if checksum != zlib.crc32(memoryview(stored)[4:]):
        return None
    if (height, width) != size or stored[HEADER.size : start] != image:
        return None
    return np.frombuffer(stored, f"<u{item_size}", offset=start).reshape(size)
