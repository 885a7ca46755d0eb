"""Masks in TIFF files: the one page that is meant, with a scale that all programs read alike."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lightning_spx.data.mask_levels import mask_levels

SQUARE = np.zeros((20, 30), bool)
SQUARE[5:12, 8:20] = True
LEVELS = 255 * SQUARE.astype(np.uint8)


def test_an_inverted_scale_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    for mask in (SQUARE, LEVELS, LEVELS.astype(np.uint16) * 257):
        tifffile.imwrite(path, mask, photometric="miniswhite")
        with pytest.raises(ValueError, match=r"^Expected the mask .*mask\.tif .*WhiteIsZero.*save it with BlackIsZero"):
            mask_levels(path)
        tifffile.imwrite(path, mask, photometric="minisblack")
        assert np.array_equal(mask_levels(path), LEVELS)
    # what tifffile makes of truths if nobody says anything
    tifffile.imwrite(path, SQUARE)
    with pytest.raises(ValueError, match="WhiteIsZero"):
        mask_levels(path)


def test_several_pages_are_refused_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, np.stack([LEVELS, LEVELS[::-1], LEVELS]), photometric="minisblack")
    with pytest.raises(ValueError, match=r"^Expected the mask .*mask\.tif to have one page, got 3"):
        mask_levels(path)
    tifffile.imwrite(path, np.stack([LEVELS, LEVELS[::-1]]), photometric="minisblack", truncate=True)
    with pytest.raises(ValueError, match=r"mask\.tif .*a volume of 2 slices"):
        mask_levels(path)
    tifffile.imwrite(path, np.stack([LEVELS, LEVELS], axis=2), photometric="minisblack", planarconfig="contig")
    with pytest.raises(ValueError, match=r"mask\.tif .*it has 2 bands"):
        mask_levels(path)


@pytest.mark.parametrize("first", ["thumbnail", "image"])
def test_a_thumbnail_is_no_mask(first: str, tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    both = [(LEVELS[::2, ::2], 1), (LEVELS, 0)]
    with tifffile.TiffWriter(path) as file:
        for levels, kind in both if first == "thumbnail" else both[::-1]:
            file.write(levels, photometric="minisblack", subfiletype=kind, metadata=None)
    assert np.array_equal(mask_levels(path), LEVELS)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_masks_of_pillow_are_read_as_ever(compression: str | None, tmp_path: Path) -> None:
    for image in (Image.fromarray(LEVELS), Image.fromarray(SQUARE), Image.fromarray(LEVELS).convert("RGB")):
        image.save(tmp_path / "mask.tif", compression=compression)
        assert np.array_equal(mask_levels(tmp_path / "mask.tif"), LEVELS)
