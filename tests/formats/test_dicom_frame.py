"""Stored pixels of DICOM files of every kind of storage: right values by construction."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.formats.dicom import read_dicom
from tests.formats.dicom_files import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    JPEG_2000,
    RLE,
    dicom,
    jpeg,
    jpeg_2000,
    with_adobe,
)

FLAT = np.full((16, 16, 3), (200, 40, 90), np.uint8)
COLORS = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)


def ybr(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return YBR_FULL by the sums of PS3.3 C.7.6.3.1.2."""
    sums = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.asarray(np.clip(np.rint(colors @ sums.T + [0, 128, 128]), 0, 255), np.uint8)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_gray_of_all_bits_and_signs(tmp_path: Path, syntax: str, kind: str) -> None:
    limits = np.iinfo(kind)
    stored = np.array([[limits.min, 1, 77], [100, limits.max - 1, limits.max]], kind)
    image = read_dicom(dicom(tmp_path / "a.dcm", stored, syntax))
    np.testing.assert_array_equal(image.values[..., 0], stored)
    assert (image.black, image.white) == (limits.min, limits.max)
    np.testing.assert_allclose(image.in_range(None).ravel()[[0, -1]], [0, 1])


@pytest.mark.parametrize(("kind", "signed"), [("uint16", 0), ("int16", 1)])
def test_other_bits_of_a_word_are_left_out(tmp_path: Path, kind: str, signed: int) -> None:
    numbers: NDArray[Any] = np.array([[0, 1, 2047], [2000, 5, 1000]], np.uint16)
    if signed:
        numbers = (numbers - 1024).astype(np.int16).view(np.uint16) & 0x0FFF
    expected = numbers.astype(np.int64) - signed * 4096 * (numbers >= 2048)
    overlay = np.array([[0x1000, 0, 0xF000], [0x8000, 0, 0x4000]], np.uint16)
    below = read_dicom(dicom(tmp_path / "a.dcm", (numbers | overlay).view(kind), BitsStored=12))
    np.testing.assert_array_equal(below.values[..., 0], expected)
    # older files have the numbers in the upper bits
    above = (numbers << 4 | overlay >> 12).view(kind)
    image = read_dicom(dicom(tmp_path / "b.dcm", above, BitsStored=12, HighBit=15))
    np.testing.assert_array_equal(image.values[..., 0], expected)
    assert (image.black, image.white) == ((-2048, 2047) if signed else (0, 4095))


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (3, 5), (5, 7)])
def test_single_bits_of_frames_that_begin_inside_a_byte(tmp_path: Path, rows: int, columns: int) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (4, rows, columns), dtype=np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little")
    content = packed.tobytes() + bytes(packed.size % 2)
    for index in range(4):
        path = dicom(tmp_path / "a.dcm", bits, NumberOfFrames=4, BitsAllocated=1, BitsStored=1, PixelData=content)
        image = read_dicom(path, index)
        np.testing.assert_array_equal(image.in_range(None)[..., 0], bits[index])


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_float_pixels_have_no_range(tmp_path: Path, keyword: str, kind: str) -> None:
    stored = np.array([[-1.5, 0.25], [3, 4]], kind)
    path = dicom(tmp_path / "a.dcm", stored, **{keyword: stored.tobytes(), "PixelData": b""})
    import pydicom

    dataset = pydicom.dcmread(path)
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.save_as(path)
    image = read_dicom(path)
    np.testing.assert_array_equal(image.values[..., 0], stored)
    with pytest.raises(ValueError, match="it states no range"):
        image.in_range(None)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED, RLE])
@pytest.mark.parametrize(("meaning", "kind"), [("RGB", "uint8"), ("RGB", "uint16"), ("YBR_FULL", "uint8")])
@pytest.mark.parametrize("planes", [0, 1])
def test_colors_of_all_storages(tmp_path: Path, syntax: str, meaning: str, planes: int, kind: str) -> None:
    colors = COLORS if kind == "uint8" else COLORS.astype(np.uint16) * 257
    stored = ybr(COLORS) if meaning == "YBR_FULL" else colors
    pixels = np.moveaxis(stored, 2, 0) if planes and syntax != RLE else stored
    settings: dict[str, Any] = {"PhotometricInterpretation": meaning, "PlanarConfiguration": planes}
    path = tmp_path / "a.dcm"
    shape = {"Rows": 5, "Columns": 6, "SamplesPerPixel": 3}
    dicom(path, pixels, EXPLICIT if syntax == RLE else syntax, **settings, **shape)
    if syntax == RLE:
        import pydicom

        dataset = pydicom.dcmread(path)
        dataset.PlanarConfiguration = 0
        dataset.compress(RLE)
        dataset.save_as(path)
    image = read_dicom(path)
    assert image.values.dtype == kind
    difference = np.abs(image.values.astype(int) - colors)
    # rounded twice
    assert difference.max() <= (1 if meaning == "YBR_FULL" else 0)
    assert (image.black, image.white) == (0, 255 if kind == "uint8" else 65535)


