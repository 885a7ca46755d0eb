import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lightning_spx.data import CIFAR10DataModule

NUM_PER_FILE = 20


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, NDArray[np.uint8], list[int]]:
    """A folder in the official format, with images of our own, so that its checksums cannot be the official ones."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file())
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    generator = np.random.default_rng(0)
    rows, labels = [], []
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        data = generator.integers(0, 256, (NUM_PER_FILE, 3072), dtype=np.uint8)
        names = (np.arange(NUM_PER_FILE) % 10).tolist()
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": names}))
        rows.append(data)
        labels += names
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    return tmp_path, np.concatenate(rows), labels


def test_images_and_labels_are_those_of_the_batches(batches: tuple[Path, NDArray[np.uint8], list[int]]) -> None:
    root, rows, labels = batches
    data = CIFAR10DataModule(root)
    assert len(data.pool()) == 5 * NUM_PER_FILE
    assert data.pool().labels.tolist() == labels[:100]
    assert data.test().labels.tolist() == labels[100:]
    # the official row: 1024 red, 1024 green, 1024 blue values, row by row
    expected = torch.from_numpy(rows[37].reshape(3, 32, 32)).float() / 255
    torch.testing.assert_close(data.pool()[37]["image"], expected, rtol=0, atol=0)
    assert data.num_classes == 10
    assert data.name == "CIFAR10"


def test_another_size_resizes(batches: tuple[Path, NDArray[np.uint8], list[int]]) -> None:
    assert CIFAR10DataModule(batches[0], image_size=48).test()[0]["image"].shape == (3, 48, 48)


def test_parts_are_stratified(batches: tuple[Path, NDArray[np.uint8], list[int]]) -> None:
    data = CIFAR10DataModule(batches[0], num_parts=5, val_fraction=0.0)
    assert np.bincount(data.pool().labels[data.train_indices()]).tolist() == [2] * 10


def test_missing_batches_name_the_folder_and_the_next_step(tmp_path: Path) -> None:
    message = r"Expected the batches of CIFAR-10, .* in .*cifar-10-batches-py: set `download: true`, or unpack"
    data = CIFAR10DataModule(tmp_path)
    data.prepare_data()
    with pytest.raises(FileNotFoundError, match=message):
        data.pool()


def test_changed_batches_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "batches.meta"):
        (folder / name).write_bytes(b"no batch")
    with pytest.raises(FileNotFoundError, match="complete and unchanged"):
        CIFAR10DataModule(tmp_path).test()


def test_a_download_is_asked_for_only_if_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(
        "torchvision.datasets.cifar.download_and_extract_archive", lambda url, *_, **__: fetched.append(url)
    )
    with pytest.raises(FileNotFoundError):
        CIFAR10DataModule(tmp_path).pool()
    assert fetched == []
    with pytest.raises(FileNotFoundError):
        CIFAR10DataModule(tmp_path, download=True).prepare_data()
    assert fetched == ["https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"]


def test_the_fingerprint_is_that_of_the_official_files(tmp_path: Path) -> None:
    assert CIFAR10DataModule(tmp_path).fingerprint() == CIFAR10DataModule(tmp_path / "elsewhere", seed=4).fingerprint()
