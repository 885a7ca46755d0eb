import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.data import ImageFolderDataModule, held_pixels
from lightning_spx.data.folder_images import FolderImages
from tests.data.picture import picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of 6 training and 2 test images of 16 px."""
    for stage, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            folder = tmp_path / "pets" / stage / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(picture(100 * label + number + 1000 * (stage == "test"))).save(folder / f"{number}.png")
    return tmp_path / "pets"


def folder_data(
    root: Path, *, strict: bool = False, verify: bool = True, image_size: int = 16, val_fraction: float = 0.0
) -> ImageFolderDataModule:
    return ImageFolderDataModule(
        root, strict=strict, verify=verify, image_size=image_size, batch_size=4, val_fraction=val_fraction
    )


def test_pixels_and_labels_are_those_of_the_files(root: Path) -> None:
    data = folder_data(root)
    assert data.class_names == ["cat", "dog"]
    assert data.pool().labels.tolist() == [0] * 6 + [1] * 6
    assert data.test().labels.tolist() == [0, 0, 1, 1]
    expected = torch.from_numpy(picture(103)).permute(2, 0, 1).float() / 255
    torch.testing.assert_close(data.pool()[9]["image"], expected, rtol=0, atol=0)
    assert data.name == "pets"


def test_images_on_disk_equal_those_in_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "train" / "cat" / "bad.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="Left out 1 of 13"):
        in_memory = folder_data(root).pool()
    monkeypatch.setattr(held_pixels, "IN_MEMORY_BYTES", 0)
    with pytest.warns(UserWarning, match="Left out 1 of 13"):
        on_disk = folder_data(root).pool()
    assert isinstance(on_disk, FolderImages)
    assert on_disk.labels.tolist() == in_memory.labels.tolist() == [0] * 6 + [1] * 6
    for index in range(12):
        assert torch.equal(on_disk[index]["image"], in_memory[index]["image"])


def test_without_a_test_folder_val_is_the_test(root: Path) -> None:
    (root / "test").rename(root / "val")
    assert len(folder_data(root).test()) == 4
    shutil.copytree(root / "val" / "cat", root / "test" / "cat")
    assert len(folder_data(root).test()) == 2


def test_missing_folders_are_named(root: Path) -> None:
    (root / "test").rename(root / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"test images in .*test/<class>/ or .*val/<class>/"):
        folder_data(root).setup("fit")
    (root / "train").rename(root / "Training")
    with pytest.raises(FileNotFoundError, match=r"train/<class>/: name .*Training `train`\. .* holds the folders"):
        folder_data(root).pool()
    with pytest.raises(FileNotFoundError, match=r"training images in .*train/<class>/: set `root` to the folder above"):
        folder_data(root / "Training").pool()


def test_a_folder_without_classes_is_named(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train" / ".cache").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"train to hold one folder per class, got none"):
        folder_data(root).pool()


def test_an_empty_class_is_named(root: Path) -> None:
    (root / "train" / "emu").mkdir()
    (root / "train" / "emu" / "notes.txt").write_text("none yet")
    with pytest.raises(ValueError, match=r"train/emu to hold images"):
        folder_data(root).pool()


def test_a_class_of_the_test_that_is_not_trained_on_is_named(root: Path) -> None:
    (root / "test" / "dog").rename(root / "test" / "wolf")
    with pytest.raises(ValueError, match=r"every class in .*test to be one of .*train, got \['wolf'\]"):
        folder_data(root).test()


def test_a_class_without_test_images_keeps_its_label(root: Path) -> None:
    shutil.rmtree(root / "test" / "cat")
    assert folder_data(root).test().labels.tolist() == [1, 1]


def test_an_unreadable_image_is_left_out_and_counted(root: Path) -> None:
    (root / "train" / "cat" / "2.png").write_bytes(b"no image")
    whole = (root / "train" / "dog" / "4.png").read_bytes()
    (root / "train" / "dog" / "4.png").write_bytes(whole[: len(whole) // 2])
    data = folder_data(root)
    with pytest.warns(UserWarning, match=r"Left out 2 of 12 images that cannot be read\. .*cat/2\.png"):
        pool = data.pool()
    assert pool.labels.tolist() == [0] * 5 + [1] * 5
    used = np.sort(np.concatenate([data.use_part(part).train_indices() for part in (0, 1)]))
    np.testing.assert_array_equal(used, np.arange(10))
    torch.testing.assert_close(pool[2]["image"], torch.from_numpy(picture(3)).permute(2, 0, 1).float() / 255)


def test_an_unreadable_image_is_refused_if_strict(root: Path) -> None:
    (root / "test" / "cat" / "1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"test/cat/1\.png to be a readable image"):
        folder_data(root, strict=True).setup("fit")


def test_a_class_whose_images_are_all_unreadable_is_named(root: Path) -> None:
    for path in (root / "train" / "cat").iterdir():
        path.write_bytes(b"no image")
    with (
        pytest.warns(UserWarning, match="Left out 6 of 12"),
        pytest.raises(ValueError, match=r"train/cat to hold a readable image, got 6 damaged ones"),
    ):
        folder_data(root).pool()


def test_unverified_images_are_read_only_when_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_pixels, "IN_MEMORY_BYTES", 0)
    (root / "train" / "cat" / "2.png").write_bytes(b"no image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pool = folder_data(root, verify=False).pool()
    assert len(pool) == 12
    with pytest.raises(ValueError, match=r"cat/2\.png to be a readable image"):
        pool[2]


def test_the_fingerprint_follows_names_sizes_and_classes(root: Path) -> None:
    before = folder_data(root).fingerprint()
    assert folder_data(root, image_size=32).fingerprint() == before
    (root / "train" / "cat" / "0.png").rename(root / "train" / "dog" / "9.png")
    moved = folder_data(root).fingerprint()
    Image.fromarray(picture(5, (18, 18, 3))).save(root / "train" / "dog" / "9.png")
    assert len({before, moved, folder_data(root).fingerprint()}) == 3


@pytest.mark.real_data
def test_cifar_as_files_gives_balanced_parts(real_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(real_data / "cifar10" / "CIFAR-10-images.zip") as archive:
        # the first 20 files of each class of both stages
        members = [name for name in archive.namelist() if name.endswith(tuple(f"/{n:04}.jpg" for n in range(20)))]
        archive.extractall(tmp_path / "cifar", members)
    data = ImageFolderDataModule(tmp_path / "cifar", strict=True, image_size=32, num_parts=4, val_fraction=0.0)
    data.setup("fit")
    assert data.class_names[:3] == ["airplane", "automobile", "bird"]
    assert np.bincount(data.pool().labels).tolist() == [20] * 10
    assert np.bincount(data.pool().labels[data.use_part(3).train_indices()]).tolist() == [5] * 10
    first = np.array(Image.open(tmp_path / "cifar" / "train" / "airplane" / "0000.jpg"))
    assert torch.equal(data.pool()[0]["image"], torch.from_numpy(first).permute(2, 0, 1).float() / 255)
