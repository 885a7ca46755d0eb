"""What `run.json` says of the places that a run's numbers come from."""

import json
from pathlib import Path

import pytest

from lightning_spx.runs import environment
from lightning_spx.runs import record as run_record
from lightning_spx.runs.folder import open_run_folder
from lightning_spx.runs.record import RunRecord


def test_an_earlier_start_on_another_machine_stays_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run_folder(tmp_path / "run", {"seed": 0})
    places: list[dict[str, object]] = [{"host": "a", "threads": 1}, {"host": "b", "threads": 1}]
    for place in (places[0], places[0], places[1], places[0], places[1]):
        monkeypatch.setattr(run_record, "environment", lambda place=place: place)
        RunRecord.open(run, {"seed": 0})
    record = json.loads((run.path / "run.json").read_text())
    assert record["host"] == "b"
    assert record["earlier_starts"] == places


def test_a_run_goes_on_only_with_the_settings_that_it_was_started_with(tmp_path: Path) -> None:
    run = open_run_folder(tmp_path / "run", {"seed": 0, "out": "here"})
    RunRecord.open(run, {"seed": 0})
    (run.path / "config.yaml").write_text("seed: 0\nout: there\n")
    RunRecord.open(run, {"seed": 0})
    (run.path / "config.yaml").write_text("out: here\n")
    with pytest.raises(ValueError, match=r"run/config\.yaml with the settings that the run was started with"):
        RunRecord.open(run, {"seed": 0})


@pytest.mark.parametrize("content", ["", "[1]", '{"models": [], "seed": 0}', '{"models": {}, "seed": 0, "seconds": 1}'])
def test_a_damaged_record_is_named_when_a_run_goes_on(tmp_path: Path, content: str) -> None:
    run = open_run_folder(tmp_path / "run", {"seed": 0})
    (run.path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"Expected a run's record in .*run/run\.json"):
        RunRecord.open(run, {"seed": 0})
    assert (run.path / "run.json").read_text() == content


def test_a_run_of_one_start_has_no_earlier_ones(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert record["earlier_starts"] == []
    assert record["command"] == "stability"
    assert record.keys() >= environment.environment().keys()
