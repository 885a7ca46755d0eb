import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lightning_spx.data import ImageDataModule
from lightning_spx.formats import Percentiles
from tests.data.picture import picture
from tests.data.table_cases import listed, numbers, of_table, save, table_data
from tests.data.table_folder import NUM_ROWS, SIDE, make_table


def test_pixels_and_labels_are_those_of_the_rows(table: Path) -> None:
    data = table_data(table, split="set")
    assert (data.name, data.class_names, data.findings, data.num_classes) == ("cells", ["NA", "crack"], [], 2)
    assert numbers(data) == (list(range(18)), list(range(24, 30)))
    assert data.test().labels.tolist() == [1, 0, 1, 0, 1, 0]
    for position, sample in enumerate(data.test()[index] for index in range(6)):
        expected = torch.from_numpy(picture(24 + position)).permute(2, 0, 1).float() / 255
        torch.testing.assert_close(sample["image"], expected, rtol=0, atol=0)
        assert sample["index"] == position
        assert "mask" not in sample


@pytest.mark.parametrize("kind", ["tsv", "parquet"])
def test_other_formats_give_the_same(table: Path, kind: str) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    other = table.with_suffix(f".{kind}")
    rows.to_parquet(other) if kind == "parquet" else rows.to_csv(other, sep="\t", index=False)
    one, two = table_data(table, group="session"), table_data(other, group="session")
    assert one.fingerprint() == two.fingerprint()
    assert numbers(one) == numbers(two)


def test_the_drawn_test_is_the_same_for_all_seeds_and_stratified(table: Path) -> None:
    one, two = table_data(table, seed=0), table_data(table, seed=7)
    assert numbers(one) == numbers(two)
    assert np.bincount(one.test().labels).tolist() == [3, 3]
    pool, test = numbers(one)
    assert sorted(pool + test) == list(range(NUM_ROWS))
    assert len(table_data(table, test_fraction=0.5).test()) == 15


def test_a_drawn_test_parts_no_group(table: Path) -> None:
    data = table_data(table, group="session")
    pool, test = of_table(data)
    assert pool.groups is not None
    assert test.groups is not None
    assert len(test) > 0
    assert not set(pool.groups) & set(test.groups)
    assert sorted({*pool.groups, *test.groups}) == [f"{number:03d}" for number in range(10)]
    # the row's own group
    assert [f"{int(Path(name).stem) // 3:03d}" for name in listed(pool)] == pool.groups.tolist()


def test_validation_rows_validate_every_model_and_train_none(table: Path) -> None:
    data = table_data(table, split="set", val_fraction=0.3)
    for plan, num_parts in (("disjoint", 2), ("seeds", 2), ("folds", 3)):
        for part in range(num_parts):
            own = table_data(table, split="set", val_fraction=0.3, plan=plan, num_parts=num_parts, part=part)
            assert len(own.pool()) == 18
            held_out = own.held_out() if plan == "folds" else np.empty(0)
            assert own.validation_indices().tolist() == held_out.tolist()
            assert own.train_indices().size + held_out.size == (9 if plan == "disjoint" else 18)
            batches = list(own.val_dataloader())
            assert torch.cat([batch["label"] for batch in batches]).tolist() == [1, 0, 1, 0, 1, 0]
            expected = torch.from_numpy(picture(18)).permute(2, 0, 1).float() / 255
            assert torch.equal(batches[0]["image"][0], expected)
    # other images have no validation rows of their own
    other = data.with_images(data.pool(), data.test(), seed=0)
    assert other.validation() is None
    assert other.validation_indices().size == round(0.3 * 18)
    assert data.validation() is not None


