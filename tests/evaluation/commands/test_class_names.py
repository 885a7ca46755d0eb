"""Classes by name or number."""

from pathlib import Path

import pytest

from lightning_spx.evaluation.commands.class_names import class_index, read_classes


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_classes_are_read_from_lines_or_a_table() -> None:
    Path("names.txt").write_text("owl\n\n<b>jay</b>\n")
    assert read_classes(Path("names.txt")) == ["owl", "<b>jay</b>"]
    Path("names.csv").write_text('index,wnid,name\n1,n2,"jay, blue"\n0,n1,owl\n')
    assert read_classes(Path("names.csv")) == ["owl", "jay, blue"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "to have the columns `index` and `name`"),
        ("index,name\n0,a\n2,b\n", "indices 0 to 1 without gaps"),
    ],
)
def test_a_table_of_another_form_is_refused(text: str, message: str) -> None:
    Path("names.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_classes(Path("names.csv"))


def test_a_class_is_named_or_numbered() -> None:
    assert class_index("jay", ["owl", "jay"], 2) == 1
    assert class_index("1", [], 3) == 1
    for wrong in ("3", "-1", "eagle", ""):
        with pytest.raises(ValueError, match=f"Expected `target` to be a class, 0 to 2.*, got '{wrong}'"):
            class_index(wrong, ["owl", "jay", "tit"], 3)
