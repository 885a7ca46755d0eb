import numpy as np
import pytest
import torch

from lightning_spx.data import ArrayImages, RemovedPixels, SyntheticBirdsDataModule

GENERATOR = np.random.default_rng(0)
IMAGES = ArrayImages(GENERATOR.integers(1, 255, (3, 4, 4, 3), dtype=np.uint8), np.array([0, 1, 2]))
RANKS = np.stack([GENERATOR.permutation(16).reshape(4, 4) for _ in range(2)])
COLOUR = (0.25, 0.5, 0.75)


@pytest.mark.parametrize("keep", [False, True])
def test_the_first_pixels_go_or_stay(keep: bool) -> None:
    removed = RemovedPixels(IMAGES, RANKS, np.array([1, -1, 0]), 5, COLOUR, keep)
    for position, row in ((0, 1), (2, 0)):
        for y in range(4):
            for x in range(4):
                gone = RANKS[row, y, x] >= 11 if keep else RANKS[row, y, x] < 5
                expected = torch.tensor(COLOUR) if gone else IMAGES[position]["image"][:, y, x]
                assert torch.equal(removed[position]["image"][:, y, x], expected)
    assert torch.equal(removed[1]["image"], IMAGES[1]["image"])
    assert [int(removed[position]["label"]) for position in range(3)] == [0, 1, 2]


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="row of `ranks` for each of 3"):
        RemovedPixels(IMAGES, RANKS, np.array([0]), 5, COLOUR)
    with pytest.raises(ValueError, match="`count` to be 0 to 16, got 17"):
        RemovedPixels(IMAGES, RANKS, np.array([0, 1, 1]), 17, COLOUR)


def test_a_module_with_other_images_trains_on_them_and_leaves_its_source_alone() -> None:
    data = SyntheticBirdsDataModule(num_train=20, num_test=6, batch_size=10, augment=False)
    ranks = np.arange(1024).reshape(1, 32, 32)
    pool, test = (
        RemovedPixels(images, ranks, np.zeros(len(images), np.int64), 1024, COLOUR)
        for images in (data.pool(), data.test())
    )
    other = data.with_images(pool, test)
    batch = next(iter(other.train_dataloader()))
    assert torch.equal(batch["image"], torch.tensor(COLOUR)[:, None, None].expand_as(batch["image"]))
    assert not torch.equal(next(iter(data.train_dataloader()))["image"], batch["image"])
    assert torch.equal(other.test()[0]["label"], data.test()[0]["label"])
