"""Splits that people already have."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_spx.data import ArrayImages, ImageFolderDataModule, make_split, save_splits
from lightning_spx.data.given_splits import (
    given_parts,
    parts_from_column,
    parts_from_names,
    read_names,
    read_parts,
    read_split,
)
from lightning_spx.data.splits import Plan

LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_a_column_names_the_rows_of_each_part() -> None:
    found = parts_from_column(np.array(["train", "val", "train"], object))
    assert {name: rows.tolist() for name, rows in found.items()} == {"train": [0, 2], "val": [1]}
    assert list(parts_from_column([2, 1, 2])) == ["2", "1"]
    for missing in (None, float("nan"), ""):
        with pytest.raises(ValueError, match="a part in every row, got none in row 1"):
            parts_from_column(np.array(["train", missing], object))


def test_lists_of_names_are_checked() -> None:
    names = ["a/1.jpg", "a/2.jpg", "b/1.jpg"]
    found = parts_from_names({"one": ["b/1.jpg", "a/1.jpg"], "other": ["a/2.jpg"]}, names)
    assert [rows.tolist() for rows in found.values()] == [[0, 2], [1]]
    for lists, message in (
        ({"one": ["a/1.jpg", "a/1.jpg"]}, "one to name each image once and in no other list, got 'a/1.jpg' twice"),
        ({"one": ["a/1.jpg"], "other": ["a/1.jpg"]}, "got 'a/1.jpg' in one as well"),
        ({"one": ["a/1.jpg", "1.jpg"]}, "one to name images that exist, got 1 of 2 others, the first '1.jpg'"),
    ):
        with pytest.raises(ValueError, match=message):
            parts_from_names(lists, names)
    with pytest.raises(ValueError, match="different names, got 1 names twice"):
        parts_from_names({}, ["a", "a"])


def test_files_of_names_are_text(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes("\ufeffa\\1.jpg\r\n\r\n b/2.jpg \r\n".encode())
    assert read_names(tmp_path / "train.txt") == ["a/1.jpg", "b/2.jpg"]
    (tmp_path / "train.txt").write_bytes(b"\n")
    with pytest.raises(ValueError, match="to name images, one a line, got none"):
        read_names(tmp_path / "train.txt")
    (tmp_path / "train.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"train\.txt to be text in UTF-8"):
        read_names(tmp_path / "train.txt")
    with pytest.raises(FileNotFoundError, match="a list of names at"):
        read_names(tmp_path / "other.txt")


def test_arrays_of_scikit_learn_are_read(tmp_path: Path) -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    held_out = [test for _, test in selection.StratifiedKFold(3).split(LABELS, LABELS)]
    np.savez(tmp_path / "folds.npz", *held_out)
    np.save(tmp_path / "folds.npy", np.stack([np.isin(np.arange(6), fold) for fold in held_out]))
    (tmp_path / "folds.json").write_text(json.dumps([fold.tolist() for fold in held_out]))
    for ending in ("npz", "npy", "json"):
        parts = read_parts(tmp_path / f"folds.{ending}", 6)
        split = given_parts(parts, LABELS, "folds")
        assert [split.held_out_indices(number).tolist() for number in range(3)] == [fold.tolist() for fold in held_out]


@pytest.mark.parametrize(
    ("parts", "plan", "groups", "message"),
    [
        ([[0, 1], [1, 2]], "disjoint", None, "parts without common images, got 1 in several, the first 1"),
        ([[0, 0], [1, 2]], "disjoint", None, "part 0 to hold each position once, got 0 again"),
        ([[0, 6], [1, 2]], "disjoint", None, "part 0 to hold positions 0 to 5, got 6"),
        ([[0, -1], [1, 2]], "disjoint", None, "part 0 to hold positions 0 to 5, got -1"),
        ([[], [1, 2]], "disjoint", None, "part 0 to be a list of positions"),
        ([[True, False]], "disjoint", None, "part 0 to flag some of 6 images, got 2 flags, 1 true"),
        ([[0, 1], [2, 3, 4]], "folds", None, "folds that hold every image, got 1 in none, the first 5"),
        ([[0, 1]], "folds", None, "2 or more parts, got 1"),
        ([[0], [1]], "seeds", None, "`plan` to be 'disjoint' or 'folds' for given parts"),
        ([[0, 3], [1, 4]], "disjoint", list("xxyzzw"), "the parts to keep each group in one part, got 2 groups"),
    ],
)
def test_wrong_parts_are_refused(parts: list[list[int]], plan: Plan, groups: list[str] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        given_parts(parts, LABELS, plan, groups)


@pytest.mark.parametrize("content", [b"[[0.5, 1]]", b"[[0", b"3", b'["a"]', b"[" * 5000, b"[[[1]]]"])
def test_other_json_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "parts.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"parts\.json"):
        read_parts(tmp_path / "parts.json", 6)


def test_pickles_and_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([[0], [1, 2]], object), allow_pickle=True)
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4 and no more")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "parts.csv").write_text("0,1")
    for name in ("pickled.npy", "cut.npz", "empty.npy", "parts.csv"):
        with pytest.raises(ValueError, match=name):
            read_parts(tmp_path / name, 6)
    with pytest.raises(FileNotFoundError, match=r"parts at .*none\.json"):
        read_parts(tmp_path / "none.json", 6)


def test_a_file_of_ours_gives_the_split_of_the_seed(tmp_path: Path) -> None:
    pool = ArrayImages(np.zeros((6, 8, 8), np.uint8), LABELS)
    splits = [make_split(LABELS, seed=seed) for seed in (3, 4)]
    save_splits(splits, tmp_path / "splits.json")
    assert read_split(tmp_path / "splits.json", "disjoint", 2, 4, pool) == splits[1]
    with pytest.raises(ValueError, match="a split of seed 5, got those of 3, 4"):
        read_split(tmp_path / "splits.json", "disjoint", 2, 5, pool)
    with pytest.raises(ValueError, match=r"`plan` and `num_parts` of .*, 'disjoint' and 2, got 'folds' and 2"):
        read_split(tmp_path / "splits.json", "folds", 2, 4, pool)
    pool.groups = np.array(list("aaaaaa"))
    with pytest.raises(ValueError, match="to keep each group in one part"):
        read_split(tmp_path / "splits.json", "disjoint", 2, 4, pool)


def test_a_folder_of_lists_gives_the_parts_of_a_data_module(tmp_path: Path) -> None:
    for number, folder in enumerate(("train/owl", "train/jay", "test/owl", "test/jay")):
        (tmp_path / folder).mkdir(parents=True)
        for name in range(4):
            Image.new("L", (8, 8), 50 * number + name).save(tmp_path / folder / f"{name}.png")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "part_a.txt").write_text("owl/3.png\nowl/0.png\njay/1.png\n")
    (lists / "part_b.txt").write_text("owl/1.png\njay/0.png\n")
    data = ImageFolderDataModule(root=tmp_path, image_size=8, splits=lists, val_fraction=0.0)
    images = data.pool()
    assert images.paths is not None
    found = [["/".join(images.paths[i].parts[-2:]) for i in data.use_part(part).train_indices()] for part in (0, 1)]
    assert found == [["jay/1.png", "owl/0.png", "owl/3.png"], ["jay/0.png", "owl/1.png"]]
    with pytest.raises(ValueError, match="`plan` and `num_parts` of"):
        ImageFolderDataModule(root=tmp_path, image_size=8, splits=lists, num_parts=3).split()
