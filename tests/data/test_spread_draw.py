"""Draws from as many groups as possible."""

import numpy as np
import pytest

from lightning_spx.data import stratified_draw
from lightning_spx.data.spread_draw import spread_draw
from lightning_spx.evaluation.maps.sampled_images import independent_images


def test_no_group_is_drawn_twice_while_there_are_others() -> None:
    groups = np.repeat([f"p{number}" for number in range(30)], np.arange(30) % 4 + 1)
    labels = np.arange(30).repeat(np.arange(30) % 4 + 1) % 2
    for seed in range(5):
        drawn = spread_draw(labels, 20, seed, groups)
        assert np.unique(groups[drawn]).size == drawn.size == 20
        assert np.bincount(labels[drawn]).tolist() == [10, 10]
        # more images than groups: one of each group, and a second of some of those that have one
        counts = np.unique(groups[spread_draw(labels, 40, seed, groups)], return_counts=True)[1]
        assert counts.size == 30
        assert counts.max() == 2
    np.testing.assert_array_equal(spread_draw(labels, labels.size, 0, groups), np.arange(labels.size))
    np.testing.assert_array_equal(spread_draw(labels, 9, 3), stratified_draw(labels, 9, 3))
    with pytest.raises(ValueError, match="`num_images` to be 0 to 73"):
        spread_draw(labels, 76, 0, groups)


def test_images_of_groups_that_models_have_seen_come_last() -> None:
    groups = np.repeat(["a", "b", "c", "d"], 3)
    labels = np.zeros(12, np.int64)
    for seed in range(4):
        drawn = independent_images(labels, 2, seed, groups, np.array(["a", "d", "x"]))
        assert sorted(groups[drawn]) == ["b", "c"]
    with pytest.warns(UserWarning, match="The 5 explained images are of 4 groups"):
        independent_images(labels, 5, 0, groups, np.array(["a"]))
    np.testing.assert_array_equal(independent_images(labels, 5, 0), stratified_draw(labels, 5, 0))