def test_without_test_rows_those_of_validation_are_the_test(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    save(table, rows[rows["set"] != "test"])
    data = table_data(table, split="set")
    with pytest.warns(UserWarning, match="validation rows of .* are the test, because its column 'set' names no test"):
        assert numbers(data) == (list(range(18)), list(range(18, 24)))
    assert data.validation() is None
    save(table, rows[rows["set"] == "train"])
    with pytest.raises(ValueError, match=r"test rows in .*cells\.csv, got none"):
        table_data(table, split="set").setup("fit")


def test_a_group_in_two_sets_is_refused(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.loc[25, "session"] = "000"
    with pytest.raises(
        ValueError, match=r"got 1 in two, the first '000': training in line 2 of .*, test in line 27 of"
    ):
        table_data(save(table, rows), split="set", group="session").setup("fit")
    rows.loc[3:5, "session"] = ""
    with pytest.raises(ValueError, match=r"a group in every row, got 3 of 30 without, the first in line 5 of"):
        table_data(save(table, rows), group="session").setup("fit")


@pytest.mark.parametrize(
    ("column", "row", "value", "settings", "said"),
    [
        (
            "set",
            4,
            "training set",
            {"split": "set"},
            r"got 'training set' in line 6 .*'test', 'train', 'training set', 'v",
        ),
        ("set", 4, "", {"split": "set"}, "got '' in line 6"),
        ("label", 4, "", {}, "a label in every row, got 1 of 30 without, the first in line 6 of"),
        ("path", 4, "", {}, "a file's name in every row, got an empty cell in line 6 of"),
        ("path", 4, "../x.png", {}, r"to name files in .*cells/, got \.\./x\.png in line 6 .* set `root` to a folder"),
        ("path", 4, "/etc/hosts", {}, "got /etc/hosts in line 6 .* such as /etc"),
        ("path", 4, "C:\\data\\x.png", {}, r"got C:\\data\\x\.png in line 6 .* set `root`"),
        ("path", 4, "https://x.org/x.png", {}, "got https://x.org/x.png in line 6 .*: download them first"),
        ("label", 27, "only here", {"split": "set"}, "training rows of every class, got none of 'only here'"),
        ("path", 9, "images/00003.png", {"split": "set"}, r"one meaning of every image, got .*'note' in line 5"),
    ],
)
def test_cells_without_meaning_are_refused(
    table: Path, column: str, row: int, value: str, settings: dict[str, Any], said: str
) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.loc[row, column] = value
    if column == "path" and row == 9:
        # same label and set, but another session
        settings, said = (
            {**settings, "group": "session"},
            r"one meaning .*'001' in the column 'session' in line 5 .*'003'",
        )
    with pytest.raises(ValueError, match=said) as refused:
        table_data(save(table, rows), **settings).setup("fit")
    assert "\n" not in str(refused.value)


def test_repeated_rows_are_counted_and_left_out(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    again = rows.iloc[[3, 5]].assign(path=["./images//00003.png", "images\\00005.png"], note="another")
    save(table, pd.concat([rows, again]))
    with pytest.warns(UserWarning, match="Left out 2 of 32 rows that repeat others, the first in line 32 of"):
        assert numbers(table_data(table, split="set"))[0] == list(range(18))
    save(table, pd.concat([rows, again.assign(label="NA", path=["images/00003.png", "images/00006.png"])]))
    with pytest.raises(
        ValueError, match=r"got images/00006\.png with 'crack' in the column 'label' in line 8 .*'NA' in"
    ):
        table_data(table, split="set").setup("fit")


def test_unlabelled_rows_can_be_skipped(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.loc[[3, 5], "label"] = " "
    save(table, rows)
    with pytest.warns(UserWarning, match="Left out 2 of 30 rows without a label, the first in line 5 of"):
        assert numbers(table_data(table, split="set", unlabelled="skip"))[0] == [0, 1, 2, 4, *range(6, 18)]


def test_findings_have_columns(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows["Edema"] = ["1.0", "0.0", "", "-1.0", "1"] * 6
    rows["Mass"] = ["0", "1"] * 15
    save(table, rows)
    data = table_data(table, split="set", label=["Mass", "Edema"], uncertain="present")
    assert data.findings == data.class_names == ["Mass", "Edema"]
    nan = float("nan")
    np.testing.assert_array_equal(data.pool().labels[:5], [[0, 1], [1, 0], [0, nan], [1, 1], [0, 1]])
    assert data.split().train_indices(0).size == 9
    with pytest.raises(ValueError, match=r"'Edema' .* got '-1.0' in line 5 of .* set `uncertain`"):
        table_data(table, split="set", label=["Mass", "Edema"]).setup("fit")
    rows["joined"] = ["A|B", "B", "No Finding"] * 10
    joined = table_data(save(table, rows), split="set", label="joined", separator="|")
    assert joined.findings == ["A", "B"]
    assert joined.test().labels.tolist() == [[1, 1], [0, 1], [0, 0]] * 2
    assert [line.split()[0::3] for line in joined.summary.splitlines()[2:]] == [["A", "2"], ["B", "4"]]


def test_the_summary_counts_images_groups_and_classes(table: Path) -> None:
    counted = table_data(table, split="set", group="session").summary.splitlines()
    assert [line.split() for line in counted] == [
        ["training", "test", "validation"],
        ["images", "18", "6", "6"],
        ["groups", "6", "2", "2"],
        ["NA", "9", "3", "3"],
        ["crack", "9", "3", "3"],
    ]


def test_a_window_and_one_channel_are_passed_on(table: Path) -> None:
    data = table_data(table, split="set", channels=1, window=(50, 200))
    # the numbers of the file become black and white, and then its colors become gray (ITU-R 601)
    colors = np.asarray(Image.open(table.parent / "images" / "00000.png"), np.float32)
    expected = torch.from_numpy(np.clip((colors - 50) / 150, 0, 1) @ np.array([0.299, 0.587, 0.114], np.float32))[None]
    torch.testing.assert_close(data.pool()[0]["image"], expected)
    other = table_data(table, split="set", channels=1, window=(50, 100))
    assert data.fingerprint() != other.fingerprint() != table_data(table, split="set").fingerprint()
    with pytest.raises(ValueError, match="low below high"):
        table_data(table, window=(5, 5))


def test_percentiles_of_the_training_images_are_measured_once_without_the_test(table: Path) -> None:
    for number in range(24, 30):
        Image.fromarray(np.full((SIDE, SIDE), 255, np.uint8)).save(table.parent / "images" / f"{number:05d}.png")
    data = table_data(table, split="set", channels=1, window=Percentiles(0, 50, "training"))
    numbers = [np.asarray(Image.open(table.parent / "images" / f"{number:05d}.png")) for number in range(18)]
    expected = (float(np.min(numbers)), float(np.median(numbers)))
    assert data.use_part(1).window_in_use() == pytest.approx(expected)
    assert data.window_in_use() == pytest.approx(expected)
    assert len(data._windows) == 1
    with pytest.raises(ValueError, match="`window` with `frame`, got over training"):
        table_data(table, frame="page", window=Percentiles(over="training"))


def test_settings_that_contradict_are_refused(table: Path) -> None:
    for settings, said in (
        ({"label": []}, "`label` to name columns, each once"),
        ({"label": ["a", "a"]}, "`label` to name columns, each once"),
        ({"box": ["x", "y"]}, "`box` to name four columns or one"),
        ({"separator": ""}, "`separator` to be what joins names"),
        ({"delimiter": "\r\n"}, "`delimiter` to be one character"),
        ({"test_fraction": 1.0}, r"`test_fraction` to be in \(0, 1\)"),
        ({"label": ["a"], "threshold": 0.5}, "`threshold` only with one column"),
        ({"label": ["a"], "separator": "|"}, "`separator` only with one column"),
        ({"uncertain": "zeros"}, "`uncertain` to be 'refuse' or 'absent' or 'present' or 'unsaid', got 'zeros'"),
        ({"unmentioned": "present"}, "`unmentioned` to be"),
        ({"unlabelled": "drop"}, "`unlabelled` to be"),
        ({"channels": 0}, "`channels` to be at least 1"),
    ):
        with pytest.raises(ValueError, match=said):
            table_data(table, **settings)


def test_the_fingerprint_follows_what_is_used(table: Path) -> None:
    used = {"split": "set", "group": "session", "mask": "mask"}
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    before = table_data(table, **used).fingerprint()
    assert table_data(table, **used, image_size=32).fingerprint() == before
    assert table_data(save(table, rows.assign(note="other")), **used).fingerprint() == before
    seen = {before}
    for column, value in (("label", "crack"), ("session", "000a"), ("set", "val"), ("mask", "masks/00001.png")):
        changed = rows.copy()
        # the session as a whole, so that it stays in one set
        changed.loc[15 : 17 if column in ("session", "set") else 15, column] = value
        seen.add(table_data(save(table, changed), **used).fingerprint())
    save(table, rows)
    Image.fromarray(picture(5, (18, 18, 3))).save(table.parent / "images" / "00000.png")
    seen.add(table_data(table, **used).fingerprint())
    assert len(seen) == 6


def test_copies_for_other_parts_read_the_table_once(table: Path) -> None:
    data = table_data(table, split="set")
    other = data.use_part(1)
    assert other.rows is data.rows
    assert other.pool() is data.pool()
    assert not set(data.train_indices()) & set(other.train_indices())
    table.unlink()
    assert copy.copy(data).class_names == ["NA", "crack"]


def test_it_is_a_module_like_others(tmp_path: Path) -> None:
    folder = tmp_path / "few"
    rows = make_table(folder, 8)
    rows.to_csv(folder / "few.csv", index=False)
    data = table_data(folder / "few.csv", mask="mask", test_fraction=0.25)
    assert isinstance(data, ImageDataModule)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape[1:] == (3, SIDE, SIDE)
    assert batch["mask"].dtype == torch.bool
