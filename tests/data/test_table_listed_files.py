"""The files that a table's rows name: how names are understood, and what is missing, damaged or left on disk."""

import pickle
import warnings
from pathlib import Path

import pandas as pd
import pytest
import torch

from lightning_spx.data import TableDataModule, table_images
from tests.data.picture import picture
from tests.data.table_cases import numbers, of_table, save, table_data
from tests.data.table_folder import SIDE


@pytest.mark.parametrize("style", ["windows", "absolute", "home", "dots", "suffix"])
def test_names_of_files_are_understood(table: Path, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(table.parent.parent))
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    expected = table_data(table).fingerprint()
    changed = {
        "windows": rows["path"].str.replace("/", "\\"),
        "absolute": f"{table.parent}/" + rows["path"],
        "home": "~/cells/" + rows["path"],
        "dots": "./masks/../" + rows["path"],
        "suffix": rows["path"].str.removesuffix(".png"),
    }
    data = table_data(save(table, rows.assign(path=changed[style])), suffix=".png" if style == "suffix" else "")
    assert data.fingerprint() == expected
    assert len(data.pool()) == 24


def test_root_is_another_folder(table: Path, tmp_path: Path) -> None:
    moved = table.rename(tmp_path / "elsewhere.csv")
    with pytest.raises(FileNotFoundError, match=r"30 of 30 do not exist, .* in line 2 .* There is no folder .*`root`"):
        table_data(moved).setup("fit")
    data = table_data(moved, root=table.parent)
    assert len(data.pool()) == 24
    assert data.name == "elsewhere"


def test_missing_images_are_counted_before_any_is_read(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = numbers(table_data(table))
    for number in (2, 7):
        (table.parent / "images" / f"{number:05d}.png").unlink()
    with pytest.warns(UserWarning, match=r"absent: 2 of 30 do not exist, the first .*00002\.png in line 4 of"):
        left = numbers(table_data(table))
    # those that are there stay where they were
    assert left == tuple([number for number in each if number not in (2, 7)] for each in whole)
    monkeypatch.setattr(table_images, "read_photo", lambda *_: pytest.fail("an image was read"))
    with pytest.raises(FileNotFoundError, match=r"all images that .*cells\.csv names, 2 of 30 do not exist"):
        table_data(table, strict=True).setup("fit")


def test_names_without_their_ending_are_explained(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    with pytest.raises(FileNotFoundError, match=r"There is 00000\.png: set `suffix` to '\.png'"):
        table_data(save(table, rows.assign(path=rows["path"].str.removesuffix(".png")))).setup("fit")
    with pytest.raises(FileNotFoundError, match=r"There is 00000\.png\.$"):
        table_data(save(table, rows.assign(path=rows["path"].str.replace("png", "PNG")))).setup("fit")


def test_unreadable_images_are_left_out_or_refused(table: Path) -> None:
    (table.parent / "images" / "00004.png").write_bytes(b"no image")
    data = table_data(table, split="set", group="session")
    with pytest.warns(UserWarning, match=r"Left out 1 of 18 images that cannot be read\. .*00004\.png"):
        data.pool()
    assert numbers(data)[0] == [0, 1, 2, 3, *range(5, 18)]
    pool, _ = of_table(data)
    assert pool.groups is not None
    assert len(pool.groups) == 17
    torch.testing.assert_close(pool[4]["image"], torch.from_numpy(picture(5)).permute(2, 0, 1).float() / 255)
    with pytest.raises(ValueError, match=r"00004\.png to be a readable image"):
        table_data(table, split="set", strict=True).setup("fit")
    for number in range(24, 30, 2):
        (table.parent / "images" / f"{number:05d}.png").write_bytes(b"no image")
    damaged = pytest.warns(UserWarning, match="Left out 1 of 18|Left out 3 of 6")
    with damaged, pytest.raises(ValueError, match="a readable test image of 'crack', got none"):
        table_data(table, split="set").setup("fit")


def test_images_on_disk_equal_those_in_memory(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table.parent / "images" / "00004.png").write_bytes(b"no image")

    def samples(data: TableDataModule, in_memory: bool) -> list[dict[str, torch.Tensor]]:
        with pytest.warns(UserWarning, match="Left out 1 of 18"):
            pool, _ = of_table(data)
        assert pool.in_memory == in_memory
        return [pool[index] for index in range(len(pool))]

    kept = samples(table_data(table, split="set", mask="mask"), in_memory=True)
    for limit in (0, 5 * 4 * SIDE**2):
        # the second is reached while images are read
        monkeypatch.setattr(table_images, "IN_MEMORY_BYTES", limit)
        for one, two in zip(kept, samples(table_data(table, split="set", mask="mask"), in_memory=False), strict=True):
            assert one.keys() == two.keys()
            assert all(torch.equal(one[name], two[name]) for name in one)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(table_images, "IN_MEMORY_BYTES", 0)
        unverified = table_data(table, split="set", verify=False).pool()
    assert len(unverified) == 18
    with pytest.raises(ValueError, match=r"00004\.png to be a readable image"):
        unverified[4]


def test_images_travel_to_other_processes(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_images, "IN_MEMORY_BYTES", 0)
    pool, _ = of_table(table_data(table, split="set", mask="mask"))
    again = pickle.loads(pickle.dumps(pool))
    assert torch.equal(again[3]["image"], pool[3]["image"])
