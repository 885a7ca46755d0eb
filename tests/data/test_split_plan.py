import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from lightning_spx.data import disjoint_parts, folds, labels_hash, load_splits, make_split, save_splits
from lightning_spx.data.splits import Plan

LABELS = np.arange(30) % 3


def test_under_disjoint_each_model_trains_on_its_part_and_holds_nothing_out() -> None:
    split = make_split(LABELS, "disjoint", 3, seed=5)
    for part, indices in enumerate(disjoint_parts(LABELS, 3, 5)):
        np.testing.assert_array_equal(split.train_indices(part), indices)
        assert split.held_out_indices(part).size == 0


def test_under_folds_each_model_trains_on_all_but_its_fold() -> None:
    split = make_split(LABELS, "folds", 5, seed=5)
    for part, fold in enumerate(folds(LABELS, 5, 5)):
        np.testing.assert_array_equal(split.held_out_indices(part), fold)
        together = np.concatenate([split.train_indices(part), fold])
        np.testing.assert_array_equal(np.sort(together), np.arange(30))


def test_under_all_each_model_trains_on_everything() -> None:
    split = make_split(LABELS, "all", 2)
    np.testing.assert_array_equal(split.train_indices(1), np.arange(30))
    assert split.held_out_indices(1).size == 0


def test_under_seeds_all_models_train_on_the_same_images() -> None:
    whole = make_split(LABELS, "seeds", 3)
    drawn = make_split(LABELS, "seeds", 3, seed=4, images_per_part=12)
    for part in range(3):
        np.testing.assert_array_equal(whole.train_indices(part), np.arange(30))
        np.testing.assert_array_equal(drawn.train_indices(part), drawn.train_indices(0))
        assert drawn.held_out_indices(part).size == 0
    # twelve images of three equally frequent classes, and others under another seed
    assert np.bincount(LABELS[drawn.train_indices(0)]).tolist() == [4, 4, 4]
    assert drawn.train_indices(0).tolist() != make_split(LABELS, "seeds", 3, 5, 12).train_indices(0).tolist()
    # no number of models makes them too few
    assert make_split(LABELS, "seeds", 40, images_per_part=30).train_indices(39).size == 30


@pytest.mark.parametrize("size", [0, 31])
def test_more_images_under_seeds_than_there_are_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"`images_per_part` to be 1 to 30, the images there are, got {size}"):
        make_split(LABELS, "seeds", 2, images_per_part=size)


def test_a_part_that_is_not_there_is_refused() -> None:
    split = make_split(LABELS, "folds", 2)
    with pytest.raises(ValueError, match="`part` to be 0 to 1, got 2"):
        split.train_indices(2)
    with pytest.raises(ValueError, match="`part` to be 0 to 1, got -1"):
        split.held_out_indices(-1)


def test_an_unknown_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="`plan` to be 'all', 'seeds', 'disjoint' or 'folds', got 'halves'"):
        make_split(LABELS, cast(Plan, "halves"), 2)


def test_a_size_of_parts_is_refused_where_there_are_none() -> None:
    with pytest.raises(
        ValueError, match="`images_per_part` only with the plans 'seeds' and 'disjoint', got it with 'f"
    ):
        make_split(LABELS, "folds", 2, images_per_part=5)


def test_all_with_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="`num_parts` to be at least 1, got 0"):
        make_split(LABELS, "all", 0)


def test_splits_are_equal_if_plan_seed_labels_and_indices_are() -> None:
    split = make_split(LABELS, "disjoint", 2, 0)
    assert split == make_split(LABELS.tolist(), "disjoint", 2, 0)
    assert hash(split) == hash(make_split(LABELS, "disjoint", 2, 0))
    assert split != make_split(LABELS, "disjoint", 2, 1)
    assert split != make_split(LABELS, "folds", 2, 0)
    assert split != "split"


def test_the_hash_of_labels_is_the_same_for_all_integer_types() -> None:
    assert labels_hash(LABELS.astype(np.int32)) == labels_hash(LABELS) != labels_hash(LABELS[::-1])


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    splits = [make_split(LABELS, "disjoint", 2, 0, images_per_part=4), make_split(LABELS, "folds", 3, 1)]
    splits += [make_split(LABELS, "seeds", 3, 2, images_per_part=6)]
    path = tmp_path / "run" / "splits.json"
    save_splits(splits, path)
    assert load_splits(path, LABELS) == splits
    np.testing.assert_array_equal(load_splits(path, LABELS)[1].held_out_indices(2), splits[1].held_out_indices(2))
    assert [file.name for file in path.parent.iterdir()] == ["splits.json"]


def test_saving_again_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    save_splits([make_split(LABELS, "all", 1)], path)
    save_splits([make_split(LABELS, "folds", 3)], path)
    assert [split.plan for split in load_splits(path, LABELS)] == ["folds"]


def test_an_edited_index_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    save_splits([make_split(LABELS, "disjoint", 2)], path)
    content = json.loads(path.read_text())
    content[0]["parts"][0][0] = content[0]["parts"][1][0]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"splits\.json to be unchanged, but split 0 differs from its SHA-256"):
        load_splits(path, LABELS)


def test_other_labels_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    save_splits([make_split(LABELS, "disjoint", 2)], path)
    with pytest.raises(ValueError, match=r"splits\.json to be made for these labels, .* 30 labels .* got 27 of hash"):
        load_splits(path, LABELS[:27])


def test_a_file_of_other_images_for_each_seed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    save_splits([replace(make_split(LABELS, "disjoint", 2), plan="seeds")], path)
    with pytest.raises(ValueError, match="to hold parts of its plan, but split 0 has other indices"):
        load_splits(path, LABELS)


@pytest.mark.parametrize("content", ["", "{}x", '[{"plan": "all"}]', "[3]", "7"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "splits.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"splits\.json to be a file of splits"):
        load_splits(path, LABELS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"splits at .*splits\.json: write them with `save_splits` first"):
        load_splits(tmp_path / "splits.json", LABELS)
