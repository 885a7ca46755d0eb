"""Image files: refused before they are decoded, or shown as viewers show them."""

import os
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lightning_spx.data import ImageFolderDataModule, read_mask
from lightning_spx.data.folder_images import read_image, read_pixels
from lightning_spx.data.photos import find_images, read_images
from lightning_spx.formats.plane_size import MAX_PIXELS, MAX_SIDE
from tests.command_line import Captured, refusal
from tests.inputs.image_files import DEFINED, GREY, ORIENTATION, PIXELS, REFUSED, TURNS, WHOLE, png, saved
from tests.inputs.outcomes import refused, refused_or
from tests.inputs.strategies import damaged, examples

# Pillow's own word on what we refuse
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_image_is_refused_in_a_line_that_names_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    content, reason = REFUSED[name]
    path.write_bytes(content)
    refused(lambda: read_pixels(path), str(path), reason)
    # the commands' own way, with one image and with others
    refused(lambda: read_images([path], 8), str(path), reason)
    good = tmp_path / "good.png"
    good.write_bytes(WHOLE["PNG"])
    if "window" in refused(lambda: read_images([path], 8), str(path)):
        # the file is good, and the user has to say what is black and white
        refused(lambda: read_images([path, good], 8), str(path), "give `window`")
        return
    with pytest.warns(UserWarning, match=r"Left out 1 of 2 images\. .*photo\.png"):
        assert read_images([path, good], 8).paths == [good]


@pytest.mark.parametrize("name", DEFINED)
def test_an_unusual_image_has_the_pixels_that_viewers_show(name: str, tmp_path: Path) -> None:
    file, content, expected = DEFINED[name]
    path = tmp_path / file
    path.write_bytes(content)
    assert np.array_equal(read_pixels(path).permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("name", ["a wide PNG", "half of JPEG", "a program for a printer", "32-bit numbers"])
def test_the_command_line_names_the_file(
    name: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(REFUSED[name][0])
    assert "photo.png" in refusal(capsys, ["segment", "photo.png", "--superpixels=[Grid]"])


def test_nothing_is_decoded_of_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(_: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    path = tmp_path / "bomb.png"
    for name in ("a wide PNG", "a wide JPEG", "a long strip"):
        path.write_bytes(REFUSED[name][0])
        refused(partial(read_pixels, path), f"{MAX_SIDE} px a side", str(MAX_PIXELS))
    for name in ("a large PNG", "a PNG where Pillow refuses"):
        path.write_bytes(REFUSED[name][0])
        refused(partial(read_pixels, path), "decompression bomb")
    # Pillow's limit can be lifted, ours stays
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    refused(partial(read_pixels, path), "13378 x 13377", str(MAX_PIXELS))


def test_a_photo_of_as_many_pixels_as_pillow_admits_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class DecodedError(Exception):
        pass

    def decoded(_: Image.Image) -> None:
        raise DecodedError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS == MAX_PIXELS
    path = tmp_path / "large.png"
    for width, height in ((10_000, 9_000), (MAX_SIDE, MAX_PIXELS // MAX_SIDE)):
        path.write_bytes(png(width, height))
        with pytest.raises(DecodedError):
            read_pixels(path)


@pytest.mark.timeout(20)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "lost.png").symlink_to("nowhere.png")
    for name in ("pipe.png", "folder.png", "loop.png", "lost.png", "none.png"):
        refused(partial(read_pixels, tmp_path / name), name)
    refused(lambda: find_images([tmp_path / "pipe.png"]), "pipe.png")


def test_a_class_folder_counts_a_pipe_as_unreadable(tmp_path: Path) -> None:
    for stage in ("train", "test"):
        (tmp_path / stage / "cat").mkdir(parents=True)
        (tmp_path / stage / "cat" / "good.png").write_bytes(WHOLE["PNG"])
    os.mkfifo(tmp_path / "train" / "cat" / "pipe.png")
    with pytest.warns(UserWarning, match=r"Left out 1 of 2 images .*pipe\.png"):
        assert len(ImageFolderDataModule(tmp_path, image_size=8).pool()) == 1


def test_one_pixel_fills_the_image(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(saved(PIXELS[:1, :1], "PNG"))
    image = read_image(tmp_path / "dot.png", 8)
    assert torch.equal(image, torch.from_numpy(PIXELS[0, 0]).view(3, 1, 1).expand(3, 8, 8))


@pytest.mark.parametrize("number", TURNS)
def test_a_mask_is_turned_by_its_own_tag_as_its_photo_is(number: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = number
    object_ = (GREY > 99).astype(np.uint8) * 255
    (tmp_path / "photo.png").write_bytes(saved(PIXELS, "PNG", exif=exif))
    (tmp_path / "mask.png").write_bytes(saved(object_, "PNG", exif=exif))
    height, width = read_pixels(tmp_path / "photo.png").shape[1:]
    mask = read_mask(tmp_path / "mask.png", (height, width))
    assert np.array_equal(mask.numpy(), (TURNS[number](object_) > 0).astype(np.float32))


def test_a_mask_of_the_photo_as_it_is_stored_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(saved(GREY, "PNG"))
    refused(lambda: read_mask(tmp_path / "mask.png", (9, 6)), "mask.png", "6 x 9", "got 9 x 6")


def test_a_mask_of_zeros_and_ones_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(saved(GREY % 2, "PNG"))
    refused(lambda: read_mask(tmp_path / "mask.png", (6, 9)), "mask.png", "multiply it by 255")


@pytest.mark.parametrize("largest", [1, 255])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_a_mask_of_16_bits_that_holds_8_is_refused_and_not_empty(
    file_format: str, largest: int, tmp_path: Path
) -> None:
    inside = (GREY > 99).astype(np.uint16)
    path = tmp_path / "mask.png"
    path.write_bytes(saved(inside * np.uint16(largest), file_format))
    refused(lambda: read_mask(path, (6, 9)), "mask.png", f"at most {largest}")
    path.write_bytes(saved(inside * np.uint16(65_535), file_format))
    assert np.array_equal(read_mask(path, (6, 9)).numpy(), inside.astype(np.float32))
    path.write_bytes(saved(inside * np.uint16(0), file_format))
    assert not read_mask(path, (6, 9)).any()


def check_damaged(content: bytes, folder: Path) -> None:
    path = folder / "damaged.png"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = refused_or(lambda: read_pixels(path), "damaged.png")
    if pixels is not None:
        assert isinstance(pixels, torch.Tensor)
        assert pixels.dtype in (torch.uint8, torch.float32)
        assert pixels.ndim == 3
        assert len(pixels) == 3


@examples(60)
@given(content=st.sampled_from(sorted(WHOLE)).flatmap(lambda name: damaged(WHOLE[name])))
def test_a_damaged_image_is_read_or_named(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_damaged(content, tmp_path_factory.getbasetemp())


@pytest.mark.soak
@examples(20_000)
@given(content=st.sampled_from(sorted(WHOLE)).flatmap(lambda name: damaged(WHOLE[name])))
def test_many_damaged_images_are_read_or_named(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_damaged(content, tmp_path_factory.getbasetemp())
