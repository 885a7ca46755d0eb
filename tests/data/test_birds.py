"""Birds: the official layout, one geometry for photo and mask, the background, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.data import BirdsDataModule
from lightning_spx.data.bird_images import Background
from tests.data.bird_folder import BOX, SIZE, box_pixels, make_birds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_birds(tmp_path / "CUB")


def birds(root: Path, **settings: object) -> BirdsDataModule:
    common: dict[str, Any] = {
        "image_size": 24,
        "batch_size": 4,
        "plan": "all",
        "num_parts": 1,
        "val_fraction": 0.25,
        **settings,
    }
    return BirdsDataModule(root, **common)


def test_the_official_halves_and_the_species_that_are_there(root: Path) -> None:
    data = birds(root)
    with pytest.warns(UserWarning, match=r"6 of 18 photos are listed and absent, the first 003.Kite/0.jpg"):
        data.setup("fit")
    assert data.class_names == ["001.Jay", "002.Owl"]
    assert (len(data.pool()), len(data.test())) == (8, 4)
    assert np.array_equal(data.pool().labels, [0, 0, 0, 0, 1, 1, 1, 1])


def test_photo_and_mask_are_those_of_the_files(root: Path) -> None:
    sample = birds(root, background="keep", classes=["Owl"]).test()[0]
    photo = np.array(Image.open(root / "images" / "002.Owl" / "0.jpg"))[:, 4:28]
    assert np.array_equal((sample["image"] * 255).round().to(torch.uint8).permute(1, 2, 0), photo)
    assert np.array_equal(sample["mask"], box_pixels()[:, 4:28] > 0)


@pytest.mark.parametrize("background", ["black", "mean"])
@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader"])
def test_the_background_is_replaced_everywhere(root: Path, background: Background, loader: str) -> None:
    data = birds(root, background=background, classes=["1", "2"], rotation=30, image_size=96)
    kept = birds(root, background="keep", classes=["1", "2"], image_size=96)
    color = torch.zeros(3)
    if background == "mean":
        color = torch.stack([kept.pool()[number]["image"].mean((1, 2)) for number in range(8)]).mean(0)
    for batch in getattr(data, loader)():
        outside = ~batch["mask"]
        assert 0.1 < outside.float().mean() < 0.9
        values = batch["image"].permute(0, 2, 3, 1)[outside]
        assert torch.allclose(values, color.expand_as(values), atol=2e-3)
        assert batch["image"].permute(0, 2, 3, 1)[batch["mask"]].std() > 0.1


def test_augmentation_moves_photo_and_mask_alike(root: Path) -> None:
    # a photo that is its own mask
    for path in (root / "images").rglob("*.jpg"):
        Image.fromarray(np.repeat(box_pixels()[..., None], 3, 2)).save(path, quality=100, subsampling=0)
    data = birds(root, background="keep", classes=["Jay"], rotation=45, image_size=96)
    for batch in data.train_dataloader():
        agreement = (batch["image"].mean(1) >= 0.5) == batch["mask"]
        assert agreement.float().mean() > 0.97


def test_boxes_are_scaled_where_photos_were_resized(root: Path) -> None:
    for path in (root / "segmentations").rglob("*.png"):
        path.unlink()
    # the photos were twice as large
    boxes = [" ".join(map(str, [number, *(2 * value for value in BOX)])) for number in range(1, 19)]
    (root / "bounding_boxes.txt").write_text("\n".join(boxes))
    with pytest.raises(ValueError, match=r"inside its 32 x 24 pixels, got .*image_sizes.txt"):
        birds(root, classes=["Jay"], boxes_as_masks=True).pool()
    sizes = [f"{number} 64 48 32 24" for number in range(1, 19)]
    (root / "image_sizes.txt").write_text("\n".join(sizes))
    sample = birds(root, classes=["Jay"], boxes_as_masks=True).pool()[0]
    assert np.array_equal(sample["mask"], box_pixels()[:, 4:28] > 0)


def test_parts_share_no_photo_and_folds_are_a_partition(root: Path) -> None:
    data = birds(root, classes=["1", "2"], plan="disjoint", num_parts=2)
    parts = [set(data.use_part(part).split().train_indices(part).tolist()) for part in range(2)]
    assert not parts[0] & parts[1]
    folds = birds(root, classes=["1", "2"], plan="folds", num_parts=4)
    held = np.concatenate([folds.use_part(part).held_out() for part in range(4)])
    assert sorted(held.tolist()) == list(range(8))


def test_gray_and_rgba_photos_become_rgb(root: Path) -> None:
    gray, rgba = root / "images/001.Jay/1.jpg", root / "images/001.Jay/2.jpg"
    Image.fromarray(np.full(SIZE, 51, np.uint8)).save(gray)
    Image.fromarray(np.full((*SIZE, 4), (51, 102, 153, 255), np.uint8), "RGBA").save(rgba, format="PNG")
    pool = birds(root, background="keep", classes=["Jay"]).pool()
    assert torch.allclose(pool[0]["image"], torch.tensor(0.2), atol=0.01)
    assert torch.allclose(pool[1]["image"][:, 0, 0], torch.tensor([0.2, 0.4, 0.6]), atol=1e-6)


def test_a_damaged_photo_is_left_out_with_a_warning_or_refused(root: Path) -> None:
    path = root / "images/001.Jay/1.jpg"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match=r"Left out 1 of 4 photos that cannot be read.*1.jpg"):
        assert len(birds(root, classes=["Jay"]).pool()) == 3
    with pytest.raises(ValueError, match=r"Expected .*1.jpg to be a readable image"):
        birds(root, classes=["Jay"], strict=True).pool()


def test_missing_masks_and_masks_of_another_size_are_refused(root: Path) -> None:
    mask = root / "segmentations/001.Jay/1.png"
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(mask)
    with pytest.raises(ValueError, match="size of its photo, 32 x 24, got 6 x 5"):
        birds(root, classes=["Jay"]).pool()
    mask.unlink()
    with pytest.raises(FileNotFoundError, match=r"found none of 1 of 4, the first .*1.png. Set `boxes_as_masks`"):
        birds(root, classes=["Jay"]).pool()
    assert len(birds(root, classes=["Jay"], boxes_as_masks=True).pool()) == 4


def test_without_any_masks_whole_photos_can_be_kept(root: Path) -> None:
    for path in sorted((root / "segmentations").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (root / "segmentations").rmdir()
    assert "mask" not in birds(root, classes=["Jay"], background="keep").pool()[0]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("images.txt", "1\n", "a new number and 1 values in line 1 of .*images.txt, got '1'"),
        ("images.txt", "1 a.jpg\n1 b.jpg\n", "a new number and 1 values in line 2"),
        ("image_class_labels.txt", "1 1\n", "list the photos of images.txt, but only one of the two lists 2"),
        ("bounding_boxes.txt", None, ""),
    ],
)
def test_damaged_lists_are_refused_by_line(root: Path, file: str, content: str | None, said: str) -> None:
    if content is None:
        text = (root / file).read_text().replace("8.0", "eight", 1)
        content, said = text, "Expected numbers for photo 1 in .*bounding_boxes.txt, got 'eight"
    (root / file).write_text(content)
    with pytest.raises(ValueError, match=said):
        birds(root).pool()


def test_what_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"classes.txt, one of the files of CUB-200-2011: set `root`"):
        birds(root / "images").pool()
    with pytest.raises(ValueError, match=r"`classes` to name species of classes.txt, got Dodo"):
        birds(root, classes=["Jay", "Dodo"]).pool()
    with pytest.raises(FileNotFoundError, match="found none of 6 listed"):
        birds(root, classes=["Kite"]).pool()
    with pytest.raises(FileNotFoundError, match="6 of 18 photos are listed and absent"):
        birds(root, strict=True).pool()
    with pytest.raises(ValueError, match="`rotation` to be 0 to 45 degrees, got 90"):
        birds(root, rotation=90)


def test_the_fingerprint_changes_with_what_is_shown(root: Path) -> None:
    prints = {
        birds(root, classes=["1", "2"]).fingerprint(),
        birds(root, classes=["1", "2"], background="keep").fingerprint(),
        birds(root, classes=["1"]).fingerprint(),
        birds(root, classes=["1", "2"]).fingerprint(),
    }
    assert len(prints) == 3


@pytest.mark.real_data
def test_the_real_birds(real_data: Path) -> None:
    data = BirdsDataModule(real_data / "cub" / "CUB_200_2011", image_size=32, background="keep")
    with pytest.warns(UserWarning, match="10325 of 11788 photos are listed and absent"):
        data.setup("fit")
    assert (data.num_classes, len(data.pool()), len(data.test())) == (30, 752, 711)
    share = torch.stack([data.test()[number]["mask"].float().mean() for number in range(0, 700, 50)])
    assert 0.05 < float(share.mean()) < 0.6
