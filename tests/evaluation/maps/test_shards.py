"""Every image is in one shard, and mismatched inside of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_spx.evaluation.maps.shards import derangement, make_shards


@given(st.integers(2, 300), st.integers(0, 2**31))
def test_a_derangement_leaves_no_image_in_its_place(num_images: int, seed: int) -> None:
    permutation = derangement(num_images, seed)
    assert sorted(permutation) == list(range(num_images))
    assert (permutation != np.arange(num_images)).all()


def test_a_single_image_cannot_be_mismatched() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        derangement(1, 0)


@given(num_images=st.integers(2, 300), shard_size=st.integers(2, 80), seed=st.integers(0, 2**32))
def test_every_image_is_in_one_shard_of_at_least_the_size_and_mismatched_inside_of_it(
    num_images: int, shard_size: int, seed: int
) -> None:
    shards = make_shards(num_images, shard_size, seed)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert np.array_equal(np.sort(np.concatenate([shard.positions for shard in shards])), np.arange(num_images))
    for shard in shards:
        size = len(shard.positions)
        assert min(shard_size, num_images) <= size < 2 * shard_size or len(shards) == 1
        assert (np.diff(shard.positions) > 0).all()
        assert np.array_equal(np.sort(shard.permutation), np.arange(size))
        assert (shard.permutation != np.arange(size)).all()


def test_one_shard_is_the_study_as_it_was_without_shards() -> None:
    (shard,) = make_shards(7, shard_size=64, seed=3)
    assert shard.positions.tolist() == list(range(7))
    assert np.array_equal(shard.permutation, derangement(7, seed=3))


def test_shards_of_one_size_are_mismatched_differently() -> None:
    first, second = make_shards(40, shard_size=20, seed=0)
    assert not np.array_equal(first.permutation, second.permutation)


@pytest.mark.parametrize(("num_images", "shard_size"), [(10, 1), (10, 0), (1, 4)])
def test_an_image_alone_in_its_shard_is_refused(num_images: int, shard_size: int) -> None:
    with pytest.raises(ValueError, match=r"Expected `(shard_size|num_images)` to be at least 2"):
        make_shards(num_images, shard_size, seed=0)
