"""Mask files: what is object is plain, or the file is refused by name."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from lightning_spx.data import read_mask
from lightning_spx.data.mask_levels import mask_levels

Pixels = NDArray[np.uint8]
SIDE = 32
SQUARE = np.zeros((SIDE, SIDE), bool)
SQUARE[8:24, 8:24] = True
# the border without a class that VOC draws round its objects
BORDER = np.zeros((SIDE, SIDE), bool)
BORDER[6:26, 6:26] = True
BORDER &= ~SQUARE
NOISE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def gray(inside: int, outside: int = 0, border: int | None = None) -> Image.Image:
    levels = np.where(SQUARE, inside, np.where(BORDER & (border is not None), border or 0, outside))
    return Image.fromarray(levels.astype(np.uint8))


def colors(inside: tuple[int, int, int], outside: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    return Image.fromarray(np.where(SQUARE[..., None], inside, outside).astype(np.uint8))


def palette(inside: tuple[int, int, int], number: int = 1, border: int = 0) -> Image.Image:
    """Numbers of classes with VOC's colors, where 255 is a border of cream."""
    image = Image.frombytes("P", (SIDE, SIDE), np.asarray(gray(number, border=border)).tobytes())
    table = [0] * 765 + [224, 224, 192]
    table[3 * number : 3 * number + 3] = inside
    image.putpalette(table)
    return image


def opaque(image: Image.Image, inside: int = 255, outside: int = 0) -> Image.Image:
    """Colors with an alpha channel."""
    image = image.convert("LA" if image.mode == "L" else "RGBA")
    image.putalpha(gray(inside, outside))
    return image


def deep(inside: int) -> Image.Image:
    return Image.fromarray(SQUARE.astype(np.uint16) * np.uint16(inside))


def side_by_side(numbers: list[int], gap: int = 2, side: int = 6) -> Image.Image:
    """Squares of each number in a row, on black."""
    row = [np.pad(np.full((side, side), number), ((2, 2), (0, gap))) for number in numbers]
    return Image.fromarray(np.pad(np.hstack(row), ((0, 0), (2, 2))).astype(np.uint8))


