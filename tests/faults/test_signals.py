"""Ctrl-C and SIGTERM end a study at once, with nothing half written and one line that says how to go on."""

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.faults.child import STAGES, assert_same_run, die, files_of, start

# Ctrl-C takes the same way through every stage: one in any run of the tests, the others in a night's
CASES = [
    pytest.param(number, stage, marks=pytest.mark.soak if number == signal.SIGINT and stage != "explain" else ())
    for number in (signal.SIGINT, signal.SIGTERM)
    for stage in STAGES
]


@pytest.mark.parametrize(("number", "stage"), CASES)
def test_a_signal_ends_a_study_with_the_command_that_goes_on(
    undisturbed: Path, tmp_path: Path, number: signal.Signals, stage: str
) -> None:
    out = tmp_path / "a run"
    ended = start(out, partial(die, number), 5 if stage != "write" else 17, stage)
    assert ended.code == 128 + number
    command = f"spx stability --config {tmp_path}/config.yaml --out '{out}'"
    assert ended.last == f"stopped by {number.name}: what is finished is kept in {out}; go on with: {command}"
    assert not any("Traceback" in line for line in ended.lines)
    assert not [path for path in files_of(out) if ".part" in path.name]
    if stage == "train":
        assert (out / "checkpoints" / "repeat0-model0.epoch").is_file()
    if number == signal.SIGTERM and stage == "train":
        assert start(out).code == 0
        assert_same_run(out, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_that_load_images_end_with_their_study(tmp_path: Path, number: signal.Signals) -> None:
    fault = partial(die, number, group=True)
    ended = start(tmp_path / "run", fault, 4, "train", "--data.init_args.num_workers=2")
    assert ended.code == 128 + number
    assert ended.last.startswith(f"stopped by {number.name}: what is finished is kept in")
    assert not any("Traceback" in line or "DataLoader" in line for line in ended.lines)