def test_ybr_with_half_the_columns_of_color(tmp_path: Path) -> None:
    # two pixels are stored as Y1 Y2 Cb Cr: black and white, and twice the same red
    content = bytes([0, 255, 128, 128, 76, 76, 85, 255])
    path = dicom(
        *(tmp_path / "a.dcm", np.zeros((1, 4, 3), np.uint8)),
        **{"PhotometricInterpretation": "YBR_FULL_422", "PixelData": content},
    )
    expected = np.array([[[0, 0, 0], [255, 255, 255], [254, 0, 0], [254, 0, 0]]])
    np.testing.assert_array_equal(read_dicom(path).values, expected)


@pytest.mark.parametrize(
    ("name", "content", "meaning"),
    [
        ("JFIF", jpeg(FLAT), "YBR_FULL_422"),
        ("JFIF under another name", jpeg(FLAT), "RGB"),
        ("Adobe, YCbCr", with_adobe(jpeg(FLAT), 1), "YBR_FULL_422"),
        ("Adobe, YCbCr, not subsampled", with_adobe(jpeg(FLAT), 1), "YBR_FULL"),
        ("Adobe, YCbCr under another name", with_adobe(jpeg(FLAT), 1), "RGB"),
        ("RGB", jpeg(FLAT, keep_rgb=True), "RGB"),
        ("RGB under another name", jpeg(FLAT, keep_rgb=True), "YBR_FULL_422"),
    ],
)
def test_jpeg_is_converted_once(tmp_path: Path, name: str, content: bytes, meaning: str) -> None:
    settings = {"PhotometricInterpretation": meaning, "SamplesPerPixel": 3}
    image = read_dicom(dicom(tmp_path / "a.dcm", [content], JPEG, FLAT.shape, **settings))
    assert np.abs(image.values.astype(int) - FLAT).max() <= 1, name


