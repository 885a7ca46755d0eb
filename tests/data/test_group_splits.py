"""Splits in which images of one group, such as a patient, stay together."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lightning_spx.data import (
    disjoint_parts,
    folds,
    grouped_draw,
    load_splits,
    make_split,
    save_splits,
    stratified_draw,
)
from lightning_spx.data.group_kinds import checked_groups
from lightning_spx.data.label_kinds import Labels
from lightning_spx.data.splits import Indices

pytestmark = pytest.mark.filterwarnings("ignore:Groups that stay together")
SHAPES = st.sampled_from(["many", "huge", "single", "pure", "few"])


def made(shape: str, kind: str, seed: int) -> tuple[Labels, NDArray[np.str_]]:
    """Classes or findings of images in groups of one of several shapes, in random order."""
    generator = np.random.default_rng(seed)
    sizes = {
        "many": generator.integers(1, 10, 60),
        "huge": np.r_[200, np.ones(40, np.int64)],
        "single": np.ones(80, np.int64),
        "pure": generator.integers(1, 6, 50),
        "few": generator.integers(1, 30, 12),
    }[shape]
    groups = generator.permutation(np.repeat(np.arange(sizes.size), sizes))
    labels: Labels
    if kind == "classes":
        labels = generator.integers(0, 2, groups.size)
        labels = np.arange(sizes.size)[groups] % 2 if shape == "pure" else labels
    else:
        labels = (generator.random((groups.size, 3)) < 0.5).astype(np.float32)
        labels[generator.random(labels.shape) < 0.2] = np.nan
    return labels, np.array([f"p{number}" for number in groups])


def undivided(groups: NDArray[np.str_], parts: list[Indices]) -> bool:
    together = [set(groups[part]) for part in parts]
    return all(not one & other for number, one in enumerate(together) for other in together[:number])


@settings(max_examples=80, deadline=None)
@given(SHAPES, st.sampled_from(["classes", "findings"]), st.integers(2, 4), st.integers(0, 10**6))
def test_no_group_is_in_two_parts_and_no_image_is_lost(shape: str, kind: str, num_parts: int, seed: int) -> None:
    labels, groups = made(shape, kind, seed)
    for parts in (disjoint_parts(labels, num_parts, seed, None, groups), folds(labels, num_parts, seed, groups)):
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(groups)))
        assert undivided(groups, parts)
        assert all(part.size and (np.diff(part) > 0).all() for part in parts)


@settings(max_examples=80, deadline=None)
@given(SHAPES, st.sampled_from(["classes", "findings"]), st.integers(2, 3), st.integers(10, 26), st.integers(0, 10**6))
def test_limited_parts_are_as_full_as_groups_allow(
    shape: str, kind: str, num_parts: int, images_per_part: int, seed: int
) -> None:
    labels, groups = made(shape, kind, seed)
    sizes = dict(zip(*np.unique(groups, return_counts=True), strict=True))
    if images_per_part * num_parts > len(groups) or sorted(sizes.values())[num_parts - 1] > images_per_part:
        return
    parts = disjoint_parts(labels, num_parts, seed, images_per_part, groups)
    assert undivided(groups, parts)
    free = [sizes[name] for name in set(groups) - set(groups[np.concatenate(parts)])]
    for part in parts:
        assert 0 < part.size <= images_per_part
        # no group that is in no part would fit
        assert all(part.size + size > images_per_part for size in free)


def test_groups_of_one_image_are_dealt_as_if_there_were_none() -> None:
    labels, groups = made("single", "classes", 0)
    findings, names = made("single", "findings", 0)
    for values, own in ((labels, groups), (findings, names)):
        for one, other in zip(disjoint_parts(values, 3, 5), disjoint_parts(values, 3, 5, None, own), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(stratified_draw(values, 13, 2), grouped_draw(values, 13, 2, own))


def test_patients_are_dealt_so_that_classes_differ_by_little() -> None:
    # 2,000 patients with 1 to 9 images; a patient is ill or not
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(2000), generator.integers(1, 10, 2000))
    labels = (np.arange(2000) % 3)[groups]
    parts = disjoint_parts(labels, 2, 0, None, groups)
    counts = np.stack([np.bincount(labels[part]) for part in parts])
    assert np.ptp(counts, axis=0).max() <= 1
    another = disjoint_parts(labels, 2, 1, None, groups)
    assert 0.4 < np.isin(parts[0], another[0]).mean() < 0.6


def test_classes_are_more_even_than_those_of_scikit_learn() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    spread: list[list[float]] = []
    for seed in range(24):
        generator = np.random.default_rng(seed)
        sizes = generator.integers(1, 10, 150) if seed % 2 else generator.geometric(0.2, 60)
        groups = np.repeat(np.arange(sizes.size), sizes)
        labels = generator.integers(0, 4, sizes.size)[groups]
        mixed = generator.random(groups.size) < (0, 0.3, 1)[seed % 3]
        labels = np.where(mixed, generator.integers(0, 4, groups.size), labels)
        theirs = selection.StratifiedGroupKFold(3, shuffle=True, random_state=seed).split(labels, labels, groups)
        pair = [folds(labels, 3, seed, groups), [test for _, test in theirs]]
        counts = [np.stack([np.bincount(labels[fold], minlength=4) for fold in each]) for each in pair]
        spread.append([float(np.std(each / np.bincount(labels), axis=0).mean()) for each in counts])
        spread[-1] += [float(np.ptp(each.sum(1))) for each in counts]
    ours, theirs, own_sizes, their_sizes = np.mean(spread, axis=0)
    assert ours < theirs
    assert own_sizes < their_sizes


def test_the_names_of_groups_do_not_matter_and_are_checked() -> None:
    labels = np.array([0, 1] * 6)
    names = np.repeat(["c", "a", "b", "f", "e", "d"], 2)
    split, again = (make_split(labels, groups=each) for each in (names, np.repeat(np.arange(6), 2)))
    assert split == again
    for groups, message in (
        (names[:-1], r"`groups` of shape \(12,\), one for each image, got \(11,\)"),
        ([*names[:-1], ""], "an empty name for image 11"),
    ):
        with pytest.raises(ValueError, match=message):
            disjoint_parts(labels, groups=groups)
    for wrong in (np.linspace(0, 1, 12), np.array([*names[:-1], None], object)):
        with pytest.raises(TypeError, match="`groups` to be text or integers, got"):
            disjoint_parts(labels, groups=wrong)
    assert checked_groups(np.array(["b", "a", "b"], object), 3).tolist() == [0, 1, 0]


def test_what_groups_make_impossible_is_refused() -> None:
    with pytest.raises(ValueError, match="`num_parts` to be at most 2, the groups there are, got 3"):
        disjoint_parts([0, 1] * 4, 3, groups=[0] * 4 + [1] * 4)
    with pytest.raises(ValueError, match="`num_folds` to be at most 1, the groups with images of class 7, got 2"):
        folds([7, 7, 1, 1], 2, groups=[0, 0, 1, 2])
    findings = np.array([[1, 1], [1, 1], [1, 0]], np.float32)
    with pytest.raises(ValueError, match="`num_parts` to be at most 1, the groups with finding 1, got 2"):
        disjoint_parts(findings, 2, groups=[0, 0, 1])
    with pytest.raises(ValueError, match="`images_per_part` to be at least 3, so that 2 parts have a whole group"):
        disjoint_parts([0, 1, 0, 1, 0, 1, 0, 1], 2, 0, 2, [0, 0, 0, 1, 1, 1, 2, 2])
    with pytest.raises(ValueError, match="two groups or more to draw 1 of 2 images"):
        grouped_draw([0, 1], 1, groups=["a", "a"])


@pytest.mark.filterwarnings("default:Groups that stay together")
def test_a_warning_says_how_unequal_groups_make_parts_and_only_then() -> None:
    with pytest.warns(UserWarning, match=r"2 to 4 images, and class 1 is 50.0 % of part . and 33.3 % of all"):
        # the five healthy images of two groups cannot be divided
        disjoint_parts([0, 0, 0, 1, 0, 1], 2, groups=["a", "a", "a", "a", "b", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        disjoint_parts([0, 1, 0, 1], 2, groups=["a", "a", "b", "b"])


def test_a_file_says_which_groups_it_was_made_for_and_is_checked_against_groups(tmp_path: Path) -> None:
    labels, groups = made("many", "classes", 0)
    file = tmp_path / "splits.json"
    split = make_split(labels, groups=groups)
    save_splits([split], file)
    assert load_splits(file, labels, groups) == [split] == load_splits(file, labels)
    with pytest.raises(ValueError, match=r"split 0 of .*splits\.json to keep each group in one part, got \d+ groups"):
        load_splits(file, labels, np.roll(groups, 1))
    # other groups that happen to be undivided
    with pytest.raises(ValueError, match=r"to be made for these groups, got others"):
        load_splits(file, labels, np.arange(len(labels)))
    # a file without groups: its own hash is right, and its parts divide groups
    save_splits([make_split(labels)], file)
    assert "groups_hash" not in file.read_text()
    with pytest.raises(ValueError, match="to keep each group in one part"):
        load_splits(file, labels, groups)
    save_splits([make_split(labels, "seeds")], file)
    load_splits(file, labels, groups)


def test_a_split_without_groups_has_the_hash_that_it_always_had() -> None:
    assert (
        make_split([0, 1] * 10, "folds", 4).sha256 == "c26af9e8651d98fd58eb7188b7fe5a0eda3dd2ce917675b8b9256f0d9c81d9fe"
    )
