"""Masks on the command line: the same rules as those of a data set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.data import Background
from lightning_spx.data.photos import read_images
from lightning_spx.evaluation.commands.shown_photos import with_background


def with_mask(folder: Path, levels: np.ndarray) -> torch.Tensor:
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(folder / "jay.png")
    (folder / "masks").mkdir()
    Image.fromarray(levels.astype(np.uint8)).save(folder / "masks/jay.png")
    shown = with_background(read_images([folder / "jay.png"], 16), str(folder / "masks"), "black", False)
    return shown.photos.images[0, 0]


def test_a_mask_of_class_numbers_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"masks/jay\.png to be 255 on the object, got at most 5"):
        with_mask(tmp_path, 5 * np.eye(16))


def test_a_mask_without_an_object_is_named(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 of 1 masks have no object in the image.*jay\.png"):
        assert not with_mask(tmp_path, np.zeros((16, 16))).any()


def test_a_colored_object_is_kept(tmp_path: Path) -> None:
    square = np.zeros((16, 16, 3))
    square[4:12, 4:12, 0] = 255
    assert torch.equal(with_mask(tmp_path, square) > 0, torch.from_numpy(square[..., 0] > 0))


def test_a_mask_of_another_ending_is_used_and_two_of_them_are_refused(tmp_path: Path) -> None:
    with_mask(tmp_path, 255 * np.eye(16))
    (tmp_path / "masks/jay.png").unlink()
    photos = read_images([tmp_path / "jay.png"], 16)
    Image.new("L", (16, 16), 255).save(tmp_path / "masks/jay.JPG")
    shown = with_background(photos, str(tmp_path / "masks"), "black", False)
    assert shown.mask is not None
    assert shown.mask.all()
    Image.new("L", (16, 16), 0).save(tmp_path / "masks/jay.bmp")
    with pytest.raises(ValueError, match=r"one mask of .*jay\.png, got .*jay\.bmp and .*jay\.JPG"):
        with_background(photos, str(tmp_path / "masks"), "black", False)


def test_a_photo_is_no_mask_of_itself(tmp_path: Path) -> None:
    Image.new("L", (16, 16), 255).save(tmp_path / "jay.jpg")
    with pytest.raises(FileNotFoundError, match=r"a mask at .*jay\.png"):
        with_background(read_images([tmp_path / "jay.jpg"], 16), str(tmp_path), "black", False)


@pytest.mark.parametrize("background", ["black", "mean"])
def test_a_background_has_all_channels(background: Background, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 10), dtype=np.uint8)
    np.save(tmp_path / "field.npy", pixels)
    (tmp_path / "masks").mkdir()
    inside = np.zeros((16, 16), bool)
    inside[4:12, 4:12] = True
    Image.fromarray((255 * inside).astype(np.uint8)).save(tmp_path / "masks/field.png")
    images = read_images([tmp_path / "field.npy"], 16, channels=10)
    found = with_background(images, str(tmp_path / "masks"), background, False).photos.images[0].permute(1, 2, 0)
    color = (pixels / 255).mean((0, 1)) if background == "mean" else np.zeros(10)
    assert np.allclose(found, np.where(inside[..., None], pixels / 255, color), atol=1e-6)
