"""Splits of images with several findings."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lightning_spx.data import disjoint_parts, folds, labels_hash, load_splits, make_split, save_splits, stratified_draw
from lightning_spx.data.finding_splits import deal_findings

Findings = NDArray[np.float32]
Pools = st.tuples(st.integers(1, 120), st.integers(1, 6), st.floats(0, 0.4), st.integers(0, 2**32 - 1))


def pool(case: tuple[int, int, float, int]) -> Findings:
    num_images, num_findings, share_unsaid, seed = case
    generator = np.random.default_rng(seed)
    shares = generator.uniform(0.05, 0.8, num_findings)
    findings = (generator.random((num_images, num_findings)) < shares).astype(np.float32)
    findings[generator.random(findings.shape) < share_unsaid] = np.nan
    return findings


def excess(findings: Findings, part: NDArray[np.int64]) -> float:
    """By how many images a part differs at most from its share of those with, or without, a finding."""
    differences = []
    for value in (0.0, 1.0):
        for column in findings.T:
            exact = len(part) * np.count_nonzero(column == value) / len(findings)
            differences.append(abs(np.count_nonzero(column[part] == value) - exact))
    return max(differences)


@settings(max_examples=60, deadline=None)
@given(Pools, st.integers(1, 5))
def test_no_image_is_lost_or_dealt_twice_and_shares_are_near(case: tuple[int, int, float, int], num_parts: int) -> None:
    findings = pool(case)
    sizes = [len(findings[part::num_parts]) for part in range(num_parts)]
    parts = deal_findings(findings, sizes, case[-1])
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(findings)))
    assert [part.size for part in parts] == sizes
    assert all((np.diff(part) > 0).all() for part in parts)
    assert max(excess(findings, part) for part in parts) <= 3


@pytest.mark.parametrize(
    ("num_findings", "num_parts", "unsaid"), [(3, 2, 0.0), (14, 2, 0.0), (14, 4, 0.2), (5, 10, 0.0)]
)
def test_shares_of_many_images_are_within_two(num_findings: int, num_parts: int, unsaid: float) -> None:
    for seed in range(2):
        findings = pool((300, num_findings, unsaid, seed))
        assert max(excess(findings, part) for part in disjoint_parts(findings, num_parts, seed)) <= 2
        assert max(excess(findings, fold) for fold in folds(findings, max(2, num_parts), seed)) <= 2
        drawn = stratified_draw(findings, 31, seed)
        assert drawn.size == np.unique(drawn).size == 31
        assert excess(findings, drawn) <= 2
        assert max(excess(findings, part) for part in disjoint_parts(findings, num_parts, seed, 16)) <= 4


def test_equal_sets_are_dealt_evenly() -> None:
    # by hand: ten images of each of four sets
    findings = np.repeat(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), 10, axis=0)
    for part in folds(findings, 5):
        assert np.unique(findings[part], axis=0, return_counts=True)[1].tolist() == [2, 2, 2, 2]


def test_an_image_of_a_set_of_its_own_goes_where_its_finding_lacks() -> None:
    # all sets differ, so that none can be shared out; both parts must still get both findings
    findings = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], np.float32)
    for seed in range(10):
        for part in disjoint_parts(findings, 2, seed):
            assert findings[part].sum(0).tolist() == [1, 1, 1]


def test_the_seed_decides_and_not_the_bits_of_a_missing_value() -> None:
    findings = pool((200, 4, 0.2, 0))
    other = np.where(np.isnan(findings), -np.float32(np.nan), findings)
    first, again, another = (disjoint_parts(each, 2, seed) for each, seed in ((findings, 0), (other, 0), (findings, 1)))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], another[0])
    assert labels_hash(findings) == labels_hash(other) == labels_hash(findings.astype(np.float64))


def test_one_finding_is_dealt_like_two_classes() -> None:
    label = np.arange(40) % 2
    for part in disjoint_parts(label[:, None].astype(np.float32), 4):
        assert np.bincount(label[part]).tolist() == [5, 5]


def test_a_finding_too_rare_for_the_parts_is_refused() -> None:
    findings = np.array([[1, 0], [1, 1], [0, 0], [1, 0]], np.float32)
    with pytest.raises(ValueError, match=r"`num_parts` to be at most 1, the images with finding 1, got 2"):
        disjoint_parts(findings, 2)
    with pytest.raises(ValueError, match=r"`num_folds` to be at most 1, the images with finding 1, got 3"):
        folds(findings, 3)
    with pytest.raises(ValueError, match="`num_images` to be 0 to 4, the images there are, got 5"):
        stratified_draw(findings, 5)


def test_a_draw_may_be_empty_or_everything() -> None:
    findings = pool((30, 3, 0.1, 0))
    assert stratified_draw(findings, 0).size == 0
    np.testing.assert_array_equal(stratified_draw(findings, 30), np.arange(30))
    assert stratified_draw(np.empty((0, 3), np.float32), 0).size == 0


def test_splits_are_saved_and_belong_to_their_labels(tmp_path: Path) -> None:
    findings = pool((60, 4, 0.1, 0))
    splits = [make_split(findings, "disjoint", 2), make_split(findings, "folds", 3), make_split(findings, "all", 2)]
    save_splits(splits, tmp_path / "splits.json")
    assert load_splits(tmp_path / "splits.json", findings) == splits
    changed = findings.copy()
    changed[0, 0] = 1 - np.nan_to_num(changed[0, 0])
    for other in (changed, findings[:-1], findings.reshape(120, 2)):
        with pytest.raises(ValueError, match=r"splits\.json to be made for these labels, but split 0"):
            load_splits(tmp_path / "splits.json", other)
