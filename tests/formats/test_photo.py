"""Photos of every format: read with the brightness that they have by construction, or refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightning_spx.formats import Percentiles
from lightning_spx.formats.image_file import decode
from lightning_spx.formats.photo import read_photo, stored_photo
from tests.formats.golden_photos import GOLDEN, REFUSED
from tests.formats.photo_writers import GRAY_16, LARGE, RGB_8, tiff


@pytest.mark.parametrize("name", GOLDEN)
def test_a_photo_has_all_its_levels(name: str, tmp_path: Path) -> None:
    golden = GOLDEN[name]
    # the name says nothing
    path = tmp_path / "photo"
    golden.write(path)
    found = read_photo(path, golden.channels, golden.window, golden.frame)
    expected = golden.expected if golden.expected.ndim == 3 else golden.expected[..., None]
    expected = np.broadcast_to(expected, (*expected.shape[:2], golden.channels))
    assert found.shape == expected.shape
    if golden.expected.dtype == np.uint8:
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected)
    else:
        assert found.dtype == np.float32
        # one rounding to float32, and none of them before
        np.testing.assert_allclose(found, np.clip(expected, 0, 1).astype(np.float64), rtol=0, atol=7e-8)


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_in_one_line_with_its_name(name: str, tmp_path: Path) -> None:
    write, settings, reason = REFUSED[name]
    path = tmp_path / "photo.xyz"
    write(path)
    with pytest.raises(ValueError, match=r"^Expected .*photo\.xyz to be a readable image") as error:
        read_photo(path, **settings)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_there_are_as_many_as_promised() -> None:
    assert len(GOLDEN) >= 45, len(GOLDEN)


def test_a_photo_of_8_bits_is_what_it_was(tmp_path: Path) -> None:
    for name, golden in GOLDEN.items():
        if (
            golden.expected.dtype == np.uint8
            and golden.frame is None
            and "JPEG 2000" not in name
            and "array" not in name
        ):
            golden.write(tmp_path / "photo")
            assert np.array_equal(read_photo(tmp_path / "photo"), decode(tmp_path / "photo")), name


@pytest.mark.parametrize(
    ("window", "kind", "reason"),
    [
        ((5, 5), ValueError, "low below high, got 5 and 5"),
        ((0, float("inf")), ValueError, "two finite numbers"),
        ((1, 2, 3), TypeError, "to be two numbers or percentiles"),
        (Percentiles(over="training"), TypeError, "percentiles over training"),
    ],
)
def test_another_window_is_refused(
    window: tuple[float, float] | Percentiles, kind: type[Exception], reason: str, tmp_path: Path
) -> None:
    tiff(GRAY_16)(tmp_path / "a.tif")
    with pytest.raises(kind, match=reason):
        read_photo(tmp_path / "a.tif", window=window)


@pytest.mark.parametrize("settings", [{}, {"rowsperstrip": 7}, {"tile": (16, 16)}, {"compression": "zlib"}])
def test_a_tiff_without_its_end_is_refused_and_not_black_there(settings: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tiff(LARGE, **settings)(path)
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        last = page.dataoffsets[-1] + page.databytecounts[-1]
    path.write_bytes(whole[: last - 20])
    with pytest.raises(ValueError, match=r"a\.tif to be a readable image"):
        read_photo(path)


def test_numbers_are_stored_as_the_file_has_them(tmp_path: Path) -> None:
    tiff(GRAY_16, photometric="miniswhite")(tmp_path / "a.tif")
    image = stored_photo(tmp_path / "a.tif")
    assert np.array_equal(image.values[..., 0], GRAY_16)
    assert (image.black, image.white) == (65_535, 0)
    tiff(RGB_8)(tmp_path / "b.tif")
    assert np.array_equal(stored_photo(tmp_path / "b.tif").values, RGB_8)
    with pytest.raises(ValueError, match=r"c\.tif to be a readable image: there is no such file"):
        stored_photo(tmp_path / "c.tif")
