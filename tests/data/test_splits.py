from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_spx.data import disjoint_parts, folds, stratified_draw
from lightning_spx.data.splits import Indices

Pools = st.tuples(st.integers(1, 6), st.lists(st.integers(6, 40), min_size=1, max_size=6), st.integers(0, 2**32 - 1))


def pool(counts: list[int], seed: int) -> Indices:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def class_counts(labels: Indices, part: Indices) -> Indices:
    return np.bincount(labels[part], minlength=int(labels.max()) + 1)


@settings(max_examples=60, deadline=None)
@given(Pools)
def test_parts_are_disjoint_complete_sorted_and_stratified(case: tuple[int, list[int], int]) -> None:
    num_parts, counts, seed = case
    labels = pool(counts, seed)
    parts = disjoint_parts(labels, num_parts, seed)
    assert len(parts) == num_parts
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(labels.size))
    assert all((np.diff(part) > 0).all() for part in parts)
    table = np.stack([class_counts(labels, part) for part in parts])
    assert np.ptp(table, axis=0).max() <= 1
    assert np.ptp(table.sum(axis=1)) <= 1


@settings(max_examples=60, deadline=None)
@given(Pools, st.integers(1, 6))
def test_parts_of_a_given_size_are_disjoint_and_of_that_size(
    case: tuple[int, list[int], int], images_per_part: int
) -> None:
    num_parts, counts, seed = case
    labels = pool(counts, seed)
    images_per_part = min(images_per_part, labels.size // num_parts)
    parts = disjoint_parts(labels, num_parts, seed, images_per_part)
    together = np.concatenate(parts)
    assert [part.size for part in parts] == [images_per_part] * num_parts
    assert np.unique(together).size == together.size
    assert np.ptp(np.stack([class_counts(labels, part) for part in parts]), axis=0).max() <= 1


@settings(max_examples=60, deadline=None)
@given(Pools)
def test_folds_are_a_stratified_partition(case: tuple[int, list[int], int]) -> None:
    num_folds, counts, seed = max(2, case[0]), case[1], case[2]
    labels = pool(counts, seed)
    held_out = folds(labels, num_folds, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(labels.size))
    assert np.ptp(np.stack([class_counts(labels, fold) for fold in held_out]), axis=0).max() <= 1


@settings(max_examples=60, deadline=None)
@given(Pools, st.floats(0, 1))
def test_a_draw_has_the_asked_size_and_shares_within_one_image(case: tuple[int, list[int], int], share: float) -> None:
    _, counts, seed = case
    labels = pool(counts, seed)
    num_images = round(share * labels.size)
    drawn = stratified_draw(labels, num_images, seed)
    assert drawn.size == np.unique(drawn).size == num_images
    exact = num_images * np.array(counts) / labels.size
    assert (np.abs(class_counts(labels, drawn) - exact) < 1).all()


def test_remainders_of_a_draw_go_to_the_largest() -> None:
    # 7 of (5, 3, 2): shares 3.5, 2.1, 1.4, so the place left goes to the first class
    labels = np.repeat(np.arange(3), (5, 3, 2))
    assert class_counts(labels, stratified_draw(labels, 7)).tolist() == [4, 2, 1]


def test_equal_remainders_do_not_always_favor_the_same_class() -> None:
    labels = np.repeat(np.arange(4), 10)
    winners = {int(class_counts(labels, stratified_draw(labels, 1, seed)).argmax()) for seed in range(40)}
    assert winners == {0, 1, 2, 3}


@pytest.mark.parametrize("draw", [disjoint_parts, folds])
def test_the_seed_decides(draw: Callable[..., list[Indices]]) -> None:
    labels = pool([30, 30], 0)
    first, again, other = draw(labels, 2, 0), draw(labels, 2, 0), draw(labels, 2, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_order_of_the_pool_is_not_the_order_of_the_parts() -> None:
    first = disjoint_parts(np.zeros(1000, np.int64), 2)[0]
    assert 0.4 < np.mean(np.isin(first, np.arange(500))) < 0.6
    assert not np.array_equal(first, np.arange(0, 1000, 2))


def test_more_images_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected 2 parts of 6 images, .* at most the 10 there are"):
        disjoint_parts([0] * 10, 2, images_per_part=6)
    with pytest.raises(ValueError, match=r"`num_images` to be 0 to 3, the images there are, got 4"):
        stratified_draw([0, 0, 1], 4)


def test_more_parts_than_images_of_a_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`num_parts` to be at most 1, the images of class 7, got 2"):
        disjoint_parts([3, 3, 7], 2)
    with pytest.raises(ValueError, match=r"`num_folds` to be at most 2, the images of class 3, got 3"):
        folds([3, 3, 7, 7, 7], 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], 0), "`num_parts` to be at least 1, got 0"),
        (([0, 0], 2, 0, 0), "`images_per_part` to be at least 1, got 0"),
        (([], 1), "`labels` to name at least one image"),
        (([[[0.0, 1.0]]], 1), r"`labels` to be of shape \(n,\) or, with K findings, \(n, K\), got \(1, 1, 2\)"),
    ],
)
def test_a_wrong_number_of_parts_or_labels_is_refused(arguments: tuple[object, ...], message: str) -> None:
    call: Callable[..., list[Indices]] = disjoint_parts
    with pytest.raises(ValueError, match=message):
        call(*arguments)


def test_one_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="`num_folds` to be at least 2, got 1"):
        folds([0, 0], 1)


def test_labels_must_be_integers() -> None:
    with pytest.raises(TypeError, match="`labels` to be integers, got float64"):
        stratified_draw([0.5, 1.0], 1)
