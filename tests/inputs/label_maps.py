"""Files of label maps that no tool should write, for an image of 4 x 5 pixels."""

import io
import pickle
import struct
import zipfile
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.inputs.image_files import REFUSED, png, saved

SHAPE = (4, 5)
LABELS: NDArray[np.int64] = np.arange(20).reshape(SHAPE) // 3


def array(content: NDArray[np.generic], *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, content, allow_pickle=allow_pickle)
    return stream.getvalue()


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


def claim(shape: str, kind: str = "<i8", version: bytes = b"\x01\x00") -> bytes:
    """The header of an array that may be as large as it likes, with nothing behind it."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header


def picture(pixels: NDArray[np.generic], file_format: str = "PNG") -> bytes:
    return saved(pixels, file_format)


GOOD = {".npy": array(LABELS), ".npz": archive(("labels.npy", array(LABELS))), ".png": picture(LABELS.astype(np.uint8))}

REFUSED_MAPS: dict[str, tuple[str, bytes]] = {
    **{
        f"{name} as {suffix}": (suffix, content)
        for suffix in GOOD
        for name, content in {
            "nothing": b"",
            "text": b"0 1 1 0",
            "a pickle": pickle.dumps(LABELS.tolist()),
            "half": GOOD[suffix][: len(GOOD[suffix]) // 2],
            "the beginning": GOOD[suffix][:11],
        }.items()
    },
    "a small array": (".npy", array(LABELS[:3])),
    "a turned array": (".npy", array(LABELS.T)),
    "a row": (".npy", array(LABELS.ravel())),
    "a number": (".npy", array(np.array(7))),
    "a stack": (".npy", array(LABELS[None])),
    "no pixels": (".npy", array(LABELS[:0])),
    "numbers with a point": (".npy", array(LABELS.astype(np.float64))),
    "truths": (".npy", array(LABELS > 3)),
    "complex numbers": (".npy", array(LABELS.astype(np.complex64))),
    "words": (".npy", array(LABELS.astype(str))),
    "times": (".npy", array(LABELS.astype("M8[s]"))),
    "records": (".npy", array(np.zeros(SHAPE, [("id", "i4")]))),
    "objects": (".npy", array(LABELS.astype(object), allow_pickle=True)),
    "a claim of 8 TB": (".npy", claim("(1000000, 1000000)")),
    "a claim of more than there is": (".npy", claim("(4, 5)")),
    "a negative claim": (".npy", claim("(-4, 5)")),
    "a claim that is no tuple": (".npy", claim("__import__('os').getpid()")),
    "a claim of an unknown kind": (".npy", claim("(4, 5)", kind="<q9")),
    "a format of the future": (".npy", claim("(4, 5)", version=b"\x09\x00")),
    "two arrays": (".npz", archive(("a.npy", array(LABELS)), ("b.npy", array(LABELS)))),
    "no array": (".npz", archive()),
    "a text inside": (".npz", archive(("labels.npy", b"0 1 1 0"))),
    "a claim of 8 TB inside": (".npz", archive(("labels.npy", claim("(1000000, 1000000)")))),
    "zeros that unpack for ever": (".npz", archive(("labels.npy", claim("(9000, 9000)") + bytes(2**24)))),
    "numbers with a point inside": (".npz", archive(("labels.npy", array(LABELS.astype(np.float32))))),
    "a wrong checksum inside": (
        ".npz",
        GOOD[".npz"].replace(zlib.crc32(GOOD[".npy"]).to_bytes(4, "little"), b"\0\1\2\3"),
    ),
    "a folder inside": (".npz", archive(("labels/", b""))),
    "a small picture": (".png", picture(LABELS[:3].astype(np.uint8))),
    "a turned picture": (".png", picture(LABELS.T.astype(np.uint8))),
    "a picture in colors": (".png", picture(np.zeros((*SHAPE, 3), np.uint8))),
    "a transparent picture": (".png", picture(np.zeros((*SHAPE, 4), np.uint8))),
    "a picture of two levels": (".png", picture(LABELS > 3)),
    "a JPEG, which blurs ids": (".png", picture(LABELS.astype(np.uint8), "JPEG")),
    "a picture of another format": (".png", picture(LABELS.astype(np.uint8), "TIFF")),
    "a picture that is a bomb": (".png", png(30_000, 30_000, colors=0)),
    "a wide picture": (".png", png(30_000, 1000, colors=0)),
    "a picture without pixels": (".png", png(5, 4, colors=0)),
    "a picture with a long text": (".png", REFUSED["a PNG with a text that unpacks for ever"][0]),
}


def turned_picture() -> bytes:
    """A map that is stored in one way and shown in another, as its tag says."""
    exif = Image.Exif()
    exif[0x0112] = 3
    return saved(LABELS[::-1, ::-1].astype(np.uint8), "PNG", exif=exif)


def palette_picture() -> bytes:
    image = Image.fromarray(LABELS.astype(np.uint8)).convert("P")
    image.putpalette([9] * 768)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


# all of them are the map, whatever its ids are
DEFINED_MAPS: dict[str, tuple[str, bytes]] = {
    "negative ids": (".npy", array(LABELS - 100)),
    "gaps": (".npy", array(LABELS * 1000)),
    "the largest ids": (".npy", array(LABELS + (2**63 - 8))),
    "unsigned ids": (".npy", array(LABELS.astype(np.uint64) + np.uint64(2**64 - 8))),
    "one byte": (".npy", array(LABELS.astype(np.int8))),
    "bytes in the other order": (".npy", array(LABELS.astype(">i4"))),
    "columns first": (".npy", array(np.asfortranarray(LABELS))),
    "an array and more": (".npy", array(LABELS) + b"more"),
    "stored as it is": (".npz", archive(("x", array(LABELS)), compression=zipfile.ZIP_STORED)),
    "another compression": (".npz", archive(("x", array(LABELS)), compression=zipfile.ZIP_LZMA)),
    "16 bits": (".png", picture((LABELS * 9000).astype(np.uint16))),
    "a palette of equal colors": (".png", palette_picture()),
    "a turned map": (".png", turned_picture()),
}
