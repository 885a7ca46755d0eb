"""Image files are decoded as viewers show them, or refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.data.folder_images import read_image
from tests.data.picture import picture


def test_an_image_too_large_to_be_true_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(0, (40, 40, 3))).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"bomb\.png to be a readable image: .*decompression bomb"):
        read_image(tmp_path / "bomb.png", 40)


def test_orientation_is_honoured(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the picture a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    image = read_image(tmp_path / "turned.png", 16)
    assert image[:, :, 8:].min() == 255
    assert image[:, :, :8].max() == 0


@pytest.mark.parametrize(("mode", "shape"), [("L", (16, 16)), ("RGBA", (16, 16, 4)), ("CMYK", (16, 16, 4))])
def test_other_color_spaces_become_rgb(tmp_path: Path, mode: str, shape: tuple[int, ...]) -> None:
    source = Image.fromarray(picture(1, shape), mode if mode == "CMYK" else None)
    source.save(tmp_path / "image.tiff")
    expected = torch.from_numpy(np.array(source.convert("RGB"))).permute(2, 0, 1)
    assert torch.equal(read_image(tmp_path / "image.tiff", 16), expected)
