"""Backgrounds of drawn birds."""

import numpy as np

from lightning_spx.data.bird_background import background


def test_backgrounds_are_in_range_and_differ() -> None:
    pictures = [background(32, np.random.default_rng(seed)) for seed in range(20)]
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 20
