"""The derangement of a shard's images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_spx.evaluation.maps.shards import derangement


@given(st.integers(2, 300), st.integers(0, 2**31))
def test_a_derangement_leaves_no_image_in_its_place(num_images: int, seed: int) -> None:
    permutation = derangement(num_images, seed)
    assert sorted(permutation) == list(range(num_images))
    assert (permutation != np.arange(num_images)).all()


def test_a_single_image_cannot_be_mismatched() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        derangement(1, 0)
