"""Two sets of photos: every image of the larger set once an epoch, pairs that change, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from lightning_spx.data import UnpairedDataModule
from lightning_spx.data.training_loader import EpochSampler
from lightning_spx.data.unpaired import Pairs


def make_domains(root: Path, size: int = 16, counts: dict[str, int] | None = None) -> Path:
    """Write images, each of one gray level that is its own."""
    for number, (name, count) in enumerate(
        (counts or {"trainA": 6, "trainB": 4, "testA": 3, "testB": 2}).items(), start=1
    ):
        (root / name).mkdir(parents=True)
        for image in range(count):
            pixels = np.full((size, size, 3), 40 * number + image, np.uint8)
            Image.fromarray(pixels).save(root / name / f"{image}.png")
    return root


def unpaired(root: Path, **settings: object) -> UnpairedDataModule:
    common: dict[str, Any] = {"image_size": 16, "batch_size": 2}
    return UnpairedDataModule(root, **{**common, **settings})


def epoch_of(loader: DataLoader[dict[str, torch.Tensor]], epoch: int) -> list[tuple[int, int]]:
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    return [pair for batch in loader for pair in zip(batch["index_a"].tolist(), batch["index_b"].tolist(), strict=True)]


def test_an_epoch_has_the_larger_set_once_and_pairs_change(tmp_path: Path) -> None:
    loader = unpaired(make_domains(tmp_path)).train_dataloader()
    first, second = epoch_of(loader, 0), epoch_of(loader, 1)
    for pairs in (first, second):
        assert sorted(a for a, _ in pairs) == [0, 1, 2, 3, 4, 5]
        assert {b for _, b in pairs} == {6, 7, 8, 9}
        assert max(np.bincount([b for _, b in pairs])) == 2
    assert set(first) != set(second)
    assert epoch_of(unpaired(tmp_path).train_dataloader(), 1) == second


def test_pairs_hold_their_images(tmp_path: Path) -> None:
    batch = next(iter(unpaired(make_domains(tmp_path), augment=False).train_dataloader()))
    for number in range(2):
        assert float(batch["image_a"][number].mean() * 255) == pytest.approx(40 + int(batch["index_a"][number]))
        assert float(batch["image_b"][number].mean() * 255) == pytest.approx(80 + int(batch["index_b"][number]) - 6)


def test_evaluation_shows_each_image_at_most_once_in_order(tmp_path: Path) -> None:
    data = unpaired(make_domains(tmp_path))
    for loader in (data.val_dataloader(), data.test_dataloader(), data.predict_dataloader()):
        batches = list(loader)
        assert [batch["index_a"].tolist() for batch in batches] == [[0, 1]]
        assert [batch["index_b"].tolist() for batch in batches] == [[3, 4]]


def test_workers_give_the_same_images(tmp_path: Path) -> None:
    make_domains(tmp_path)
    alone, helped = (list(unpaired(tmp_path, num_workers=workers).train_dataloader()) for workers in (0, 2))
    for first, second in zip(alone, helped, strict=True):
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_disjoint_parts_have_their_share_of_both_sets(tmp_path: Path) -> None:
    data = unpaired(make_domains(tmp_path), plan="disjoint", num_parts=2)
    seen = [set(data.use_part(part).train_indices().tolist()) for part in range(2)]
    assert not seen[0] & seen[1]
    for own in seen:
        assert len([index for index in own if index < 6]) == 3
        assert len([index for index in own if index >= 6]) == 2


def test_sets_of_very_different_sizes_are_named_and_work(tmp_path: Path) -> None:
    counts = {"trainA": 25, "trainB": 2, "testA": 1, "testB": 9}
    data = unpaired(make_domains(tmp_path, counts=counts))
    with pytest.warns(UserWarning, match="25 and 2 training images: every image of B is shown about 12 times an epoch"):
        data.setup("fit")
    assert len(epoch_of(data.train_dataloader(), 0)) == 25


def test_an_empty_or_absent_set_is_refused(tmp_path: Path) -> None:
    make_domains(tmp_path)
    for path in (tmp_path / "trainB").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"Expected .*trainB to hold images"):
        unpaired(tmp_path).setup("fit")
    (tmp_path / "trainB").rmdir()
    with pytest.raises(FileNotFoundError, match=r"Expected images in .*trainB: `root` holds the folders trainA"):
        unpaired(tmp_path).setup("fit")
    with pytest.raises(ValueError, match="`image_size` to be divisible by 4, got 18"):
        unpaired(tmp_path, image_size=18)


def test_a_part_without_a_set_is_refused(tmp_path: Path) -> None:
    images = unpaired(make_domains(tmp_path)).pool()
    with pytest.raises(ValueError, match="at least one image of B in the part, got none"):
        Pairs(images, np.arange(3), (0,), training=True, augmented=False)
