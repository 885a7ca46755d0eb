"""A study that is killed, at any moment and again while it goes on, ends with the results of an undisturbed one."""

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.faults.child import STAGES, assert_same_run, die, ended, files_of, launch, start, words_for

KILL = partial(die, signal.SIGKILL)
# of an undisturbed study, in which each is a moment to be killed at
NUM_EVENTS = {"train": 12, "explain": 6, "write": 91, "report": 32}


def finished(out: Path) -> dict[Path, int]:
    """Models and blocks, with the time they were written at."""
    return {path: (out / path).stat().st_mtime_ns for path in files_of(out) if is_finished(path)}


def is_finished(path: Path) -> bool:
    # where masks lie is written before the block, which says that both are there
    whole = path.suffix == ".ckpt" or path.parent.name == "per_image"
    return whole and not path.name.startswith(".")


def kill_and_go_on(out: Path, undisturbed: Path, moments: list[tuple[str, int]]) -> int:
    """Kill start after start at events of stages, then let one end; return how many were killed."""
    killed = 0
    for stage, at in moments:
        before = finished(out) if out.exists() else {}
        code = start(out, KILL, at, stage).code
        # what is left to do may have fewer events
        assert code in (-signal.SIGKILL, 0)
        killed += code != 0
        assert before.items() <= finished(out).items(), "what was finished was made again"
    kept = finished(out)
    last = start(out)
    assert last.code == 0, last.lines
    assert kept.items() <= finished(out).items(), "what was finished was made again"
    assert_same_run(out, undisturbed)
    return killed


def moments_of(seed: int, stage: str) -> list[tuple[str, int]]:
    """One event of a stage, and for every second seed another of any stage, in the start that follows."""
    draw = random.Random(seed)
    moments = [(stage, draw.randrange(NUM_EVENTS[stage]))]
    if seed % 2:
        again = draw.choice(STAGES)
        moments.append((again, draw.randrange(NUM_EVENTS[again] // 2)))
    return moments


@pytest.mark.parametrize("stage", STAGES)
def test_a_study_killed_in_a_stage_goes_on_to_the_same_results(undisturbed: Path, tmp_path: Path, stage: str) -> None:
    seed = STAGES.index(stage)
    assert kill_and_go_on(tmp_path / "run", undisturbed, moments_of(seed, stage)) >= 1


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4, 44))
def test_a_study_killed_at_a_random_event(undisturbed: Path, tmp_path: Path, seed: int) -> None:
    stage = STAGES[seed % len(STAGES)]
    assert kill_and_go_on(tmp_path / "run", undisturbed, moments_of(seed, stage)) >= 1


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(25))
def test_a_group_of_processes_killed_at_a_random_time(undisturbed: Path, tmp_path: Path, seed: int) -> None:
    """Workers too, from outside, at a time that no event knows; start after start, until one ends before it."""
    draw = random.Random(seed)
    out, log = tmp_path / "run", tmp_path / "run.log"
    words = words_for(out, f"--data.init_args.num_workers={draw.choice([0, 2])}")
    began = time.monotonic()
    assert start(tmp_path / "timed", None, None, None, *words[5:]).code == 0
    duration = time.monotonic() - began
    for _ in range(3):
        process = launch(words, log)
        process.join(timeout=draw.uniform(0, duration))
        if process.exitcode is None and process.pid is not None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # so early that it has no group of its own yet
                process.kill()
        if ended(process, log).code == 0:
            break
    last = ended(launch(words, log), log)
    assert last.code == 0, last.lines
    assert_same_run(out, undisturbed)
