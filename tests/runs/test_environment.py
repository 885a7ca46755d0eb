"""What `run.json` says of the environment."""

import pytest

from lightning_spx.runs import environment


def test_what_changes_the_rounding_is_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment.environment()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(environment, "version", lambda name: "0.1")
    after = environment.environment()
    assert before["environment"] != after["environment"]
    versions = after["versions"]
    assert isinstance(versions, dict)
    assert versions["numba"] == "0.1"


def test_a_package_and_a_program_that_are_not_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package",))
    record = environment.environment()
    versions = record["versions"]
    assert isinstance(versions, dict)
    assert versions["no-such-package"] is None
    assert record["commit"] is None
