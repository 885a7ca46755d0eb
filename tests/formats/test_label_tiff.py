"""Ids in TIFF files of tifffile and of OpenCV, with all their bits."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from lightning_spx.formats.label_map import read_label_map
from tests.formats.packed_tiff import packed_tiff
from tests.inputs.outcomes import refused

SIZE = (32, 48)
IDS = np.add.outer(np.arange(32) // 5 * 7, np.arange(48) // 9)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
def test_ids_of_every_type_are_exact(kind: str, tmp_path: Path) -> None:
    ids = IDS.astype(kind)
    ids[-1, -1], ids[0, 0] = np.iinfo(kind).max, np.iinfo(kind).min
    tifffile.imwrite(tmp_path / "map.tif", ids)
    found = read_label_map(tmp_path / "map.tif", SIZE)
    assert found.dtype == kind
    assert np.array_equal(found, ids)


COLORS = np.arange(768, dtype=np.uint16).reshape(3, 256)
WRITTEN: dict[str, dict[str, Any]] = {
    "tiles": {"tile": (16, 16)},
    "strips": {"rowsperstrip": 5},
    "deflate": {"compression": "zlib"},
    "deflate with a predictor": {"compression": "zlib", "predictor": True},
    "the other byte order": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "WhiteIsZero": {"photometric": "miniswhite"},
    "a palette": {"photometric": "palette", "colormap": COLORS},
}


@pytest.mark.parametrize("name", WRITTEN)
def test_ids_are_those_that_are_stored(name: str, tmp_path: Path) -> None:
    ids = IDS.astype(np.uint8 if name == "a palette" else np.uint32)
    tifffile.imwrite(tmp_path / "map.tiff", ids, **WRITTEN[name])
    assert np.array_equal(read_label_map(tmp_path / "map.tiff", SIZE), ids)


@pytest.mark.parametrize(("kind", "factor"), [("uint8", 5), ("uint16", 900), ("int32", 2**25)])
@pytest.mark.parametrize("compression", ["none", "LZW", "PackBits", "deflate"])
def test_opencv_and_pillow_write_ids_too(kind: str, factor: int, compression: str, tmp_path: Path) -> None:
    ids = (IDS * factor).astype(kind)
    number = {"none": 1, "LZW": 5, "PackBits": 32773, "deflate": 8}[compression]
    name = {"none": None, "LZW": "tiff_lzw", "PackBits": "packbits", "deflate": "tiff_adobe_deflate"}[compression]
    assert cv2.imwrite(str(tmp_path / "opencv.tif"), ids, [cv2.IMWRITE_TIFF_COMPRESSION, number])
    Image.fromarray(ids).save(tmp_path / "pillow.tif", compression=name)
    for path in sorted(tmp_path.iterdir()):
        with tifffile.TiffFile(path) as file:
            assert isinstance(file.pages[0], tifffile.TiffPage)
            assert file.pages[0].compression == number
        assert np.array_equal(read_label_map(path, SIZE), ids)


def test_white_as_zero_is_not_turned_round(tmp_path: Path) -> None:
    ids, path = (IDS * 5).astype(np.uint8), tmp_path / "map.tif"
    tifffile.imwrite(path, ids, photometric="miniswhite")
    assert np.array_equal(read_label_map(path, SIZE), ids)
    Image.fromarray(ids).save(path, compression="tiff_lzw", tiffinfo={262: 0})
    refused(lambda: read_label_map(path, SIZE), str(path), "imagecodecs")


def test_a_page_is_chosen_and_overviews_are_none(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(IDS.astype(np.int32))
        file.write(IDS[::2, ::2].astype(np.int32), subfiletype=1)
    assert np.array_equal(read_label_map(path, SIZE), IDS)
    pages = np.stack([IDS, IDS + 100_000]).astype(np.uint32)
    tifffile.imwrite(path, pages, photometric="minisblack")
    assert np.array_equal(read_label_map(path, SIZE, frame=1), pages[1])
    refused(lambda: read_label_map(path, SIZE), str(path), "it has 2 pages: name one as `frame`")
    for frame in (2, -1):
        refused(partial(read_label_map, path, SIZE, frame), str(path), f"frame {frame} was asked for")


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "numbers with a point": (IDS.astype(np.float32), {}, "it holds float32 of shape"),
    "colors": (np.zeros((*SIZE, 3), np.uint8), {"photometric": "rgb"}, r"of shape (32, 48, 3)"),
    "another size": (IDS[:9].astype(np.uint16), {}, "of shape (9, 48)"),
    "truths": (IDS > 3, {}, "it holds bool"),
    "a turned map": (IDS.astype(np.uint16), {"extratags": [(274, 3, 1, 6, True)]}, "orientation 6"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    content, settings, reason = WRONG[name]
    tifffile.imwrite(tmp_path / "map.tif", content, **settings)
    refused(lambda: read_label_map(tmp_path / "map.tif", SIZE), str(tmp_path / "map.tif"), reason)


def test_a_blurring_compression_and_no_tiff_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    assert cv2.imwrite(str(path), IDS.astype(np.uint8), [cv2.IMWRITE_TIFF_COMPRESSION, 7])
    refused(lambda: read_label_map(path, SIZE), str(path), "may blur ids")
    path.write_bytes(b"II*\0")
    refused(lambda: read_label_map(path, SIZE), str(path))
    path.write_bytes(b"no TIFF")
    refused(lambda: read_label_map(path, SIZE), str(path), "not a TIFF")


@pytest.mark.parametrize("lzw", [False, True])
@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("photometric", [1, 3])
def test_ids_of_few_bits_are_not_stretched(bits: int, lzw: bool, photometric: int, tmp_path: Path) -> None:
    ids = (np.add.outer(np.arange(32), np.arange(45)) % 2**bits).astype(np.uint8)
    (tmp_path / "map.tif").write_bytes(packed_tiff(ids, bits, lzw, photometric))
    assert np.array_equal(read_label_map(tmp_path / "map.tif", (32, 45)), ids)


@pytest.mark.parametrize("lzw", [False, True])
def test_ids_of_few_bits_are_refused_where_pillow_would_turn_them_round(lzw: bool, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_bytes(packed_tiff((IDS % 16).astype(np.uint8), 4, lzw, photometric=0))
    refused(lambda: read_label_map(path, SIZE), str(path), "imagecodecs")


def test_several_maps_under_one_header_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    tifffile.imwrite(path, np.stack([IDS, IDS + 1]).astype(np.uint16), photometric="minisblack", truncate=True)
    refused(lambda: read_label_map(path, SIZE), str(path), "a volume of 2 slices under one header")
