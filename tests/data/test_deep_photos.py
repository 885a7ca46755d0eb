"""Photos of more than 8 bits keep their levels from the file to the batch, with a window of numbers or percentiles."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.cli import main
from lightning_spx.data import ArrayImages, ImageFolderDataModule, held_pixels
from lightning_spx.data.folder_images import FolderImages
from lightning_spx.data.found_images import is_image
from lightning_spx.data.held_pixels import HeldPixels
from lightning_spx.data.photos import find_images, read_images
from lightning_spx.data.training_window import training_window
from lightning_spx.formats import Percentiles
from tests.command_line import Captured

SIDE = 64
# every number of 12 bits once
RAMP: NDArray[np.uint16] = np.arange(4096, dtype=np.uint16).reshape(SIDE, SIDE)


def folder(root: Path, ending: str = ".tif", images: int = 2) -> Path:
    """Two classes of ramps, of which those of the second are turned round."""
    for stage in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            place = root / stage / name
            place.mkdir(parents=True)
            for number in range(images):
                pixels = np.roll(RAMP[:, :: 1 - 2 * label], number, axis=0)
                if ending == ".tif":
                    tifffile.imwrite(place / f"{number}.tif", pixels, photometric="minisblack")
                else:
                    Image.fromarray(pixels).save(place / f"{number}{ending}")
    return root


@pytest.mark.parametrize("ending", [".tif", ".png"])
@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_ramp_of_4096_levels_enters_the_network_as_4096(
    ending: str, on_disk: bool, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_disk:
        monkeypatch.setattr(held_pixels, "IN_MEMORY_BYTES", 0)
    data = ImageFolderDataModule(
        folder(tmp_path, ending), image_size=SIDE, batch_size=2, channels=channels, window=(0, 4095), val_fraction=0.0
    )
    assert isinstance(data.pool(), FolderImages if on_disk else ArrayImages)
    levels = torch.from_numpy((np.arange(4096) / 4095).astype(np.float32))
    for batch in data.test_dataloader():
        for image in batch["image"]:
            assert image.shape == (channels, SIDE, SIDE)
            assert all(torch.equal(band.unique(), levels) for band in image)
    expected = torch.from_numpy((RAMP / 4095).astype(np.float32))
    assert torch.equal(data.test()[0]["image"], expected.expand(channels, SIDE, SIDE))
    # a crop after a shift has some rows twice and lacks others, and every number is one of the file's
    for batch in data.train_dataloader():
        for image in batch["image"]:
            assert torch.isin(image, levels).all()
            assert len(image.unique()) > 48 * 48


def test_without_a_window_12_bits_are_refused_and_not_dark(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cat/0\.tif .*to 4095, nearly all in a quarter.* give `window`"):
        ImageFolderDataModule(folder(tmp_path), image_size=SIDE).pool()


def test_photos_of_8_and_of_16_bits_are_held_together(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for number, path in enumerate(sorted((root / "train").rglob("*.tif"))):
        deep = number % 2
        tifffile.imwrite(path, RAMP * 16 if deep else (RAMP // 16).astype(np.uint8), photometric="minisblack")
    pool = ImageFolderDataModule(root, image_size=SIDE).pool()
    assert isinstance(pool, ArrayImages)
    for number in range(4):
        expected = RAMP * 16 / 65_535 if number % 2 else RAMP // 16 / 255
        assert torch.equal(pool[number]["image"][0], torch.from_numpy(expected.astype(np.float32)))


def test_the_limit_of_memory_counts_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_pixels, "IN_MEMORY_BYTES", 2 * 8 * 8 * 3)
    held = HeldPixels(2, 8, 3)
    held.put(0, np.zeros((8, 8, 3), np.uint8))
    assert isinstance(held.pixels, np.ndarray)
    other = HeldPixels(2, 8, 3)
    other.put(1, np.zeros((8, 8, 3), np.float32))
    assert other.pixels is None
    assert HeldPixels(3, 8, 3).pixels is None
    assert HeldPixels(1, 8, 2).pixels is None


def test_percentiles_over_training_are_measured_once_on_training_images(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for path in sorted((root / "test").rglob("*.tif")):
        tifffile.imwrite(path, RAMP + np.uint16(10_000), photometric="minisblack")
    data = ImageFolderDataModule(root, image_size=SIDE, channels=1, window=Percentiles(10, 90, over="training"))
    window = data.window_in_use()
    assert window == tuple(float(each) for each in np.percentile(np.tile(RAMP, 4), (10, 90)))
    other = data.use_part(1)
    assert other.window_in_use() is window
    again = ImageFolderDataModule(root, image_size=SIDE, channels=1, window=data.window)
    assert again.window_in_use() == window
    assert again.fingerprint() == data.fingerprint()
    assert data.test()[0]["image"].min() == 1
    pool = data.pool()[0]["image"]
    share = (RAMP.astype(np.float64) - window[0]) / (window[1] - window[0])
    torch.testing.assert_close(pool[0], torch.from_numpy(np.clip(share, 0, 1)).float(), rtol=0, atol=1e-7)


def test_percentiles_of_large_files_are_near_those_of_all_their_numbers(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    # a column and a color that an even step would meet alone
    pixels = generator.normal(30_000, 4_000, (512, 512, 3))
    pixels[:, ::4] += 9_000
    pixels[..., 0] -= 5_000
    tifffile.imwrite(tmp_path / "a.tif", pixels.astype(np.uint16), photometric="rgb")
    found = training_window([tmp_path / "a.tif"], Percentiles(1, 99))
    np.testing.assert_allclose(found, np.percentile(pixels, (1, 99)), atol=250)


def test_only_a_window_changes_the_fingerprint(tmp_path: Path) -> None:
    root = folder(tmp_path)
    plain = ImageFolderDataModule(root)
    assert "window" not in vars(plain)
    prints = {
        ImageFolderDataModule(root, window=window).fingerprint()
        for window in ((0, 4095), (0, 4096), Percentiles(), Percentiles(over="training"))
    }
    assert len(prints | {plain.fingerprint()}) == 5
    assert ImageFolderDataModule(root, window=(0, 4095)).fingerprint() in prints
    with pytest.raises(ValueError, match="low below high, got 5 and 5"):
        ImageFolderDataModule(root, window=(5, 5))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--data.window=[0,4095]"], [0.0, 4095.0]),
        (["--data.window={low: 1, high: 98, over: training}"], {"low": 1.0, "high": 98.0, "over": "training"}),
        ([], None),
    ],
)
def test_a_window_is_a_setting(words: list[str], expected: object, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as end:
        main(["stability", "--data=ImageFolderDataModule", "--data.root=here", *words, "--print_config"])
    assert not end.value.code
    found = yaml.safe_load(capsys.readouterr().out)["data"]["init_args"]["window"]
    assert (found.get("init_args", found) if isinstance(found, dict) else found) == expected


def test_photos_that_a_user_names_have_a_window(tmp_path: Path) -> None:
    path = folder(tmp_path) / "test" / "cat" / "0.tif"
    images = read_images([path], SIDE, window=(0, 4095)).images
    assert len(set(images.flatten().tolist())) == 4096
    with pytest.raises(TypeError, match="percentiles over training"):
        read_images([path], SIDE, window=Percentiles(over="training"))


def test_files_of_scanners_are_found_by_ending_or_content(tmp_path: Path) -> None:
    dicom = bytes(128) + b"DICM"
    for name in ("a.dcm", "b.nii", "c.NII.GZ", "d.jp2", "e.j2k", "f.gz", "g.npy"):
        (tmp_path / name).touch()
    for name in ("IM0001", "1.2.840.10008", "scan.0001", "DICOMDIR", "notes.txt"):
        (tmp_path / name).write_bytes(dicom)
    (tmp_path / "j").write_bytes(b"\xff\x4f\xff\x51")
    (tmp_path / "other.0001").write_bytes(b"II*\0")
    found = {path.name for path in tmp_path.iterdir() if is_image(path)}
    scans = {"a.dcm", "b.nii", "c.NII.GZ", "d.jp2", "e.j2k", "IM0001", "1.2.840.10008", "scan.0001", "j"}
    assert found == scans
    with pytest.warns(UserWarning, match="Left out 5 files"):
        assert {path.name for path in find_images([tmp_path])} == scans
