"""Which files are meant, and their pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.data.photos import find_images, read_images


def photo(path: Path, size: tuple[int, int] = (8, 8), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_files_folders_and_patterns_are_found_once_each_in_order(tmp_path: Path) -> None:
    paths = [photo(tmp_path / name) for name in ("b/2.png", "b/1.JPG", "a/3.png", "a/deep/4.png")]
    (tmp_path / "b" / "notes.txt").write_text("no image")
    two, one, three, four = paths
    assert find_images([tmp_path / "b"]) == [one, two]
    assert find_images([str(tmp_path / "a" / "**" / "*.png")]) == [three, four]
    assert find_images([two, tmp_path / "b", two]) == [two, one]


@pytest.mark.parametrize(("place", "reason"), [("nothing.png", "nothing"), ("*.png", "nothing"), ("empty", "a folder")])
def test_nothing_found_is_an_error_that_names_the_place(place: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=rf"found {reason}.* at .*{place.replace('*', '.')}"):
        find_images([tmp_path / place])


def test_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png")
    images = read_images([path], 8).images
    assert torch.equal(images[0], torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255)


def test_a_long_photo_is_cropped_to_its_center(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", (8, 24))
    whole = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255
    assert torch.equal(read_images([path], 8).images[0], whole[..., 8:16])


def test_equal_stems_get_names_of_their_own(tmp_path: Path) -> None:
    paths = [photo(tmp_path / name) for name in ("a/1.png", "b/1.png", "c/1-2.png", "d/1.jpg")]
    assert read_images(paths, 8).names == ["1", "1-2", "1-2-2", "1-3"]


def test_an_unreadable_file_is_left_out_with_a_warning_or_refused(tmp_path: Path) -> None:
    good, bad = photo(tmp_path / "good.png"), tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"Left out 1 of 2 images\. Expected .*bad\.png to be a readable image"):
        assert read_images([bad, good], 8).paths == [good]
    with pytest.raises(ValueError, match=r"bad\.png to be a readable image"):
        read_images([bad, good], 8, strict=True)
    with pytest.raises(ValueError, match=r"bad\.png to be a readable image"):
        read_images([bad], 8)


def test_a_size_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected `image_size` to be at least 1, got 0"):
        read_images([photo(tmp_path / "a.png")], 0)
