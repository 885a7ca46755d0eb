"""Masks of photos of birds."""

import numpy as np

from lightning_spx.data.bird_images import box_mask
from tests.data.bird_folder import BOX, SIZE, box_pixels


def test_a_box_mask_covers_its_pixels() -> None:
    assert np.array_equal(box_mask(BOX, False, SIZE, "a"), box_pixels() / 255)
