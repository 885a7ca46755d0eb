"""The null maps beside a study's own, and the floor and the excess that follow from them."""

import numpy as np
import pytest
import torch

from lightning_spx.evaluation.statistics.floors import Draws, permute_pixels


def test_permuted_pixels_keep_their_values_and_channels_together() -> None:
    attribution = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    permuted = permute_pixels(attribution, [3, 9], model=0, seed=0)
    for before, after in zip(attribution.flatten(2), permuted.flatten(2), strict=True):
        pixels = {tuple(pixel) for pixel in before.T.tolist()}
        assert {tuple(pixel) for pixel in after.T.tolist()} == pixels
    assert not torch.equal(permuted, attribution)


def test_a_permutation_depends_on_image_and_model_and_not_on_the_batch() -> None:
    attribution = torch.rand(1, 3, 8, 8).expand(3, -1, -1, -1)
    together = permute_pixels(attribution, [3, 9, 3], model=0, seed=0)
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])
    assert torch.equal(together[1:2], permute_pixels(attribution[:1], [9], model=0, seed=0))
    assert not torch.equal(together[1:2], permute_pixels(attribution[:1], [9], model=1, seed=0))


def test_excess_is_zero_at_the_floor_and_one_at_the_perfect_value() -> None:
    draws = Draws(np.array([0.4, 1.0, 0.7]), np.array([0.1, 0.4, 0.4]), np.array([0.4, 0.2, 0.0]))
    assert draws.floor.tolist() == [0.4, 0.4, 0.4]
    assert draws.excess == pytest.approx([0.0, 1.0, 0.5])


def test_excess_over_a_perfect_floor_is_undefined() -> None:
    assert np.isnan(Draws(np.array([1.0]), np.array([1.0]), np.array([0.5])).excess[0])