def trimap() -> Image.Image:
    wide = np.asarray(gray(255).filter(ImageFilter.MaxFilter(13)))
    return Image.fromarray(np.where(SQUARE, 255, wide // 2 + wide % 2).astype(np.uint8))


PLAIN = {
    "0 and 255": gray(255),
    "0 and 128": gray(128),
    "0 and 200": gray(200),
    "one bit": Image.fromarray(SQUARE),
    "16 bits": deep(65_535),
    "two of five annotators at the border": gray(255, border=102),
    "red on black": colors((255, 0, 0)),
    "blue on black": colors((0, 0, 255)),
    "dark red of a palette": palette((128, 0, 0)),
    "white of a palette": palette((255, 255, 255)),
    "1 and 254": gray(254, 1),
    "5 and 250": gray(250, 5),
    "16 and 235 of a video": gray(235, 16),
    "1 and 255": gray(255, 1),
    "0 beside 254 and 255": Image.fromarray(np.where(SQUARE, 254 + np.arange(SIDE) // 16, 0).astype(np.uint8)),
    "opaque white": opaque(gray(255, 255)),
    "opaque black": opaque(colors((0, 0, 0))),
    "opaque and white": opaque(gray(255)),
    "all opaque": opaque(gray(255), 255, 255),
    "opaque and red": opaque(colors((255, 0, 0))),
}
REFUSED = {
    "0 and 1": (gray(1), "at most 1: multiply it by 255"),
    "0 to 5": (gray(5), "at most 5"),
    "1 and 2": (gray(1, 2), "at most 2"),
    "0 and 100": (gray(100), "at most 100"),
    "0 and 127": (gray(127), "at most 127"),
    "a class and 255 at its border": (gray(15, border=255), "areas of 0, 15, 255"),
    "classes below and above one half": (gray(15, 156), "areas of 15, 156"),
    "stretched numbers side by side": (side_by_side([85, 170, 255]), "areas of 0, 85, 170, 255"),
    "five stretched numbers": (side_by_side([51, 102, 153, 204, 255]), "areas of 0, 51, 102"),
    "stretched numbers that touch": (side_by_side([64, 128, 192, 255], gap=0), "areas of 0, 64, 128, 192, 255"),
    "a trimap": (trimap(), "areas of 0, 128, 255"),
    "numbers of many objects": (side_by_side([*range(1, 41), 200], side=9), "areas of 0, 1, 2, 3, 4, ..."),
    "0 and 1000 of 16 bits": (deep(1000), "at most 1000"),
    "0 and 20000 of 16 bits": (deep(20_000), "at most 78"),
    "dark green": (colors((0, 64, 0)), "at most 64"),
    "red on white": (colors((255, 0, 0), (255, 255, 255)), "2 colors such as #ff0000, #ffffff"),
    "green on red": (colors((0, 255, 0), (255, 0, 0)), "2 colors"),
    "a palette with its border": (palette((192, 128, 128), 15, 255), "2 colors such as #c08080, #e0e0c0"),
    "numbers that a palette shows as gray": (palette((1, 1, 1)), "at most 1"),
    "a photo cut out": (opaque(Image.fromarray(NOISE)), "colors such as"),
    "white where it is transparent": (opaque(gray(255), 0, 255), "gray or transparent, got both"),
    "opacity of 0 and 1": (opaque(gray(255, 255), 1), "at most 1"),
    "numbers in [0, 1]": (Image.fromarray(SQUARE.astype(np.float32)), "mode F"),
}


def saved(image: Image.Image, path: Path) -> Path:
    # TIFF holds numbers in [0, 1], and what a file is is known by content
    image.save(path, "TIFF" if image.mode == "F" else "PNG")
    return path


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_mask_is_its_object(name: str, tmp_path: Path) -> None:
    mask = read_mask(saved(PLAIN[name], tmp_path / "mask.png"), (SIDE, SIDE))
    assert np.array_equal(mask.numpy() >= 0.5, SQUARE)


@pytest.mark.parametrize("name", ["0 and 128", "0 and 200", "dark red of a palette"])
def test_a_mask_of_two_values_keeps_its_size_when_it_is_resized(name: str, tmp_path: Path) -> None:
    white = read_mask(saved(gray(255), tmp_path / "white.png"), (SIDE, SIDE))
    assert torch.equal(read_mask(saved(PLAIN[name], tmp_path / "mask.png"), (SIDE, SIDE)), white)


@pytest.mark.parametrize("name", REFUSED)
def test_another_mask_is_refused_by_name(name: str, tmp_path: Path) -> None:
    image, reason = REFUSED[name]
    with pytest.raises(ValueError, match=rf"^Expected .*mask\.png .*{reason}"):
        read_mask(saved(image, tmp_path / "mask.png"), (image.height, image.width))


@pytest.mark.parametrize("quality", [5, 20, 75])
def test_one_level_of_a_lossy_file_is_black_or_white(quality: int, tmp_path: Path) -> None:
    for level, ending in product((0, 255), ("JPEG", "WEBP")):
        Image.new("L", (SIDE, SIDE), level).save(tmp_path / "mask", ending, quality=quality)
        assert (read_mask(tmp_path / "mask", (SIDE, SIDE)) >= 0.5).all() == (level == 255)
    # what loses nothing holds numbers
    Image.new("L", (SIDE, SIDE), 8).save(tmp_path / "mask", "WEBP", lossless=True)
    with pytest.raises(ValueError, match="at most 8"):
        read_mask(tmp_path / "mask", (SIDE, SIDE))


@pytest.mark.parametrize("quality", [15, 23, 30, 60, 75, 95])
def test_the_ringing_of_a_jpeg_is_no_class(quality: int, tmp_path: Path) -> None:
    for image in (gray(255), gray(255).convert("RGB"), gray(255).rotate(30)):
        image.save(tmp_path / "mask.jpg", quality=quality)
        mask = read_mask(tmp_path / "mask.jpg", (SIDE, SIDE)).numpy() >= 0.5
        assert np.abs(mask.astype(int) - (np.asarray(image.convert("L")) > 127)).mean() < 0.02


def test_blurred_and_probable_masks_are_kept(tmp_path: Path) -> None:
    probable = np.clip(np.asarray(gray(240, 8)) + np.random.default_rng(0).integers(-8, 9, (SIDE, SIDE)), 0, 255)
    smaller = np.asarray(gray(255).resize((20, 20), Image.Resampling.BICUBIC))
    for levels in (probable.astype(np.uint8), smaller):
        mask = read_mask(saved(Image.fromarray(levels), tmp_path / "mask.png"), levels.shape)
        assert np.array_equal(mask.numpy(), levels.astype(np.float32) / 255)


def test_smooth_masks_with_flat_areas_and_those_of_annotators_are_kept(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:120, :160]
    distance = np.hypot((rows - 60) / 40, (columns - 80) / 50)
    votes = sum((distance < 1 + shift * np.cos(k * rows / 20)).astype(int) for k, shift in enumerate((0, 0.05, 0.1)))
    kept = {
        "probabilities": 255 / (1 + np.exp(2 * (distance - 1.2))),
        "a slope": np.repeat(255 - np.arange(120)[:, None] * 255 / 119, 160, axis=1) * (columns > 20),
        "three annotators": 85 * votes,
    }
    for levels in kept.values():
        mask = read_mask(saved(Image.fromarray(levels.astype(np.uint8)), tmp_path / "mask.png"), (120, 160))
        assert np.array_equal(mask.numpy(), levels.astype(np.uint8).astype(np.float32) / 255)


@pytest.mark.real_data
def test_masks_of_cub_are_plain(real_data: Path) -> None:
    paths = sorted((real_data / "cub/CUB_200_2011/segmentations").rglob("*.png"))
    assert paths
    assert all(mask_levels(path).max() == 255 for path in paths[::20])
