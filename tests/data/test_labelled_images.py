"""Labeled images in memory."""

import numpy as np
import pytest
import torch

from lightning_spx.data import ArrayImages


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
