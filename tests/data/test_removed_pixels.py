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
    removed = RemovedPixels(IMAGES, np.array([2, 0]), RANKS, 5, COLOUR, keep)
    for row, position in enumerate((2, 0)):
        for y in range(4):
            for x in range(4):
                gone = RANKS[row, y, x] >= 11 if keep else RANKS[row, y, x] < 5
                expected = torch.tensor(COLOUR) if gone else IMAGES[position]["image"][:, y, x]
                assert torch.equal(removed[row]["image"][:, y, x], expected)
    assert [int(sample["label"]) for sample in (removed[0], removed[1])] == [2, 0]
    assert len(removed) == 2


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="`ranks` of each of 1"):
        RemovedPixels(IMAGES, np.array([0]), RANKS, 5, COLOUR)
    with pytest.raises(ValueError, match="`count` to be 0 to 16, got 17"):
        RemovedPixels(IMAGES, np.array([0, 1]), RANKS, 17, COLOUR)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_module_with_other_images_trains_on_all_of_them_and_leaves_its_source_alone(seed: int) -> None:
    data = SyntheticBirdsDataModule(num_train=40, num_test=6, batch_size=5, augment=False, val_fraction=0.25)
    own = np.union1d(data.train_indices(), data.validation_indices())
    ranks = np.broadcast_to(np.arange(1024).reshape(1, 32, 32), (len(own), 32, 32))
    other = data.with_images(
        RemovedPixels(data.pool(), own, ranks, 1024, COLOUR),
        RemovedPixels(data.test(), np.arange(6), ranks[:6], 1024, COLOUR),
        seed,
    )
    assert len(own) == 20
    loaders = (other.train_dataloader(), other.val_dataloader(), other.test_dataloader())
    images = [torch.cat([batch["image"] for batch in loader]) for loader in loaders]
    assert [len(each) for each in images] == [15, 5, 6]
    for each in images:
        assert torch.equal(each, torch.tensor(COLOUR)[:, None, None].expand_as(each))
    assert not (next(iter(data.train_dataloader()))["image"] == 0.25).all()
    assert data.plan == "disjoint"
