"""A window on a PNG refers to the numbers of the file."""

from pathlib import Path

import numpy as np
import pytest

from lightning_spx.formats.deep_png import read_deep_png
from tests.formats.photo_writers import FULL_12, GRAY_12, png, significant

SCALED = GRAY_12 << 4


def test_significant_bits_are_the_range_and_change_no_stored_number(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    png(SCALED, 0, significant(12))(path)
    assert np.array_equal(read_deep_png(path).values[..., 0], GRAY_12)
    np.testing.assert_allclose(read_deep_png(path).in_range(None)[..., 0], FULL_12, rtol=0, atol=7e-8)
    stored = read_deep_png(path, as_stored=True)
    assert np.array_equal(stored.values[..., 0], SCALED)
    np.testing.assert_allclose(stored.in_range((0, 65_520))[..., 0], FULL_12, rtol=0, atol=7e-8)


@pytest.mark.parametrize("as_stored", [False, True])
def test_numbers_that_were_never_scaled_are_the_same_both_ways(as_stored: bool, tmp_path: Path) -> None:
    png(GRAY_12, 0, significant(12))(tmp_path / "a.png")
    found = read_deep_png(tmp_path / "a.png", as_stored)
    assert np.array_equal(found.values[..., 0], GRAY_12)
    assert found.white == 4095
