"""Files of values per image: what is written is read, all of it or number by number, in files of any version."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightning_spx.runs.blocks import COLUMNS, STUDY_KEY, read_number, read_rows, write_rows

NUMBERS = [("saliency_ssim", ""), ("distance", "distance=l2"), ("distance", "distance=spearman")]


def values() -> pd.DataFrame:
    """Two images, pairs and kinds of maps, whose numbers stand beside one another as `compare` orders them."""
    draw = np.random.default_rng(0)
    rows = [
        {"superpixels": name, "pair": pair, "metric": metric, "setting": setting, "index": index}
        for name in ("pixel", "Slic")
        for pair in ("0-1", "0-2")
        for metric, setting in NUMBERS
        for index in (7, 3)
    ]
    table = pd.DataFrame(rows).assign(magnitude="either", agree=True, differ=False, num_segments=5)
    table["finding"] = pd.Categorical(["wing", "beak"] * (len(table) // 2), categories=["tail", "wing", "beak"])
    table = table.assign(**{name: draw.random(len(table)) for name in ("value", "permuted", "mismatched")})
    return table.assign(method="Gradient", repeat=0)


def write_earlier(path: Path, rows: pd.DataFrame) -> None:
    """Write rows as versions before groups of numbers did."""
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata({STUDY_KEY: b"study"})
    pq.write_table(table, path, write_page_checksum=True)


@pytest.mark.parametrize("earlier", [False, True])
def test_a_number_is_read_alone(earlier: bool, tmp_path: Path) -> None:
    rows, path = values(), tmp_path / "block.parquet"
    if earlier:
        write_earlier(path, rows)
    else:
        write_rows(path, rows.assign(plan="seeds"), "study", {})
    for metric, setting in NUMBERS:
        (found,) = read_number([path], metric, setting)
        wanted = rows[(rows["metric"] == metric) & (rows["setting"] == setting)].reset_index(drop=True)
        assert set(found["plan"]) == {"" if earlier else "seeds"}
        assert list(found["finding"].cat.categories) == ["tail", "wing", "beak"]
        for name in rows:
            assert found[name].tolist() == wanted[name].tolist(), name
    (none,) = read_number([path], "reco", "")
    assert none.empty
    assert set(none.columns) == {*rows.columns, "plan"}


def test_all_rows_are_kept(tmp_path: Path) -> None:
    rows, path = values(), tmp_path / "block.parquet"
    write_rows(path, rows, "study", {})
    (found,) = read_rows([path])
    assert pq.ParquetFile(path).num_row_groups == len(NUMBERS)
    order = ["metric", "setting", "superpixels", "pair", "index"]
    kept, written = (
        table.astype({"finding": str}).sort_values(order)[list(rows)].reset_index(drop=True) for table in (found, rows)
    )
    pd.testing.assert_frame_equal(kept, written, check_dtype=False)


def test_a_damaged_block_and_one_that_lacks_a_column_are_named(tmp_path: Path) -> None:
    rows, path = values(), tmp_path / "block.parquet"
    write_rows(path, rows, "study", {})
    content = bytearray(path.read_bytes())
    place = content.index(np.float64(rows["value"].iloc[0]).tobytes()[:4])
    content[place] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"block.parquet, got a damaged file"):
        list(read_number([path], *NUMBERS[0]))
    write_rows(path, rows.drop(columns=COLUMNS[-1]), "study", {})
    with pytest.raises(ValueError, match=r"block.parquet, got a damaged file"):
        list(read_number([path], *NUMBERS[0]))
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"block.parquet, got a damaged file"):
        list(read_number([path], *NUMBERS[0]))
