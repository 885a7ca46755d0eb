import hashlib

import numpy as np
import pytest
import torch

from lightning_spx.data import SyntheticBirdsDataModule


def test_samples_keep_the_contract() -> None:
    birds = SyntheticBirdsDataModule(num_train=12, num_test=6, image_size=48)
    for images in (birds.pool(), birds.test()):
        for index in range(len(images)):
            sample = images[index]
            assert set(sample) == {"image", "label", "index", "mask"}
            assert sample["image"].shape == (3, 48, 48)
            assert sample["image"].dtype == torch.float32
            assert 0 <= sample["image"].min() < sample["image"].max() <= 1
            assert sample["mask"].shape == (48, 48)
            assert sample["mask"].dtype == torch.bool
            assert sample["label"].dtype == sample["index"].dtype == torch.int64
            assert sample["index"] == index
            assert sample["label"] == images.labels[index]


def test_an_image_depends_on_its_number_alone() -> None:
    few, many = SyntheticBirdsDataModule(num_train=6, num_test=6), SyntheticBirdsDataModule(num_train=30, num_test=12)
    for index in range(6):
        assert torch.equal(few.pool()[index]["image"], many.pool()[index]["image"])
        assert torch.equal(few.test()[index]["mask"], many.test()[index]["mask"])


def test_no_two_images_are_equal_and_test_images_are_others() -> None:
    birds = SyntheticBirdsDataModule(num_train=60, num_test=60)
    digests = {
        hashlib.sha256(sample["image"].numpy().tobytes()).digest()
        for images in (birds.pool(), birds.test())
        for sample in (images[index] for index in range(60))
    }
    assert len(digests) == 120


def test_another_data_seed_draws_other_birds() -> None:
    first = SyntheticBirdsDataModule(num_train=6, num_test=6).pool()[0]["image"]
    other = SyntheticBirdsDataModule(num_train=6, num_test=6, data_seed=1).pool()[0]["image"]
    assert not torch.equal(first, other)


def test_classes_are_balanced_and_named() -> None:
    birds = SyntheticBirdsDataModule(num_train=40, num_test=10, num_classes=10)
    assert np.bincount(birds.pool().labels).tolist() == [4] * 10
    assert len(set(birds.class_names)) == birds.num_classes == 10
    assert birds.class_names[:3] == ["red songbird", "red wader", "blue songbird"]


def test_the_fingerprint_follows_what_is_drawn_and_nothing_else() -> None:
    birds = SyntheticBirdsDataModule(num_train=60, num_test=60)
    assert (
        birds.fingerprint() == SyntheticBirdsDataModule(num_train=60, num_test=60, batch_size=7, seed=3).fingerprint()
    )
    for other in (
        SyntheticBirdsDataModule(num_train=61, num_test=60),
        SyntheticBirdsDataModule(num_train=60, num_test=61),
        SyntheticBirdsDataModule(num_train=60, num_test=60, num_classes=4),
        SyntheticBirdsDataModule(num_train=60, num_test=60, data_seed=1),
        SyntheticBirdsDataModule(num_train=60, num_test=60, image_size=33),
    ):
        assert other.fingerprint() != birds.fingerprint()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="`image_size` to be 32 to 256, got 300"):
        SyntheticBirdsDataModule(image_size=300)
    with pytest.raises(ValueError, match="`num_classes` to be 2 to 10, got 11"):
        SyntheticBirdsDataModule(num_classes=11)
    with pytest.raises(ValueError, match="`num_test` to be at least 6, one per class, got 5"):
        SyntheticBirdsDataModule(num_test=5)
    with pytest.raises(ValueError, match="`data_seed` to be at least 0, got -1"):
        SyntheticBirdsDataModule(data_seed=-1)
