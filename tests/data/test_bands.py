"""Images of other than three channels: read from files, resized, augmented and loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.data import ArrayImages, ImageFolderDataModule
from lightning_spx.data.folder_images import FolderImages, read_image, read_pixels
from lightning_spx.data.photos import find_images, read_images
from lightning_spx.data.removed_pixels import RemovedPixels
from lightning_spx.data.resize import resize_and_crop
from lightning_spx.data.transforms import augment
from lightning_spx.formats.image_file import decode
from tests.data.picture import picture


def field(channels: int = 10, seed: int = 0) -> NDArray[np.uint8]:
    """(H, W, C) of 8 bits."""
    return picture(seed, (12, 16, channels))


def test_arrays_are_read_in_both_orders_with_their_own_numbers(tmp_path: Path) -> None:
    stored = field()
    bands = torch.from_numpy(stored.transpose(2, 0, 1).copy())
    for name, array in {
        "last": stored,
        "first": stored.transpose(2, 0, 1),
        "by columns": np.asfortranarray(stored),
    }.items():
        np.save(tmp_path / name, array)
        np.save(tmp_path / f"{name} in floats", (array / 255).astype(">f8"))
        found = read_pixels(tmp_path / f"{name}.npy", 10)
        assert found.dtype == torch.uint8
        assert torch.equal(found, bands)
        floats = read_pixels(tmp_path / f"{name} in floats.npy", 10)
        assert floats.dtype == torch.float32
        assert torch.equal(floats, (bands.double() / 255).float())


@pytest.mark.parametrize("channels", [2, 4, 10])
def test_bands_of_a_tiff_are_read_wherever_they_are(channels: int, tmp_path: Path) -> None:
    stored = field(channels)
    first = np.ascontiguousarray(stored.transpose(2, 0, 1))
    path = tmp_path / "field.tif"
    tifffile.imwrite(path, stored, photometric="minisblack", planarconfig="contig", compression="zlib")
    assert np.array_equal(read_pixels(path, channels), first)
    tifffile.imwrite(path, first, photometric="minisblack", planarconfig="separate")
    assert np.array_equal(read_pixels(path, channels), first)
    tifffile.imwrite(path, first, photometric="minisblack", byteorder=">", bigtiff=True)
    assert np.array_equal(read_pixels(path, channels), first)
    Image.fromarray(first[0]).save(path, save_all=True, append_images=[Image.fromarray(each) for each in first[1:]])
    assert np.array_equal(read_pixels(path, channels), first)


def test_a_tiff_says_which_axis_holds_bands_and_an_array_must_not_be_doubtful(tmp_path: Path) -> None:
    stored = picture(0, (10, 16, 10))
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig="contig")
    assert np.array_equal(read_pixels(tmp_path / "a.tif", 10), stored.transpose(2, 0, 1))
    np.save(tmp_path / "a.npy", stored)
    with pytest.raises(
        ValueError, match=r"a\.npy to be .* 10 bands: it has the shape \(10, 16, 10\), of which the first"
    ):
        read_pixels(tmp_path / "a.npy", 10)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (field(4), r"it has the shape \(12, 16, 4\), neither \(H, W, 10\) nor \(10, H, W\)"),
        (field()[0], r"it has the shape \(16, 10\), neither"),
        (field()[None], r"it has the shape \(1, 12, 16, 10\), neither"),
        (field()[:0], r"it has the shape \(0, 16, 10\), neither"),
        (field().astype(np.int64), "it states no range for its numbers, 0 to 255: give `window`"),
        (field().astype(np.float32), "it states no range for its numbers, 0 to 255: give `window`"),
        (field() / 255 - 0.5, "it states no range for its numbers, -0.5 to 0.5"),
        (field().astype(np.uint16), "it holds numbers from 0 to 255, nearly all in a quarter"),
        (field() * 1j, "it holds complex128, which are no real numbers"),
        (np.where(field() > 0, 0.5, np.nan), "it holds numbers that are NaN or infinite"),
        (np.zeros((12, 20_001, 10), np.uint8), "it is 20001 x 12 pixels, and the limits are"),
    ],
)
def test_other_arrays_are_refused_in_one_line(stored: NDArray[np.generic], reason: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", stored)
    with pytest.raises(ValueError, match=rf"Expected .*a\.npy to be a readable image of 10 bands: {reason}"):
        read_pixels(tmp_path / "a.npy", 10)


def test_other_tiffs_are_refused_in_one_line(tmp_path: Path) -> None:
    path, first = tmp_path / "a.tif", np.ascontiguousarray(field().transpose(2, 0, 1))
    for array, photometric, reason in (
        (first[:4], "minisblack", r"it has the shape \(4, 12, 16\), neither"),
        (first.astype(np.uint16), "minisblack", "it holds numbers from 0 to 255, nearly all in a quarter"),
        (first.astype(np.float32) - 1, "miniswhite", "its scale is inverted, and float32 has no range"),
    ):
        tifffile.imwrite(path, array, photometric=photometric)
        with pytest.raises(ValueError, match=rf"Expected .*a\.tif to be a readable image of 10 bands: {reason}"):
            read_pixels(path, 10)


def test_bands_are_upright_and_as_bright_as_the_file_says(tmp_path: Path) -> None:
    path, first = tmp_path / "a.tif", np.ascontiguousarray(field().transpose(2, 0, 1))
    turned: Any = [(274, "H", 1, 6, False)]
    tifffile.imwrite(path, first, photometric="miniswhite", extratags=turned)
    assert np.array_equal(read_pixels(path, 10), np.rot90(255 - first, -1, axes=(1, 2)))
    turned = [(274, "H", 1, 6, True)]
    tifffile.imwrite(path, first, photometric="miniswhite", extratags=turned)
    with pytest.raises(ValueError, match="its pages differ in size, orientation or numbers"):
        read_pixels(path, 10)
    deep = (first.astype(np.uint16) + 1) * 255
    tifffile.imwrite(path, deep.transpose(1, 2, 0), photometric="minisblack", planarconfig="contig")
    assert np.array_equal(read_pixels(path, 10), (deep / 65_535).astype(np.float32))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is neither a NumPy array nor a TIFF"),
        (b"\x89PNG\r\n\x1a\n", "it is neither a NumPy array nor a TIFF"),
        (b"\x93NUMPY\x01\x00\x08\x00{'a': (\n", "EOF"),
        (b"II*\0cut", ""),
        (b"PK\x03\x04", "it is neither"),
    ],
)
def test_damaged_files_are_refused_without_another_word(
    content: bytes, reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"Expected .*a\.npy to be a readable image of 10 bands: .*{reason}"):
        read_pixels(path, 10)
    with pytest.raises(ValueError, match="there is no such file"):
        read_pixels(tmp_path / "none.npy", 10)
    assert capfd.readouterr().err == ""


def test_a_photo_is_read_in_gray_as_pillow_makes_it(tmp_path: Path) -> None:
    colors = picture(0, (9, 12, 3))
    Image.fromarray(colors).save(tmp_path / "a.png")
    gray = np.asarray(Image.fromarray(colors).convert("L"))
    assert np.array_equal(decode(tmp_path / "a.png", "L")[..., 0], gray)
    # the weights of ITU-R 601, rounded
    np.testing.assert_allclose(gray, colors @ [0.299, 0.587, 0.114], atol=0.51)
    Image.fromarray(gray).save(tmp_path / "b.png")
    assert np.array_equal(decode(tmp_path / "b.png", "L")[..., 0], gray)
    assert np.array_equal(decode(tmp_path / "b.png"), gray[..., None].repeat(3, 2))
    deep = gray.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "c.png")
    assert np.array_equal(decode(tmp_path / "c.png", "L")[..., 0], gray)


def test_images_that_a_user_names_have_the_channels_asked_for(tmp_path: Path) -> None:
    Image.fromarray(picture(1)).save(tmp_path / "photo.png")
    np.save(tmp_path / "field.npy", field() / 255)
    tifffile.imwrite(tmp_path / "other.tiff", field(4), photometric="minisblack", planarconfig="contig")
    with pytest.warns(UserWarning, match="Left out 1 files beside the images"):
        assert [path.name for path in find_images([tmp_path])] == ["other.tiff", "photo.png"]
    with pytest.warns(UserWarning, match="Left out 1 files beside the images: 1 .png"):
        paths = find_images([str(tmp_path)], channels=10)
    assert [path.name for path in paths] == ["field.npy", "other.tiff"]
    assert find_images([str(tmp_path / "*.npy")], channels=10) == paths[:1]
    with pytest.warns(UserWarning, match=r"Left out 1 of 2 images\. Expected .*other\.tiff .* shape \(12, 16, 4\)"):
        found = read_images(paths, 12, channels=10)
    assert found.names == ["field"]
    expected = torch.from_numpy((field() / 255).astype(np.float32)).permute(2, 0, 1)[:, :, 2:14]
    assert torch.equal(found.images, expected[None])
    with pytest.raises(ValueError, match=r"other\.tiff to be a readable image of 10 bands"):
        read_images(paths, 12, strict=True, channels=10)
    gray = read_images([tmp_path / "photo.png"], 16, channels=1).images
    assert torch.equal(gray[0, 0], torch.from_numpy(decode(tmp_path / "photo.png", "L")[..., 0]) / 255)
    with pytest.raises(ValueError, match="Expected `channels` to be at least 1, got 0"):
        read_images(paths, 12, channels=0)


@pytest.mark.parametrize("channels", [1, 2, 10])
def test_every_channel_is_resized_and_augmented_as_if_it_were_alone(channels: int) -> None:
    stored = torch.from_numpy(picture(3, (channels, 40, 60)))
    for image in (stored, stored / 255):
        resized = resize_and_crop(image, 24)
        assert resized.shape == (channels, 24, 24)
        alone = torch.cat([resize_and_crop(band[None], 24) for band in image])
        torch.testing.assert_close(resized, alone, atol=0 if image.dtype == torch.uint8 else 1e-6, rtol=0)
    for size in (24, 80):
        image = torch.rand(channels, size, size, generator=torch.Generator().manual_seed(0))
        for seed in range(3):
            moved = augment({"image": image}, np.random.default_rng(seed), rotation=20)["image"]
            for band, found in zip(image, moved, strict=True):
                alone = augment({"image": band[None]}, np.random.default_rng(seed), rotation=20)["image"][0]
                torch.testing.assert_close(found, alone, atol=1e-6, rtol=0)
            assert not torch.equal(moved, image)


@pytest.mark.parametrize("channels", [1, 2, 10])
def test_arrays_of_any_channels_are_images(channels: int) -> None:
    stored = picture(0, (3, 12, 12, channels))
    images = ArrayImages(stored, np.array([0, 1, 0]))
    for number in range(3):
        assert torch.equal(images[number]["image"], torch.from_numpy(stored[number]).permute(2, 0, 1) / 255)
    if channels == 1:
        gray = ArrayImages(stored[..., 0], np.array([0, 1, 0]))
        assert torch.equal(gray[1]["image"], images[1]["image"])
    floats: Any = stored / 255
    assert torch.equal(ArrayImages(floats.astype(np.float32), np.array([0, 1, 0]))[1]["image"], images[1]["image"])
    with pytest.raises(TypeError, match=r"to hold uint8, or float32 in \[0, 1\], got float64"):
        ArrayImages(floats, np.array([0, 1, 0]))
    for wrong in (np.float32(1.5), np.float32(np.nan)):
        with pytest.raises(ValueError, match=r"floats in `images` to be in \[0, 1\]"):
            ArrayImages(floats.astype(np.float32) * wrong, np.array([0, 1, 0]))
    with pytest.raises(ValueError, match=r"shape \(n, H, W, C\) or \(n, H, W\), got \(3, 12\)"):
        ArrayImages(stored[..., 0, 0], np.array([0, 1, 0]))


def test_removed_pixels_have_a_color_of_as_many_channels() -> None:
    images = ArrayImages(picture(0, (1, 2, 2, 10)), np.array([0]))
    color, ranks = tuple(band / 10 for band in range(10)), np.array([[[2, 0], [1, 3]]])
    found = RemovedPixels(images, np.array([0]), ranks, 2, color)[0]["image"]
    for y, x, gone in ((0, 0, False), (0, 1, True), (1, 0, True), (1, 1, False)):
        assert torch.equal(found[:, y, x], torch.tensor(color) if gone else images[0]["image"][:, y, x])
    for wrong in ((0.5, 0.5, 0.5), (0.5,)):
        with pytest.raises(ValueError, match=rf"a number for each of 10 channels, got {len(wrong)}"):
            RemovedPixels(images, np.array([0]), ranks, 2, wrong)[0]


def make_folder(root: Path, kind: str) -> Path:
    for stage, count in (("train", 4), ("test", 2)):
        for label, name in enumerate(("field", "wood")):
            folder = root / stage / name
            folder.mkdir(parents=True)
            for number in range(count):
                seed = 100 * label + number + 1000 * (stage == "test")
                if kind == "photos":
                    Image.fromarray(picture(seed)).save(folder / f"{number}.png")
                else:
                    np.save(folder / f"{number}.npy", picture(seed, (16, 16, 10)) / np.float32(255))
    return root


def test_a_folder_of_photos_is_read_in_gray(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "photos", "photos")
    gray, colored = (ImageFolderDataModule(root, image_size=16, batch_size=4, channels=c) for c in (1, 3))
    batch = next(iter(gray.train_dataloader()))
    assert batch["image"].shape == (4, 1, 16, 16)
    path = root / "train" / "wood" / "2.png"
    assert torch.equal(gray.pool()[6]["image"][0], torch.from_numpy(decode(path, "L")[..., 0]) / 255)
    assert gray.fingerprint() != colored.fingerprint()
    # as it was before there was a choice, so that a run of earlier days goes on
    assert colored.fingerprint() == ImageFolderDataModule(root).fingerprint()
    assert "channels" not in vars(colored)
    assert vars(gray)["channels"] == gray.use_part(1).channels == 1


def test_a_folder_of_arrays_stays_on_disk_with_its_own_numbers(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "fields", "arrays")
    data = ImageFolderDataModule(root, image_size=16, batch_size=4, channels=10)
    assert data.class_names == ["field", "wood"]
    assert isinstance(data.pool(), FolderImages)
    assert torch.equal(data.pool()[5]["image"], torch.from_numpy(picture(101, (16, 16, 10))).permute(2, 0, 1) / 255)
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 10, 16, 16)
    np.save(root / "train" / "wood" / "bad.npy", field(4))
    Image.fromarray(picture(0)).save(root / "train" / "wood" / "photo.png")
    with pytest.warns(UserWarning, match="Left out") as said:
        again = ImageFolderDataModule(root, image_size=16, channels=10).pool()
    assert len(again) == 8
    assert any("Left out 1 of 9 images that cannot be read" in str(line.message) for line in said)
    assert any("Left out 1 files beside the images: 1 .png" in str(line.message) for line in said)
    with pytest.raises(ValueError, match="Expected `channels` to be at least 1, got 0"):
        ImageFolderDataModule(root, channels=0)
    with pytest.raises(ValueError, match=r"to hold images \(.*\.png.*\), got none: it holds 4 \.npy"):
        ImageFolderDataModule(root, image_size=16).pool()
    assert read_image(root / "test" / "wood" / "0.npy", 8, channels=10).shape == (10, 8, 8)
