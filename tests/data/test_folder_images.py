"""Photos read from files at one size."""

from pathlib import Path

from PIL import Image

from lightning_spx.data.folder_images import read_image
from tests.data.picture import picture


def test_another_size_is_resized_and_cropped(tmp_path: Path) -> None:
    Image.fromarray(picture(1, (20, 40, 3))).save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png", 16).shape == (3, 16, 16)
