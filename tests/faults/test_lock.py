"""One process at a time in a run's folder, or several that share it; no crash leaves a lock behind."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from lightning_spx.cli import main
from lightning_spx.runs.folder import RunFolder, open_run_folder
from lightning_spx.runs.lock import LOCK_FILE, lock_run
from tests.faults.child import start, words_for

FORK = multiprocessing.get_context("fork")


def _hold(folder: Path, shared: bool, unit: str | None, told: Connection) -> None:
    run = RunFolder(folder, {}, lock_run(folder, shared=shared))
    with run.claim(unit or f"of {os.getpid()}"):
        told.send("held")
        signal.pause()


@contextmanager
def other_process(folder: Path, *, shared: bool = False, unit: str | None = None) -> Iterator[int]:
    """Another process that holds a run, and is killed."""
    here, there = FORK.Pipe()
    process = FORK.Process(target=_hold, args=(folder, shared, unit, there))
    process.start()
    assert here.poll(60), "it got no lock"
    assert here.recv() == "held"
    try:
        yield process.pid or 0
    finally:
        process.kill()
        process.join(timeout=60)


def test_a_second_process_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    with (
        other_process(tmp_path / "run") as number,
        pytest.raises(
            BlockingIOError,
            match=rf"Expected `out` .*run to be used by one process at a time, got process {number} on host \S+, "
            r"which has worked in it since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Wait for it",
        ),
    ):
        lock_run(tmp_path / "run")


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with other_process(tmp_path):
        pass
    assert (tmp_path / LOCK_FILE).read_text().startswith("run\tprocess ")
    assert lock_run(tmp_path).exclusive


def test_a_second_study_ends_in_a_line_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    with other_process(out) as number:
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        with pytest.raises(SystemExit) as ended:
            main(words_for(out))
        assert ended.value.code == 2
        assert f"got process {number} on host" in capsys.readouterr().err.splitlines()[-1]
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_the_same_process_may_take_a_run_again_and_keeps_it(tmp_path: Path) -> None:
    run = open_run_folder(tmp_path / "run", {})
    again = open_run_folder(tmp_path / "run", {})
    assert again.lock is run.lock
    del again
    gc.collect()
    assert is_refused(tmp_path / "run")
    del run
    gc.collect()
    assert not is_refused(tmp_path / "run")


def is_refused(folder: Path, *, shared: bool = False) -> bool:
    """Whether another process cannot lock the run."""
    process = FORK.Process(target=_try, args=(folder, shared))
    process.start()
    process.join()
    return process.exitcode == 3


def _try(folder: Path, shared: bool) -> None:
    # this process was forked from the holder, which must not help it
    try:
        lock_run(folder, shared=shared)
    except BlockingIOError:
        os._exit(3)
    os._exit(0)


def test_a_forked_process_that_ends_drops_nothing(tmp_path: Path) -> None:
    lock = lock_run(tmp_path)
    process = FORK.Process(target=gc.collect)
    process.start()
    process.join()
    assert is_refused(tmp_path)
    assert lock.exclusive


def test_processes_share_a_run_and_none_has_it_alone(tmp_path: Path) -> None:
    with other_process(tmp_path, shared=True), other_process(tmp_path, shared=True):
        lock = lock_run(tmp_path, shared=True)
        with pytest.raises(BlockingIOError, match="by one process at a time"):
            lock_run(tmp_path)
        assert not lock.exclusive
    assert vars(lock_run(tmp_path))["exclusive"]
    assert is_refused(tmp_path, shared=True)


def test_a_unit_is_one_process_s_alone(tmp_path: Path) -> None:
    with other_process(tmp_path, shared=True, unit="model1") as number:
        lock = lock_run(tmp_path, shared=True)
        with lock.claim("model2"):
            pass
        with (
            pytest.raises(BlockingIOError, match=rf"Expected model1 of .* at a time, got process {number} on"),
            lock.claim("model1"),
        ):
            pass
    with lock.claim("model1"), lock.claim("model1"):
        pass


def test_a_unit_can_be_waited_for(tmp_path: Path) -> None:
    with other_process(tmp_path, shared=True, unit="base") as number:
        lock = lock_run(tmp_path, shared=True)
        FORK.Process(target=_end, args=(number,)).start()
        with lock.claim("base", wait=True):
            # the other is dead by now, or the lock would not be here
            assert os.waitpid(number, 0)[1] == signal.SIGKILL


def _end(number: int) -> None:
    os.kill(number, signal.SIGKILL)


def test_a_file_without_a_holder_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_bytes(b"run\tprocess 1 on host elsewhere\tnow\n\xff\xfe")
    assert open_run_folder(tmp_path, {}).lock is not None


def test_studies_follow_each_other_in_a_folder(tmp_path: Path) -> None:
    assert start(tmp_path / "run").code == 0
    words = words_for(tmp_path / "run")
    main(words)
    main(words)
    assert not is_refused(tmp_path / "run")
