import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from lightning_spx.data.transforms import augment


def position_sample(size: int) -> dict[str, Tensor]:
    """A sample whose pixels say where they came from, with a mask that follows from the image."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    return {"image": torch.stack([rows, columns, (rows > 0.5).float()]), "mask": rows > 0.5, "label": torch.tensor(3)}


@pytest.mark.parametrize("size", [8, 32, 64, 65, 224])
def test_image_and_mask_go_through_the_same_geometry(size: int) -> None:
    moved = [augment(position_sample(size), np.random.default_rng(seed)) for seed in range(20)]
    for sample in moved:
        assert sample["image"].shape == (3, size, size)
        assert sample["mask"].dtype == torch.bool
        # the third channel is the mask drawn as an image; resizing may blur it on the edge
        torch.testing.assert_close(sample["image"][2] >= 0.5, sample["mask"])
        assert sample["label"] == 3
    assert len({sample["image"].numpy().tobytes() for sample in moved}) >= 10


def test_a_small_image_is_shifted_by_up_to_an_eighth_and_flipped() -> None:
    sample = position_sample(32)
    padded = functional.pad(sample["image"], [4] * 4, padding_mode="reflect")
    allowed = {
        crop.numpy().tobytes()
        for top in range(9)
        for left in range(9)
        for crop in (padded[:, top : top + 32, left : left + 32], padded[:, top : top + 32, left : left + 32].flip(-1))
    }
    seen = {augment(sample, np.random.default_rng(seed))["image"].numpy().tobytes() for seed in range(1500)}
    # both extremes of both shifts are reached, and nothing else
    assert seen == allowed


def test_a_large_image_is_cropped_to_35_to_100_percent() -> None:
    sample = position_sample(128)
    areas = []
    for seed in range(200):
        rows, columns = augment(sample, np.random.default_rng(seed))["image"][:2]
        areas.append(float((rows.max() - rows.min()) * (columns.max() - columns.min())))
    assert 0.3 < min(areas) < 0.45
    assert 0.85 < max(areas) <= 1.0


def test_augmentation_depends_on_its_generator_alone() -> None:
    sample = position_sample(32)
    state = torch.get_rng_state()
    first = augment(sample, np.random.default_rng(7))["image"]
    torch.rand(3)
    np.random.default_rng().random()
    assert torch.equal(first, augment(sample, np.random.default_rng(7))["image"])
    torch.set_rng_state(state)


def test_augmentation_leaves_the_sample_as_it_was() -> None:
    sample = position_sample(32)
    augment(sample, np.random.default_rng(0))
    torch.testing.assert_close(sample["image"], position_sample(32)["image"])
