"""Folders of images: what is meant as one is used, and the rest is counted."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_spx.data import ImageFolderDataModule, UnpairedDataModule
from lightning_spx.data.photos import find_images


def write(path: Path, file_format: str = "JPEG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), 99, np.uint8)).save(path, file_format)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of 2 training and 1 test images."""
    for name in ("jay", "owl"):
        for file in ("train/{}/1.jpg", "train/{}/2.jpg", "val/{}/1.jpg"):
            write(tmp_path / "birds" / file.format(name))
    return tmp_path / "birds"


def folder_data(root: Path) -> ImageFolderDataModule:
    return ImageFolderDataModule(root, image_size=8, plan="all", num_parts=1)


@pytest.mark.parametrize("name", ["3.jfif", "3.jpe", "3.JPG", "3", "3.pnm"])
def test_an_image_is_used_whatever_its_ending(name: str, root: Path) -> None:
    write(root / "train/jay" / name, "PPM" if name.endswith("pnm") else "JPEG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder_data(root).pool().labels.tolist() == [0, 0, 0, 1, 1]
    assert len(find_images([root / "train/jay"])) == 3
    assert len(find_images([str(root / "train/jay/*")])) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jay/more/3.jpg", "1 files beside the images: 1 .jpg in folders below. The first is .*jay/more"),
        ("jay/more/deep/3", "1 files beside the images: 1 without an ending in folders below"),
        ("jay/3.heic", "1 files beside the images: 1 .heic"),
        ("jay/3.txt", "1 files beside the images: 1 .txt"),
        ("jay/3.jpg.bak", "1 files beside the images: 1 .bak"),
        ("3.jpg", "1 files beside the images: 1 .jpg. The first is .*train/3.jpg"),
    ],
)
def test_what_is_left_out_is_counted(name: str, said: str, root: Path) -> None:
    write(root / "train" / name)
    with pytest.warns(UserWarning, match=f"^Left out {said}"):
        assert len(folder_data(root).pool()) == 4


def test_all_that_is_left_out_is_one_warning(root: Path) -> None:
    for name in ("jay/3.heic", "jay/4.heic", "owl/more/3.jpg"):
        write(root / "train" / name)
    with pytest.warns(UserWarning, match=r"3 files beside the images: 2 \.heic, 1 \.jpg in folders below\.") as said:
        folder_data(root).pool()
    assert len(said) == 1


def test_what_no_one_put_there_makes_no_noise(root: Path) -> None:
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", ".cache/1.jpg", "notes/readme.txt"):
        path = root / "train/jay" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff")
    (root / "train/.DS_Store").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(folder_data(root).pool()) == 4
        assert len(find_images([root / "train/jay"])) == 2


def test_unpaired_sets_count_what_they_leave_out(tmp_path: Path) -> None:
    for name in ("trainA/1.jpg", "trainB/1", "testA/1.jpg", "testB/1.jpg", "trainB/more/2.jpg"):
        write(tmp_path / name)
    data = UnpairedDataModule(tmp_path, image_size=8)
    with pytest.warns(UserWarning, match=r"1 files beside the images: 1 \.jpg in folders below"):
        assert data.pool().labels.tolist() == [0, 1]
    shutil.rmtree(tmp_path / "testB")
    with pytest.raises(FileNotFoundError, match="here it holds the folders testA, trainA, trainB"):
        data.test()


def test_places_on_the_command_line_count_what_they_leave_out(root: Path) -> None:
    write(root / "train/jay/3.heic")
    for place in (root / "train/jay", root / "train/jay/*"):
        with pytest.warns(UserWarning, match=r"1 files beside the images: 1 \.heic"):
            assert len(find_images([str(place)])) == 2
    with pytest.raises(FileNotFoundError, match=r"a folder without images at .*train, it holds the folders jay, owl"):
        find_images([root / "train"])


def test_a_flat_test_beside_a_good_val_is_passed_over_in_a_line(root: Path) -> None:
    write(root / "test/1.jpg")
    data = folder_data(root)
    with pytest.warns(UserWarning, match=r"val is the test: .*test has no folders of classes, it holds 1 \.jpg\."):
        assert data.test().labels.tolist() == [0, 1]
    before = data.fingerprint()
    shutil.rmtree(root / "test")
    assert folder_data(root).fingerprint() == before


def test_a_test_of_other_classes_beside_a_val_names_both(root: Path) -> None:
    write(root / "test/unknown/1.jpg")
    with pytest.raises(ValueError, match=r"got \['unknown'\], or remove it and .*val is the test"):
        folder_data(root).test()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("train", "Train", "Train `train`. .* holds the folders Train, val"),
        ("val", "validation", "birds holds the folders train, validation"),
    ],
)
def test_a_folder_of_another_name_is_named(old: str, new: str, said: str, root: Path) -> None:
    (root / old).rename(root / new)
    with pytest.raises(FileNotFoundError, match=said):
        folder_data(root).setup("fit")


def test_images_without_folders_of_classes_are_named(root: Path) -> None:
    for name in ("jay", "owl"):
        shutil.rmtree(root / "train" / name)
    write(root / "train/1.jpg")
    with pytest.raises(ValueError, match=r"one folder per class, got none: it holds 1 \.jpg\."):
        folder_data(root).pool()
