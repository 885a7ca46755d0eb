"""Drawn birds: one mask of a sensible size, exactly where the color of the class is."""

import numpy as np
import pytest
from scipy.ndimage import label as connected_components

from lightning_spx.data.bird_drawing import HUES, SHAPES, draw_bird


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
