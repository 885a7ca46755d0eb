import hashlib

import numpy as np
import pytest
import torch
from scipy.ndimage import label as connected_components

from lightning_spx.data import ArrayImages, SyntheticBirdsDataModule
from lightning_spx.data.bird_background import background
from lightning_spx.data.bird_drawing import HUES, SHAPES, draw_bird
from lightning_spx.data.bird_parts import ellipse, limb


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


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("size", "share"), [(32, 0.8), (128, 1.0)])
def test_the_mask_is_one_bird_of_sensible_size(shape: str, size: int, share: float) -> None:
    for seed in range(20):
        _, mask = draw_bird(shape, "red", size, np.random.default_rng(seed))
        pieces, _ = connected_components(mask, structure=np.ones((3, 3)))
        largest = np.bincount(pieces.ravel())[1:].max()
        # at 32 px legs are thinner than a pixel and may come off
        assert largest >= share * mask.sum()
        assert 0.02 < mask.mean() < 0.5


def test_the_mask_is_exactly_where_the_color_matters() -> None:
    # the same bird and background in another color: what changes lies inside the mask, up to its soft edge
    for seed in range(10):
        red, mask = draw_bird("songbird", "red", 64, np.random.default_rng(seed))
        blue, blue_mask = draw_bird("songbird", "blue", 64, np.random.default_rng(seed))
        np.testing.assert_array_equal(mask, blue_mask)
        changed = np.abs(red.astype(int) - blue.astype(int)).max(axis=-1) > 0
        near = mask.copy()
        near[1:] |= mask[:-1]
        near[:-1] |= mask[1:]
        near[:, 1:] |= mask[:, :-1]
        near[:, :-1] |= mask[:, 1:]
        assert not (changed & ~near).any()
        assert changed[mask].mean() > 0.5


@pytest.mark.parametrize("color", HUES)
def test_the_bird_has_the_hue_of_its_class(color: str) -> None:
    # mean of the plumage over many birds: the strongest channel(s) are those of the color's name
    strongest = {"red": "r", "blue": "b", "yellow": "rg", "green": "g", "purple": "rb"}[color]
    pixels = [
        image[mask].mean(axis=0)
        for image, mask in (draw_bird("songbird", color, 32, np.random.default_rng(seed)) for seed in range(20))
    ]
    means = dict(zip("rgb", np.mean(pixels, axis=0), strict=True))
    assert min(means[name] for name in strongest) > max(means[name] for name in "rgb" if name not in strongest)


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


def test_backgrounds_are_in_range_and_differ() -> None:
    pictures = [background(32, np.random.default_rng(seed)) for seed in range(20)]
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 20


def test_the_distance_to_a_circle_is_exact() -> None:
    x, y = np.random.default_rng(0).uniform(-3, 3, (2, 100))
    distance = ellipse(x, y, center=(0.5, -1.0), radii=(1.5, 1.5), angle=0.7)
    np.testing.assert_allclose(distance, np.hypot(x - 0.5, y + 1) - 1.5, atol=1e-9)


def test_the_sign_of_the_distance_to_a_turned_ellipse_is_exact() -> None:
    x, y = np.random.default_rng(0).uniform(-3, 3, (2, 1000))
    turned = (x + 1j * y) * np.exp(-0.4j)
    inside = (turned.real / 2) ** 2 + (turned.imag / 0.7) ** 2 < 1
    np.testing.assert_array_equal(ellipse(x, y, (0, 0), (2.0, 0.7), angle=0.4) < 0, inside)


def test_the_distance_to_a_limb_of_one_width_is_that_to_its_line() -> None:
    x, y = np.random.default_rng(0).uniform(-3, 3, (2, 200))
    line = np.linspace((-1.0, 0.5), (2.0, -0.5), 20001)
    expected = [np.hypot(line[:, 0] - a, line[:, 1] - b).min() - 0.2 for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(limb(x, y, (-1.0, 0.5), (2.0, -0.5), (0.2, 0.2)), expected, atol=1e-6)


def test_images_and_labels_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match="a label and a mask for each of 2 images, got 3 labels"):
        ArrayImages(np.zeros((2, 8, 8, 3), np.uint8), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="a label and a mask for each of 2 images, got 2 labels and 1 masks"):
        ArrayImages(np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int64), np.zeros((1, 8, 8), np.bool_))


def test_a_position_may_count_from_the_end_but_not_beyond_it() -> None:
    images = ArrayImages(np.zeros((3, 8, 8, 3), np.uint8), np.array([4, 5, 6]))
    assert images[-1]["index"] == 2
    assert images[-1]["label"] == 6
    assert [int(images[number]["label"]) for number in range(3)] == [4, 5, 6]
    with pytest.raises(IndexError):
        images[3]


def test_images_in_memory_are_resized_with_their_masks() -> None:
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    pixels[:, :, 4:] = 255
    images = ArrayImages(pixels, np.zeros(1, np.int64), pixels[..., 0] > 0, image_size=16)
    sample = images[0]
    assert sample["image"].shape == (3, 16, 16)
    torch.testing.assert_close(sample["image"][0] >= 0.5, sample["mask"])
    assert sample["mask"].float().mean() == 0.5