@pytest.mark.parametrize("frame", [0, 1])
def test_frames_of_jpeg(tmp_path: Path, frame: int) -> None:
    frames = [with_adobe(jpeg(FLAT), 1), jpeg(255 - FLAT)]
    settings = {"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3, "NumberOfFrames": 2}
    image = read_dicom(dicom(tmp_path / "a.dcm", frames, JPEG, FLAT.shape, **settings), frame)
    assert np.abs(image.values.astype(int) - (FLAT, 255 - FLAT)[frame]).max() <= 1


def test_gray_jpeg(tmp_path: Path) -> None:
    gray = np.full((16, 16), 77, np.uint8)
    image = read_dicom(dicom(tmp_path / "a.dcm", [jpeg(gray)], JPEG, gray.shape))
    assert np.abs(image.values[..., 0].astype(int) - gray).max() <= 1


@pytest.mark.parametrize(("meaning", "mct"), [("YBR_RCT", 1), ("RGB", 0), ("RGB", 1), ("YBR_FULL", 0)])
def test_colors_of_jpeg_2000(tmp_path: Path, meaning: str, mct: int) -> None:
    colors = np.kron(COLORS, np.ones((4, 4, 1), np.uint8))
    content = jpeg_2000(ybr(colors) if meaning == "YBR_FULL" else colors, mct=mct)
    settings = {"PhotometricInterpretation": meaning, "SamplesPerPixel": 3}
    image = read_dicom(dicom(tmp_path / "a.dcm", [content], JPEG_2000, colors.shape, **settings))
    assert np.abs(image.values.astype(int) - colors).max() <= (1 if meaning == "YBR_FULL" else 0)


@pytest.mark.parametrize(("bits", "highest"), [(16, 65535), (12, 4095)])
def test_gray_of_jpeg_2000_keeps_its_levels(tmp_path: Path, bits: int, highest: int) -> None:
    gray = (np.arange(1024, dtype=np.uint16).reshape(32, 32)) * (highest // 1023)
    described = {"BitsAllocated": 16, "BitsStored": bits, "PixelRepresentation": 0}
    image = read_dicom(dicom(tmp_path / "a.dcm", [jpeg_2000(gray)], JPEG_2000, gray.shape, **described))
    np.testing.assert_array_equal(image.values[..., 0], gray)
    assert image.white == highest
    assert len(np.unique(image.in_range(None))) == 1024


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"PhotometricInterpretation": "YBR_RCT"}, "YBR_RCT, which only JPEG 2000 can store, and it is Explicit VR"),
        ({"PhotometricInterpretation": "YBR_PARTIAL_422"}, "neither gray, RGB nor YBR"),
        ({"PhotometricInterpretation": "HSV"}, "its pixels are HSV of 3 numbers each"),
        ({"PhotometricInterpretation": "MONOCHROME2"}, "its pixels are MONOCHROME2 of 3 numbers each"),
        ({"PhotometricInterpretation": "YBR_FULL", "BitsAllocated": 16, "BitsStored": 16, "Columns": 3}, "uint8"),
        ({"PhotometricInterpretation": None}, "it does not say its PhotometricInterpretation"),
        ({"BitsStored": None, "HighBit": 7}, "it does not say its BitsStored"),
        ({"BitsStored": 6, "HighBit": 9}, "6 of 8 bits, and their highest bit is 9"),
        ({"Rows": 60_000, "Columns": 60_000}, "it is 60000 x 60000 pixels, and the limits are"),
        ({"Rows": 7}, "less than expected"),
        ({"PixelData": None}, r"it holds no pixels \(CT Image Storage\)"),
    ],
)
def test_what_is_not_defined_is_refused(tmp_path: Path, settings: dict[str, Any], reason: str) -> None:
    if settings.get("BitsStored", 8) is None or settings.get("PixelData", b"") is None:
        import pydicom

        path = dicom(tmp_path / "odd.dcm", COLORS)
        dataset = pydicom.dcmread(path)
        for keyword in (each for each, value in settings.items() if value is None):
            delattr(dataset, keyword)
        dataset.save_as(path)
    else:
        path = dicom(tmp_path / "odd.dcm", COLORS, **settings)
    with pytest.raises(ValueError, match=reason) as refused:
        read_dicom(path)
    assert "odd.dcm" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("syntax", "package"),
    [
        ("1.2.840.10008.1.2.4.70", "pylibjpeg"),
        ("1.2.840.10008.1.2.4.80", "pyjpegls"),
        ("1.2.840.10008.1.2.4.201", "gdcm|pylibjpeg"),
    ],
)
def test_a_missing_decoder_is_named(tmp_path: Path, syntax: str, package: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    if get_decoder(syntax).is_available:
        pytest.skip("an installed package decodes it")
    with pytest.raises(ValueError, match=f"for which one of these has to be installed: .*({package})"):
        read_dicom(dicom(tmp_path / "a.dcm", [b"\xff\xd8"], syntax, (4, 4)))


def test_a_codestream_of_more_bits_than_the_file_says_is_refused(tmp_path: Path) -> None:
    gray = np.full((16, 16), 5000, np.uint16)
    described = {"BitsAllocated": 16, "BitsStored": 12, "PixelRepresentation": 0}
    with pytest.raises(ValueError, match="it says that it uses 12 bits, and holds 5000 to 5000"):
        read_dicom(dicom(tmp_path / "a.dcm", [jpeg_2000(gray)], JPEG_2000, gray.shape, **described))


def test_sixteen_bit_colors_of_jpeg_2000_ask_for_another_decoder(tmp_path: Path) -> None:
    # the header of a codestream says its bits, and Pillow keeps 8 of 16
    content = bytearray(jpeg_2000(np.asarray(Image.new("RGB", (16, 16)))))
    place = content.index(b"\xff\x51") + 40
    assert content[place] == 7
    content[place] = content[place + 3] = content[place + 6] = 15
    described = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "BitsAllocated": 16, "BitsStored": 16}
    with pytest.raises(ValueError, match=r"16-bit multi-sample data correctly.*one of these has to be installed"):
        read_dicom(dicom(tmp_path / "a.dcm", [bytes(content)], JPEG_2000, (16, 16, 3), **described))
