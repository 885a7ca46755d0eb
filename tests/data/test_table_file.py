import codecs
import decimal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightning_spx.data.table_file import Table, read_table

WANTED = {"path": ["path"], "label": ["label"]}
ROWS = {"path": ["00012", "b.png"], "label": ["NA", "1.0"]}


def read(folder: Path, content: bytes, names: Sequence[str] | None = None, delimiter: str | None = None) -> Table:
    path = folder / "t.csv"
    path.write_bytes(content)
    return read_table(path, WANTED, names, delimiter)


def cells(table: Table) -> dict[str, list[str]]:
    return {name: column.tolist() for name, column in table.cells.items()}


@pytest.mark.parametrize(
    "content",
    [
        b"path,label\n00012,NA\nb.png,1.0\n",
        b"label;path\nNA;00012\n1.0;b.png",
        b"path\tnote\tlabel\n00012\tx, y; z\tNA\nb.png\t\t1.0\n",
        b"path|label\n00012|NA\nb.png|1.0\n",
        b"path   label\n00012  NA\n b.png 1.0   \n",
        b"path,label\r\n00012,NA\r\n\r\nb.png,1.0\r\n",
        b"path,label\r00012,NA\rb.png,1.0\r",
        codecs.BOM_UTF8 + b"path,label\n00012,NA\nb.png,1.0\n",
        codecs.BOM_UTF8 + b'"path","label"\n"00012","NA"\n"b.png","1.0"\n',
        b" path , label \n 00012 ,\tNA\nb.png, 1.0 \n",
        b'path,note,label\n00012,"two\nlines, ""quoted""",NA\nb.png,,1.0\n',
        b"path,label,,\n00012,NA,,\n,,,\nb.png,1.0,,\n",
        b"path,label,twice,twice\n00012,NA,1,2\nb.png,1.0,3,4\n",
    ],
    ids=[
        *("comma", "semicolon", "tab", "bar", "spaces", "windows", "old mac", "byte order mark", "mark and quotes"),
        *("padded", "quoted lines", "empty columns and rows", "others twice"),
    ],
)
def test_text_is_read_as_it_is(tmp_path: Path, content: bytes) -> None:
    assert cells(read(tmp_path, content)) == ROWS


def test_rows_are_found_by_their_line(tmp_path: Path) -> None:
    table = read(tmp_path, b'path,note,label\n\na,"two\nlines",x\nb,,y\n')
    assert [table.place(row).split(" of ")[0] for row in range(2)] == ["line 4", "line 5"]
    assert table.take(np.array([1])).place(0) == table.place(1)


def test_a_file_without_a_header_needs_names(tmp_path: Path) -> None:
    content = b"a.png  1.0   mono\nb.png  0.33  poly\n"
    assert cells(read(tmp_path, content, ["path", "label", "kind"])) == {
        "path": ["a.png", "b.png"],
        "label": ["1.0", "0.33"],
    }
    with pytest.raises(ValueError, match=r"a column 'path' in .*t\.csv, it has 'a.png', .*or `columns` if the file"):
        read(tmp_path, content)


def test_a_given_delimiter_is_taken(tmp_path: Path) -> None:
    assert cells(read(tmp_path, b"path;label\na,b;c\n", delimiter=";"))["path"] == ["a,b"]
    with pytest.raises(ValueError, match=r"a column 'path' in .*, it has 'path;label'"):
        read(tmp_path, b"path;label\na;c\n", delimiter=",")


