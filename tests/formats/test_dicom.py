"""Files that others wrote, those inside pydicom's package, are all read or refused in one line."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from lightning_spx.formats.dicom import is_dicom, read_dicom
from tests.formats.dicom_files import DEFLATED, dicom

DATA = Path(pydicom.__file__).parent / "data"
# what read_dicom gives of frame 0, or the reason why it gives nothing
OUTCOMES: dict[str, tuple[int, int, int] | str] = {
    "693_J2KI.dcm": (512, 512, 1),
    "badVR.dcm": "invalid literal",
    "CT_small.dcm": (128, 128, 1),
    "empty_charset_LEI.dcm": "it holds no pixels",
    "examples_jpeg2k.dcm": (480, 640, 3),
    "examples_overlay.dcm": (300, 484, 1),
    "examples_palette.dcm": (350, 800, 3),
    "examples_rgb_color.dcm": (240, 320, 3),
    "examples_ybr_color.dcm": (240, 320, 3),
    "ExplVR_BigEnd.dcm": (60, 80, 3),
    "ExplVR_BigEndNoMeta.dcm": "does not begin with",
    "ExplVR_LitEndNoMeta.dcm": "does not begin with",
    "GDCMJ2K_TextGBR.dcm": "broken data stream",
    "image_dfl.dcm": (512, 512, 1),
    "J2K_pixelrep_mismatch.dcm": (512, 512, 1),
    "JPEG-lossy.dcm": "one of these has to be installed",
    "JPEG2000-embedded-sequence-delimiter.dcm": "Unable to decode",
    "JPEG2000.dcm": (1024, 256, 1),
    "JPEGLSNearLossless_08.dcm": "one of these has to be installed",
    "JPEGLSNearLossless_16.dcm": "one of these has to be installed",
    "JPGExtended.dcm": "one of these has to be installed",
    "liver_1frame.dcm": (512, 512, 1),
    "liver_expb_1frame.dcm": (512, 512, 1),
    "meta_missing_tsyntax.dcm": "its transfer syntax is missing",
    "MR_small_jpeg_ls_lossless.dcm": "one of these has to be installed",
    "MR_small.dcm": (64, 64, 1),
    "MR_truncated.dcm": "less than expected",
    "nested_priv_SQ.dcm": "it does not say its Rows",
    "no_meta_group_length.dcm": "it holds no pixels",
    "no_meta.dcm": "does not begin with",
    "priv_SQ.dcm": "it holds no pixels",
    "reportsi_with_empty_number_tags.dcm": "it holds no pixels",
    "reportsi.dcm": "it holds no pixels",
    "rtplan_truncated.dcm": "it holds no pixels",
    "rtplan.dcm": "it holds no pixels",
    "rtstruct.dcm": "does not begin with",
    "SC_jpeg_no_color_transform_2.dcm": (256, 256, 3),
    "SC_jpeg_no_color_transform.dcm": (256, 256, 3),
    "SC_rgb_jls_lossy_line.dcm": "one of these has to be installed",
    "SC_rgb_jls_lossy_sample.dcm": "one of these has to be installed",
    "SC_rgb_jpeg_app14_dcmd.dcm": (256, 256, 3),
    "SC_rgb_jpeg_dcmd.dcm": (256, 256, 3),
    "SC_rgb_jpeg_gdcm.dcm": "one of these has to be installed",
    "SC_rgb_jpeg.dcm": (256, 256, 3),
    "SC_rgb_small_odd_big_endian.dcm": (3, 3, 3),
    "SC_rgb_small_odd_jpeg.dcm": (3, 3, 3),
    "SC_rgb_small_odd.dcm": (3, 3, 3),
    "test-SR.dcm": "it holds no pixels",
    "UN_sequence.dcm": "it holds no pixels",
    "waveform_ecg.dcm": "it holds no pixels",
    **dict.fromkeys(
        [f"rtdose{end}.dcm" for end in ("", "_1frame", "_expb", "_expb_1frame", "_rle", "_rle_1frame")], (10, 10, 1)
    ),
    **dict.fromkeys(
        [f"MR_small_{end}.dcm" for end in ("RLE", "bigendian", "expb", "implicit", "jp2klossless", "padded")],
        (64, 64, 1),
    ),
}
# a test picture of ten stripes, ten rows each
STRIPES = [
    *((255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255), (128, 128, 255)),
    *((0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255)),
]
STRIPED = [
    "SC_ybr_full_422_uncompressed.dcm",
    *(
        f"SC_rgb_{end}.dcm"
        for end in (
            *(
                "dcmtk_+eb+cr",
                "dcmtk_+eb+cy+n1",
                "dcmtk_+eb+cy+n2",
                "dcmtk_+eb+cy+np",
                "dcmtk_+eb+cy+s2",
                "dcmtk_+eb+cy+s4",
            ),
            *("gdcm_KY", "jpeg_dcmtk", "jpeg_lossy_gdcm", "rle", "rle_16bit", "rle_32bit"),
            *("rle_2frame", "rle_16bit_2frame", "rle_32bit_2frame"),
        )
    ),
]
FILES = sorted(path.name for path in (DATA / "test_files").glob("*.dcm"))
OTHERS = sorted(
    str(path.relative_to(DATA))
    for path in DATA.rglob("*")
    if path.is_file()
    and path.parent.name != "test_files"
    and path.suffix not in (".py", ".pyc", ".json", ".md", ".txt")
)


def test_the_table_is_complete() -> None:
    assert {*OUTCOMES, *STRIPED} >= set(FILES)


@pytest.mark.parametrize("name", sorted(set(FILES) & set(OUTCOMES)))
def test_files_of_others(name: str) -> None:
    path = DATA / "test_files" / name
    expected = OUTCOMES[name]
    if not isinstance(expected, str):
        image = read_dicom(path, 0)
        assert image.values.shape == expected
        gray = image.in_range((0, 1000) if image.black is None or image.barely_used else None)
        assert gray.dtype == np.float32
        assert 0 <= gray.min() <= gray.max() <= 1
        return
    if "installed" in expected or "decode" in expected or "broken" in expected:
        plugins = get_decoder(UID(pydicom.dcmread(path).file_meta.TransferSyntaxUID)).available_plugins
        if set(plugins) - {"pillow"}:
            pytest.skip("an installed package may decode it")
    with pytest.raises(ValueError, match=expected) as refused:
        read_dicom(path, 0)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", sorted(set(FILES) & set(STRIPED)))
def test_stripes_have_their_colors_however_they_are_stored(name: str) -> None:
    image = read_dicom(DATA / "test_files" / name, 0)
    pixels = image.in_range(None)[5::10, 50] * 255
    # JPEG of low quality
    np.testing.assert_allclose(pixels, STRIPES, atol=9)


@pytest.mark.parametrize("end", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "padded"])
def test_one_scan_is_the_same_in_all_lossless_storages(end: str) -> None:
    image, other = (read_dicom(DATA / "test_files" / name) for name in ("MR_small.dcm", f"MR_small_{end}.dcm"))
    np.testing.assert_array_equal(other.values, image.values)
    assert (other.black, other.white) == (image.black, image.white) == (-200, 1399)


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_of_the_package_are_read_or_refused_in_one_line(name: str) -> None:
    path = DATA / name
    reason = outcome(path)
    if reason is not None:
        assert str(path) in reason
        assert "\n" not in reason
        assert "it holds no pixels" in reason or not is_dicom(path.read_bytes()[:132])


def outcome(path: Path) -> str | None:
    """Return why a file is refused."""
    try:
        assert read_dicom(path).values.ndim == 3
    except ValueError as error:
        return str(error)
    return None


def test_a_folder_and_a_file_that_is_not_there_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.dcm"):
        with pytest.raises(ValueError, match=f"Expected {path} to be a readable DICOM image: there is no such file"):
            read_dicom(path)


@pytest.mark.parametrize("length", [0, 131, 132, 140, 300, 700])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, length: int) -> None:
    path = dicom(tmp_path / "whole.dcm", np.zeros((40, 40), np.uint8))
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"cut\.dcm to be a readable DICOM image"):
        read_dicom(tmp_path / "cut.dcm")


def test_a_file_that_unfolds_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dicom(tmp_path / "a.dcm", np.zeros((2000, 2000), np.uint8), DEFLATED)
    assert read_dicom(path).values.shape == (2000, 2000, 1)
    monkeypatch.setattr("lightning_spx.formats.dicom.MAX_INFLATED", 3_000_000)
    with pytest.raises(ValueError, match=r"a\.dcm .*unfolds to more than 3000000 bytes"):
        read_dicom(path)


def test_reading_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    read_dicom(DATA / "test_files" / "SC_rgb_jpeg.dcm")
    assert not recwarn.list


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(ModuleNotFoundError, match=r'a\.dcm: pip install "lightning_spx\[dicom\]"'):
        read_dicom(tmp_path / "a.dcm")
