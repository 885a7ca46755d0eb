"""Split files: unchanged, or refused by name."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_spx.data import load_splits, save_splits
from tests.inputs.outcomes import refused, refused_or
from tests.inputs.split_files import LABELS, SPLIT_FILES, SPLITS, WHOLE
from tests.inputs.strategies import damaged, examples


@pytest.mark.parametrize("name", SPLIT_FILES)
def test_a_file_that_was_touched_is_refused_in_a_line_that_names_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    path.write_bytes(SPLIT_FILES[name])
    refused(lambda: load_splits(path, LABELS), str(path))


def test_the_file_itself_is_read(tmp_path: Path) -> None:
    save_splits(SPLITS, tmp_path / "splits.json")
    assert (tmp_path / "splits.json").read_text() == WHOLE
    assert load_splits(tmp_path / "splits.json", LABELS) == SPLITS


@examples(100)
@given(content=damaged(WHOLE.encode()))
def test_a_damaged_file_is_refused_or_says_the_same(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(content)
    found = refused_or(lambda: load_splits(path, LABELS), "damaged.json")
    assert found is None or found == SPLITS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SPLITS[0].content()]), inner),
    max_leaves=8,
)


@examples(100)
@given(content=JSON)
def test_any_other_json_is_refused(content: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "other.json"
    path.write_text(json.dumps(content))
    refused(lambda: load_splits(path, LABELS), "other.json")
