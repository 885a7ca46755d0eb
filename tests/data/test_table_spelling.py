"""One patient that is written in two ways, and what programs write for nothing, are refused."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lightning_spx.data import TableDataModule
from lightning_spx.data.table_labels import read_classes
from lightning_spx.data.table_spelling import check_spellings


def table_data(table: Path, **settings: object) -> TableDataModule:
    arguments: dict[str, Any] = {"image_size": 16, **settings}
    return TableDataModule(table, **arguments)


def changed(table: Path, **columns: list[str]) -> Path:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False).assign(**columns)
    path = table.with_name("changed.csv")
    rows.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("two", [("1", "1.0"), ("1", "001"), ("P1", "p1"), ("Jose\u0301", "Jos\u00e9")])
def test_one_group_in_two_spellings_is_refused(table: Path, two: tuple[str, str]) -> None:
    groups = [two[row % 2] if row < 4 else f"g{row}" for row in range(30)]
    with pytest.raises(ValueError, match="every group to be written in one way"):
        table_data(changed(table, patient=groups), group="patient").pool()


@pytest.mark.parametrize("nothing", ["nan", "NA", "None", "null"])
def test_a_group_that_says_nothing_is_refused(table: Path, nothing: str) -> None:
    groups = [nothing if row in (3, 5) else f"g{row}" for row in range(30)]
    with pytest.raises(ValueError, match="got 2 of 30 without, the first in line 5"):
        table_data(changed(table, patient=groups), group="patient").pool()


def test_names_of_a_kind_are_different() -> None:
    check_spellings(["a1", "a01", "1", "2", "-1"], "group")
    with pytest.raises(ValueError, match=r"label to be written in one way, got 'gr\\xe8be' and 'gre\\u0300be'"):
        check_spellings(["gr\u00e8be", "gre\u0300be"], "label")


def test_a_table_in_another_order_has_the_same_test_and_parts(table: Path) -> None:
    def facts(data: TableDataModule) -> list[set[str]]:
        pool, test = data.pool(), data.test()
        assert pool.paths is not None
        assert test.paths is not None
        parts = [{pool.paths[row].name for row in part} for part in data.split().parts]
        return [{path.name for path in test.paths}, *parts]

    rows = table.read_text().splitlines()
    before = facts(table_data(table))
    table.write_text("\n".join([rows[0], *reversed(rows[1:])]))
    assert facts(table_data(table)) == before


def test_other_pixels_of_the_same_size_are_another_fingerprint(table: Path) -> None:
    before = table_data(table).fingerprint()
    path = table.parent / "images" / "00003.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert table_data(table).fingerprint() != before


def test_index_arrays_are_rows_of_the_table(table: Path) -> None:
    data = table_data(table, split="set")
    pool = data.pool()
    assert pool.paths is not None
    assert pool.numbers is not None
    rows = pool.numbers[::-1]
    parts = table.parent / "parts.json"
    parts.write_text(str([rows[:9].tolist(), rows[9:].tolist()]))
    given = table_data(table, split="set", splits=parts)
    for part, numbers in zip(given.split().parts, (rows[:9], rows[9:]), strict=True):
        names = {pool.paths[position].name for position in part}
        assert names == {f"{number:05d}.png" for number in numbers}
    outside = next(row for row in range(30) if row not in set(rows.tolist()))
    parts.write_text(str([[outside, *rows[:9].tolist()], rows[9:].tolist()]))
    with pytest.raises(ValueError, match=f"got 1 others in part 0, the first row {outside}"):
        table_data(table, split="set", splits=parts).split()


def test_slices_of_one_file_stay_together(table: Path) -> None:
    slices = changed(
        table, path=[f"images/0000{row // 3}.png" for row in range(30)], slice=[str(row % 3) for row in range(30)]
    )
    rows = TableDataModule(slices, frame="slice").rows
    assert rows.groups is not None
    assert rows.groups.tolist() == rows.paths.tolist()


def test_several_findings_in_a_class_are_noticed() -> None:
    cells = pd.Series(["Mass|Edema", "Edema", "No Finding"])
    with pytest.warns(UserWarning, match=r"'Mass\|Edema' is a class beside a part of it: set `separator`"):
        assert len(read_classes(cells, str).names) == 3


def test_a_header_beside_columns_is_refused(table: Path) -> None:
    names = table.read_text().splitlines()[0].split(",")
    with pytest.raises(ValueError, match=r"line 1 of .* repeats them"):
        table_data(table, columns=names).pool()


def test_the_line_of_excel_that_names_the_delimiter_is_none_of_the_table(table: Path) -> None:
    before = table_data(table, split="set").fingerprint()
    table.write_text("sep=;\n" + table.read_text().replace(", ", " ").replace(",", ";").replace('"', ""))
    assert table_data(table, split="set").fingerprint() == before
