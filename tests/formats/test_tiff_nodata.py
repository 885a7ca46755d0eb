"""Numbers that GDAL marks as none count for nothing and are black."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightning_spx.formats import Percentiles
from lightning_spx.formats.photo import read_photo, stored_photo
from tests.formats.photo_writers import BANDS, GRAY_8, GRAY_12, GRAY_16, RGB_16, SHARES, Numbers

HOLE = np.zeros((6, 8), bool)
HOLE[2:4, 1:6] = True


def write(path: Path, numbers: Numbers, nodata: str, photometric: str = "minisblack") -> Path:
    tag = (42113, "s", 0, nodata, True)
    tifffile.imwrite(path, numbers, photometric=photometric, planarconfig="contig", extratags=[tag], metadata=None)
    return path


@pytest.mark.parametrize(
    ("kind", "nodata"),
    [("float32", "-9999"), ("float64", "-9999.0"), ("float32", "nan"), ("float32", "-3.4028234663852886e+38")],
)
def test_floats_without_the_hole_state_their_range(kind: str, nodata: str, tmp_path: Path) -> None:
    stored = np.where(HOLE, np.array(float(nodata)).astype(kind), SHARES.astype(kind))
    path = write(tmp_path / "a.tif", stored, nodata)
    expected = np.where(HOLE, 0, SHARES.astype(kind))
    np.testing.assert_allclose(read_photo(path, 1)[..., 0], expected, rtol=0, atol=7e-8)
    values = stored_photo(path, 1).values[..., 0]
    assert values.dtype == np.float64
    assert np.array_equal(np.isnan(values), HOLE)
    assert np.array_equal(values[~HOLE], stored[~HOLE])


def test_a_hole_of_65535_does_not_stretch_12_bits(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.where(HOLE, 65_535, GRAY_12).astype(np.uint16), "65535")
    with pytest.raises(ValueError, match=r"a\.tif .*from 0 to 4095, nearly all in a quarter"):
        read_photo(path)
    expected = np.where(HOLE, 0, GRAY_12 / 4095)
    np.testing.assert_allclose(read_photo(path, 1, (0, 4095))[..., 0], expected, rtol=0, atol=7e-8)
    low, high = np.percentile(GRAY_12[~HOLE], (10, 80))
    expected = np.where(HOLE, 0, np.clip((GRAY_12 - low) / (high - low), 0, 1))
    np.testing.assert_allclose(read_photo(path, 1, Percentiles(10, 80))[..., 0], expected, rtol=0, atol=7e-8)


def test_a_hole_is_black_where_the_scale_is_inverted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.where(HOLE, 7, GRAY_16).astype(np.uint16), "7", "miniswhite")
    expected = np.where(HOLE, 0, 1 - GRAY_16 / 65_535)
    np.testing.assert_allclose(read_photo(path, 1)[..., 0], expected, rtol=0, atol=7e-8)


def test_signed_numbers_and_colors_and_bands_have_holes(tmp_path: Path) -> None:
    signed = np.where(HOLE, -32_768, GRAY_12).astype(np.int16)
    path = write(tmp_path / "a.tif", signed, "-32768")
    low, high = float(GRAY_12[~HOLE].min()), float(GRAY_12[~HOLE].max())
    expected = np.where(HOLE, 0, (GRAY_12 - low) / (high - low))
    np.testing.assert_allclose(read_photo(path, 1, Percentiles(0, 100))[..., 0], expected, rtol=0, atol=7e-8)
    colors = np.where(HOLE[..., None], 1, np.maximum(RGB_16, 2)).astype(np.uint16)
    path = write(tmp_path / "a.tif", colors, "1", "rgb")
    np.testing.assert_allclose(read_photo(path), np.where(HOLE[..., None], 0, colors / 65_535), rtol=0, atol=7e-8)
    bands = np.where(HOLE[..., None], 1, np.maximum(BANDS, 2)).astype(np.uint16)
    expected = np.where(HOLE[..., None], 0, bands / 65_535)
    path = write(tmp_path / "a.tif", bands, "1")
    np.testing.assert_allclose(read_photo(path, 5), expected, rtol=0, atol=7e-8)
    with tifffile.TiffWriter(path) as file:
        for band in np.moveaxis(bands, 2, 0):
            file.write(band, photometric="minisblack", extratags=[(42113, "s", 0, "1", True)], metadata=None)
    np.testing.assert_allclose(read_photo(path, 5), expected, rtol=0, atol=7e-8)


@pytest.mark.parametrize("nodata", ["70000", "-1", "0.5", "nan", "inf", "1e400"])
def test_a_number_that_the_type_does_not_hold_marks_nothing(nodata: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", GRAY_16, nodata)
    stored = stored_photo(path, 1).values
    assert stored.dtype == np.uint16
    assert np.array_equal(stored[..., 0], GRAY_16)


def test_8_bits_are_shown_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", GRAY_8, "255")
    assert np.array_equal(read_photo(path, 1)[..., 0], GRAY_8)


@pytest.mark.parametrize(
    ("numbers", "nodata", "reason"),
    [
        (np.full((6, 8), 5, np.uint16), "5", "all of its numbers are the one that its tag GDAL_NODATA"),
        (np.full((6, 8), np.nan, np.float32), "nan", "all of its numbers are the one"),
        (np.where(HOLE, np.nan, SHARES), "-9999", "NaN or infinite"),
        (np.where(HOLE, -np.inf, SHARES).astype(np.float32), "-1e300", "NaN or infinite"),
        (GRAY_16, "none", "its tag GDAL_NODATA is 'none', no number"),
    ],
)
def test_nothing_but_holes_and_other_nan_are_refused(
    numbers: Numbers, nodata: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=rf"^Expected .*a\.tif .*{reason}"):
        read_photo(write(tmp_path / "a.tif", numbers, nodata), window=(0, 1))
