"""Run lengths become the masks that pycocotools makes of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from lightning_spx.formats.run_lengths import mask_of_runs, unpacked_counts
from tests.formats.made_masks import Flags, compressed, row_lengths, uncompressed
from tests.inputs.strategies import examples

MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(np.bool_, shape))


def whole(found: tuple[Flags, int, int], shape: tuple[int, ...]) -> Flags:
    inside, top, left = found
    mask = np.zeros(shape, np.bool_)
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return mask


@examples(200)
@given(mask=MASKS)
def test_any_mask_survives_both_encodings_of_coco_and_that_of_cvat(mask: Flags) -> None:
    size = (mask.shape[0], mask.shape[1])
    packed = compressed(mask)
    counts = unpacked_counts(packed["counts"])
    assert counts == uncompressed(mask)["counts"]
    assert np.array_equal(whole(mask_of_runs(counts, size, by_columns=True), size), mask)
    assert np.array_equal(coco.decode(packed), mask)
    rows = [int(length) for length in row_lengths(mask).split(",")]
    assert np.array_equal(whole(mask_of_runs(rows, size, by_columns=False), size), mask)


@examples(100)
@given(counts=st.lists(st.integers(1, 60_000), min_size=1, max_size=30), first=st.sampled_from([0, 5, 40_000]))
def test_long_runs_are_unpacked_as_pycocotools_packs_them(counts: list[int], first: int) -> None:
    runs = [first, *counts]
    height = sum(runs)
    packed = coco.frPyObjects({"size": [height, 1], "counts": runs}, height, 1)
    assert unpacked_counts(packed["counts"]) == runs


def test_only_the_box_of_a_mask_takes_memory() -> None:
    side = 20_000
    inside, top, left = mask_of_runs([side * 7 + 5, 3, side * side - side * 7 - 8], (side, side), by_columns=True)
    assert (inside.shape, top, left) == ((3, 1), 5, 7)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([5], "fill 5 pixels, and 3 x 2 are 6"),
        ([3, 4], "fill 7 pixels"),
        ([], "fill 0 pixels"),
        ([7, -1], "no numbers of pixels"),
        ([3.0, 3], "no numbers of pixels"),
        ([True, 5], "no numbers of pixels"),
        ([2**70, 1], "no numbers of pixels"),
    ],
)
def test_lengths_that_do_not_fill_the_mask_are_refused(counts: list[object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        mask_of_runs(counts, (2, 3), by_columns=True)


@pytest.mark.parametrize("text", ["a b", "p", "é", "oooooooo0", "6o"])
def test_other_strings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="its run lengths"):
        unpacked_counts(text)
