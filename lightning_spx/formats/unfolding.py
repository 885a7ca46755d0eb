"""Refuses compressed strips of a TIFF file that unfold to far more than an image."""

import lzma
import zlib

import tifffile

DEFLATE, LZMA = (8, 32_946), 34_925
# a byte of deflate unfolds to at most 1032, and of LZMA to several thousand
UNSUSPICIOUS = {**dict.fromkeys(DEFLATE, 2**20), LZMA: 2**16}
MAX_UNFOLDED = 2**30
STEP = 2**20


def check_unfolding(file: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """Raise a ValueError if a strip or tile unfolds to more than 1 GiB; tifffile would unfold all of it.

    Args:
        file: the open file.
        page: the page, compressed by deflate or LZMA; others do not unfold so far.
    """
    small = UNSUSPICIOUS.get(int(page.compression))
    if small is None:
        return
    for at, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if length > small:
            file.filehandle.seek(at)
            packed = file.filehandle.read(length)
            if (_unfolded_lzma(packed) if page.compression == LZMA else _unfolded(packed)) > MAX_UNFOLDED:
                raise ValueError(f"a strip of {length} bytes unfolds to more than {MAX_UNFOLDED}.")


def _unfolded(packed: bytes) -> int:
    unfolder, size = zlib.decompressobj(), 0
    while size <= MAX_UNFOLDED and (part := unfolder.decompress(packed, STEP)):
        size, packed = size + len(part), unfolder.unconsumed_tail
    return size


def _unfolded_lzma(packed: bytes) -> int:
    unfolder, size = lzma.LZMADecompressor(), 0
    while size <= MAX_UNFOLDED and not unfolder.eof and (part := unfolder.decompress(packed, STEP)):
        size, packed = size + len(part), b""
    return size
