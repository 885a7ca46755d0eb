"""The content of a cached file: ids in few bytes, a checksum of the image, and one of the whole file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.superpixels.image_key import has_more_levels

SUFFIX = ".segments"
# checksum of everything after it, bytes of an id, height, width, checksum of the image
HEADER = struct.Struct("<IIIII")
# the checksum reads every third row: no visible detail is lower than three rows, and reading all rows would take longer
# than reading the segments
ROWS = 3


def image_checksums(images: Tensor) -> list[int]:
    """Return a checksum for each image: too short to identify it, long enough to notice another image.

    Args:
        images: `(N, C, H, W)` in [0, 1].

    Example:
        >>> image_checksums(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1))
        [4282505490, 4294967040]
    """
    read = images.detach()[:, :, ::ROWS]
    rows = read.float() * 255 + 0.5
    pixels = rows.clamp(0, 255).to(torch.uint8).cpu().contiguous().numpy()
    checksums = [zlib.crc32(image) for image in pixels]
    for position in has_more_levels(read).nonzero().flatten().tolist():
        checksums[position] = zlib.crc32(read[position].float().cpu().contiguous().numpy().tobytes())
    return checksums


def entry(labels: NDArray[np.int64], image: int) -> bytes:
    """Return the content of a file.

    Args:
        labels: `(H, W)` int64, one image's segments.
        image: Its checksum.

    Example:
        >>> len(entry(np.zeros((64, 64), dtype=np.int64), image=1))
        4116
    """
    most = int(labels.max(initial=0))
    kind = np.dtype("u1" if most < 2**8 else "<u2" if most < 2**16 else "<u4")
    rest = HEADER.pack(0, kind.itemsize, *labels.shape, image)[4:] + labels.astype(kind).tobytes()
    return struct.pack("<I", zlib.crc32(rest)) + rest


def read_entry(path: Path, size: tuple[int, int], image: int) -> NDArray[np.unsignedinteger] | None:
    """Return one image's segments from its file, or None if the file is missing, damaged or holds another image's.

    Args:
        path: The file.
        size: `(H, W)` of the image.
        image: Its checksum.

    Returns:
        `(H, W)` of an unsigned type.

    Example:
        >>> read_entry(Path("missing"), (2, 2), image=1) is None
        True
    """
    try:
        with open(path, "rb") as stream:
            stored = stream.read()
    except FileNotFoundError:
        return None
    if len(stored) < HEADER.size:
        return None
    checksum, item_size, height, width, of_image = HEADER.unpack_from(stored)
    if checksum != zlib.crc32(memoryview(stored)[4:]):
        return None
    if (height, width) != size or of_image != image:
        return None
    return np.frombuffer(stored, f"<u{item_size}", offset=HEADER.size).reshape(size)
