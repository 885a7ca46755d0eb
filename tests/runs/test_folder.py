"""A run folder is taken up again by the same settings alone."""

from pathlib import Path

import pytest

from lightning_spx.runs.folder import default_folder, open_run_folder

CONFIG = {"seed": 0, "methods": [{"class_path": "Gradient"}], "trainer": {"max_epochs": 2, "logger": False}}


def test_the_same_settings_take_up_the_run(tmp_path: Path) -> None:
    open_run_folder(tmp_path / "run", CONFIG)
    assert open_run_folder(tmp_path / "run", CONFIG).path == tmp_path / "run"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "Expected `seed` to be 0 as in the earlier run .*, got 1"),
        ({"methods": []}, r"Expected `methods.*"),
        ({"extra": 5}, "Expected `extra` to be None as in the earlier run .*, got 5"),
        ({"trainer": {"max_epochs": 3, "logger": False}}, "`trainer.max_epochs` to be 2 .*, got 3"),
    ],
)
def test_a_changed_setting_is_refused_by_name(tmp_path: Path, change: dict[str, object], message: str) -> None:
    open_run_folder(tmp_path / "run", CONFIG)
    with pytest.raises(ValueError, match=message):
        open_run_folder(tmp_path / "run", CONFIG | change)


def test_another_logger_goes_on_with_the_run(tmp_path: Path) -> None:
    open_run_folder(tmp_path / "run", CONFIG)
    changed = CONFIG | {"trainer": {"max_epochs": 2, "logger": {"class_path": "WandbLogger"}}, "out": "elsewhere"}
    open_run_folder(tmp_path / "run", changed)
    assert default_folder("stability", "birds", changed) == default_folder("stability", "birds", CONFIG)


def test_a_changed_setting_gets_another_default_folder() -> None:
    assert default_folder("stability", "birds", CONFIG) != default_folder("stability", "birds", CONFIG | {"seed": 1})


def test_a_folder_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="Expected `out` to be a new folder, an empty one or a run's, got"):
        open_run_folder(tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(NotADirectoryError, match="Expected `out` to be a folder"):
        open_run_folder(tmp_path / "run", CONFIG)


@pytest.mark.parametrize("content", ["{unclosed", "just a line"])
def test_a_broken_configuration_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"Expected a run's configuration in .*config\.yaml"):
        open_run_folder(tmp_path, CONFIG)