def test_missing_columns_are_named_with_the_nearest_first(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"column 'label' in .*, it has 'Label_name', 'age', 'path': set `label`"):
        read(tmp_path, b"age;Label_name;path\n1;2;3\n")
    many = ",".join(f"c{number}" for number in range(50))
    with pytest.raises(ValueError, match="and 40 more: set `path`"):
        read(tmp_path, f"{many}\n{many}\n".encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path,label\na,b,c\n", "2 cells in line 2 .* got 3, separated by ','"),
        (b"path,label\na,b\nc\n", "2 cells in line 3 .* got 1"),
        # an image and a label would be lost in a cell
        (b'path,label\na,"b\nc,d\n', "at line 3: unexpected end of data"),
        (b"path,path,label\na,b,c\n", "one column 'path' in .*, got 2"),
        (b"path,label\n", "rows below its header, got none"),
        (b"", "it is empty"),
        (b"path,label\nb\xe4r.png,a\n", "UTF-8 text, got the byte 0xe4: save it as UTF-8"),
        ("path,label\na,b\n".encode("utf-16"), "it is UTF-16 text: save it as UTF-8"),
        (b"PK\x03\x04rest", "such as an Excel workbook: save it as CSV"),
        (b"\x1f\x8brest", "it is compressed: unpack it"),
        (b"path,label\n\0,b\n", "it is binary"),
        (b"PAR1 and nothing else", "a readable Parquet file"),
        (b"path,label\n" + b"a" * 200_000 + b",b\n", "at line 2: field larger than field limit"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        read(tmp_path, content)
    assert "t.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a table at .*none\.csv, found none"):
        read_table(tmp_path / "none.csv", WANTED)
    with pytest.raises(FileNotFoundError, match="found a folder"):
        read_table(tmp_path, WANTED)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array(["00012", None]), ["00012", ""]),
        (pa.array([" x ", "NA"], pa.large_string()), ["x", "NA"]),
        (pa.array(["a", None]).dictionary_encode(), ["a", ""]),
        (pa.array([3, None], pa.int16()), ["3", ""]),
        (pa.array([1.0, None]), ["1", ""]),
        # as pandas writes the NaN of a column with missing numbers, if it writes no null
        (pa.array([1.0, float("nan")]), ["1", ""]),
        (pa.array([0.3333333333333333, -1.0]), ["0.3333333333333333", "-1"]),
        (pa.array([True, None]), ["true", ""]),
        (pa.array([decimal.Decimal("1.00"), None]), ["1.00", ""]),
        (pa.nulls(2), ["", ""]),
    ],
    ids=str,
)
def test_parquet_becomes_text(tmp_path: Path, values: pa.Array, texts: list[str]) -> None:
    # the content decides, not the ending
    path = tmp_path / "t.csv"
    pq.write_table(pa.table({"path": ["a", "b"], "other": [1, 2], "label": values}), path)
    table = read_table(path, WANTED)
    assert cells(table) == {"path": ["a", "b"], "label": texts}
    assert table.place(1).startswith("row 2 of ")


def test_parquet_of_pandas_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"path": pd.Categorical(["b", "a"]), "label": pd.array([1, None], dtype="Int64")}, index=["x", "y"]
    )
    frame.to_parquet(tmp_path / "t.parquet")
    assert cells(read_table(tmp_path / "t.parquet", WANTED)) == {"path": ["b", "a"], "label": ["1", ""]}


@pytest.mark.parametrize("values", [pa.array([[1], [2]]), pa.array([b"a", b"b"]), pa.array([{"x": 1}, None])], ids=str)
def test_parquet_without_text_is_refused(tmp_path: Path, values: pa.Array) -> None:
    pq.write_table(pa.table({"path": ["a", "b"], "label": values}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"text or numbers in the column 'label' of .*t\.parquet, got values of the"):
        read_table(tmp_path / "t.parquet", WANTED)


def test_parquet_with_a_problem_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"path": pa.array([], pa.string()), "label": pa.array([], pa.string())}), path)
    with pytest.raises(ValueError, match=r"1 to .* rows, got 0"):
        read_table(path, WANTED)
    with pytest.raises(ValueError, match=r"a column 'set' in .*, it has"):
        read_table(path, {"split": ["set"]})
    with pytest.raises(ValueError, match="`columns` only for a text file"):
        read_table(path, WANTED, ["path", "label"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"t\.parquet to be a readable Parquet file"):
        read_table(path, WANTED)
