"""TIFF files of several pages, channels or planes: the image that is meant, or a refusal that counts them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lightning_spx.formats.photo import read_photo
from lightning_spx.formats.tiff import read_tiff
from tests.formats.photo_writers import GRAY_8, RGB_8, Numbers, pages

STACK = np.stack([GRAY_8, GRAY_8[::-1], GRAY_8[:, ::-1], GRAY_8 // 2, 255 - GRAY_8])
Settings = dict[str, Any]


@pytest.mark.parametrize("full", [GRAY_8, RGB_8])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_thumbnail_before_the_image_is_never_read(full: Numbers, compression: str | None, tmp_path: Path) -> None:
    path, kind = tmp_path / "photo.tif", {"photometric": "rgb" if full.ndim == 3 else "minisblack"}
    small = full[::2, ::2]
    pages((small, {"subfiletype": 1, **kind}), (full, {"compression": compression, **kind}))(path)
    expected = np.broadcast_to(full if full.ndim == 3 else full[..., None], (6, 8, 3))
    for frame in (None, 0):
        found = read_photo(path, frame=frame)
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected)
        np.testing.assert_allclose(read_photo(path, window=(0, 255), frame=frame), expected / 255, atol=1e-7)
    with pytest.raises(ValueError, match="it has 1 frames, counted from 0, and no frame 1"):
        read_photo(path, frame=1)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("settings", [{}, {"window": (0, 255)}, {"frame": 0}, {"channels": 1}])
def test_planes_under_one_header_are_refused(kind: str, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK.astype(kind), photometric="minisblack", truncate=True)
    with pytest.raises(ValueError, match=r"stack\.tif .*it holds a volume of 5 slices under one header"):
        read_photo(path, **settings)


def in_axes(axes: str, **settings: bool) -> Callable[[Path, Numbers], None]:
    options: Settings = {"metadata": {"axes": axes}, **settings}

    def write(path: Path, numbers: Numbers) -> None:
        tifffile.imwrite(path, numbers, photometric="minisblack", **options)

    return write


WRITERS = {
    "OME-TIFF": in_axes("CYX", ome=True),
    "ImageJ": in_axes("CYX", imagej=True),
    "tifffile": in_axes("CYX"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_channels_of_8_bits_are_refused_as_photos_and_read_as_bands(name: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / "cells.tif"
    WRITERS[name](path, STACK[:count])
    for channels in (1, 3):
        for window in (None, (0, 255)):
            with pytest.raises(ValueError, match=rf"cells\.tif .*it has {count} channels, on {count} pages"):
                read_photo(path, channels, window)
        # a page that is named is the one that is meant
        assert np.array_equal(read_photo(path, channels, frame=1)[..., 0], STACK[1])
    if count == 5:
        assert np.array_equal(read_tiff(path, 5).values, np.moveaxis(STACK, 0, 2))


@pytest.mark.parametrize("settings", [{"ome": True}, {"imagej": True}, {}])
def test_slices_of_8_bits_show_the_first_and_colors_are_no_channels(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "slices.tif"
    in_axes("ZYX", **settings)(path, STACK)
    assert np.array_equal(read_photo(path, 1)[..., 0], GRAY_8)
    tifffile.imwrite(path, RGB_8, photometric="rgb", **settings)
    assert np.array_equal(read_photo(path), RGB_8)


@pytest.mark.parametrize("settings", [{}, {"window": (0, 255)}, {"frame": 0}])
@pytest.mark.parametrize("channels", [1, 3])
def test_two_bands_are_no_photo_and_gray_with_opacity_is(channels: int, settings: Settings, tmp_path: Path) -> None:
    path, both = tmp_path / "bands.tif", np.stack([GRAY_8, GRAY_8[::-1]], axis=2)
    tifffile.imwrite(path, both, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ValueError, match=r"bands\.tif .*it has 2 bands: set `channels` to 2"):
        read_photo(path, channels, **settings)
    assert np.array_equal(read_tiff(path, 2).values, both)
    Image.fromarray(both, "LA").save(path)
    expected = np.repeat(GRAY_8[..., None], channels, axis=2)
    found = read_photo(path, channels, **settings)
    np.testing.assert_allclose(found, expected / (255 if "window" in settings else 1), atol=1e-7)


def test_a_page_of_a_set_of_files_is_an_image_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "c0.ome.tif"
    said = '<OME xmlns="x"><Image ID="Image:0"><Pixels SizeC="3" SizeX="8" SizeY="6"></Pixels></Image></OME>'
    tifffile.imwrite(path, GRAY_8, photometric="minisblack", description=said, metadata=None)
    assert np.array_equal(read_photo(path, 1)[..., 0], GRAY_8)
