"""A signal ends a command at once, and the signals are given back."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from lightning_spx.cli.interruption import Interruptible


def test_a_signal_before_there_is_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended, Interruptible(["bench"]):
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143


def test_the_signals_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruptible([]):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def end_twice() -> None:
    with Interruptible([]):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            # whatever would hang on the way out
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()


def test_a_second_signal_ends_what_hangs_on_the_first() -> None:
    process = multiprocessing.get_context("fork").Process(target=end_twice)
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGINT
