"""A study of seconds, started by `spx` in a process of its own, where a fault happens at an event of one's choice.

An event is a batch of training, a call of a method, a step of writing a file, a picture: they come in the same order in
every undisturbed run, so a fault at the n-th is reproducible.
"""

import multiprocessing
import multiprocessing.context
import multiprocessing.process
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import torch
import yaml
from matplotlib.figure import Figure

from lightning_spx.attribution import Gradient
from lightning_spx.cli import main
from tests.faults.random_model import RandomModel, assert_same
from tests.pictures import blank

STAGES = ("train", "explain", "write", "report")
SETTINGS: dict[str, Any] = {
    "data": {
        "class_path": "SyntheticBirdsDataModule",
        "init_args": {"num_train": 60, "num_test": 24, "num_classes": 2, "batch_size": 10, "plan": "disjoint"},
    },
    "model": {"class_path": "tests.faults.random_model.RandomModel"},
    "trainer": {
        "accelerator": "cpu",
        "max_epochs": 3,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    },
    "methods": [{"class_path": "Gradient"}, {"class_path": "SmoothGrad", "init_args": {"num_samples": 2}}],
    "superpixels": [{"class_path": "Grid", "init_args": {"n_segments": 16}}],
    "magnitudes": ["after"],
    "distances": ["l2"],
    "num_images": 10,
    "batch_size": 4,
    "num_resamples": 50,
}


def words_for(out: Path, *more: str) -> list[str]:
    """Write the configuration beside the run, and return the words after `spx`."""
    config = out.parent / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump(SETTINGS))
    return ["stability", "--config", str(config), "--out", str(out), *more]


@dataclass
class Events:
    """Counts events, notes them, and calls the fault at one of them.

    Args:
        fault: what happens.
        at: number of the event, from 0 on; None: at none.
        stage: count events of this stage alone.
    """

    fault: Callable[[], None] | None = None
    at: int | None = None
    stage: str | None = None
    seen: list[str] = field(default_factory=list)

    def happen(self, stage: str) -> None:
        if self.stage in (None, stage):
            self.seen.append(stage)
            if self.fault is not None and len(self.seen) - 1 == self.at:
                self.fault()


@contextmanager
def watched(events: Events) -> Iterator[None]:
    """Tell of the events of the program."""
    replace = os.replace

    def watched_replace(source: Path, target: Path) -> None:
        stage = "report" if Path(target).suffix in (".png", ".html", ".csv") else "write"
        events.happen(stage)
        replace(source, target)
        events.happen(stage)

    def told(function: Callable[..., object], stage: str) -> Callable[..., object]:
        def telling(*args: object, **kwargs: object) -> object:
            events.happen(stage)
            return function(*args, **kwargs)

        return telling

    with ExitStack() as patches:
        for place, name, stage in (
            (RandomModel, "training_step", "train"),
            (Gradient, "attribute", "explain"),
            (os, "fsync", "write"),
            (Figure, "savefig", "report"),
        ):
            patches.enter_context(mock.patch.object(place, name, told(getattr(place, name), stage)))
        patches.enter_context(mock.patch("os.replace", watched_replace))
        yield


def die(number: signal.Signals, *, group: bool = False) -> None:
    """Send a signal to this process, or to those that it has started too, as a terminal does."""
    if group:
        os.killpg(os.getpgrp(), number)
    else:
        os.kill(os.getpid(), number)


def _run(words: list[str], log: Path, events: Events) -> None:
    # as in a process that a shell has started, and not as its parent was
    multiprocessing.set_start_method("fork", force=True)
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    with blank(), watched(events):
        main(words)


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    """Processes that share the imports, seconds each, and nothing else."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["tests.faults.child", "tests.faults.imported_late"])
    return forkserver


@dataclass(frozen=True)
class Ended:
    """How a start ended.

    Args:
        code: exit code, or minus the signal's number.
        lines: that it printed.
    """

    code: int | None
    lines: list[str]

    @property
    def last(self) -> str:
        """The last line that is not empty: a progress bar that was open moves to a new one."""
        return [line for line in self.lines if line.strip()][-1]


def launch(words: list[str], log: Path, events: Events | None = None) -> multiprocessing.process.BaseProcess:
    """Start `spx` in a process, and a group, of its own."""
    process = _context().Process(target=_run, args=(words, log, events or Events()))
    process.start()
    return process


def ended(process: multiprocessing.process.BaseProcess, log: Path) -> Ended:
    """Wait for the end."""
    process.join(timeout=180)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode is not None, "the process hangs"
    return Ended(process.exitcode, log.read_text(errors="replace").splitlines())


def start(
    out: Path, fault: Callable[[], None] | None = None, at: int | None = None, stage: str | None = None, *more: str
) -> Ended:
    """Run the study to its end, or to the fault at an event."""
    log = out.parent / f"{out.name}.log"
    return ended(launch(words_for(out, *more), log, Events(fault, at, stage)), log)


def assert_same_run(first: Path, second: Path) -> None:
    """Results, values of images, weights, what was logged and what was trained: bit for bit; nothing else is there."""
    assert files_of(first) == files_of(second)
    for path in sorted(files_of(first)):
        one, other = first / path, second / path
        if path.suffix == ".parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(one), pd.read_parquet(other), check_exact=True)
        elif path.suffix == ".ckpt":
            assert_same(*(torch.load(each, weights_only=True)["state_dict"] for each in (one, other)))
        elif path.suffix == ".csv":
            assert one.read_text() == other.read_text(), path


def files_of(folder: Path) -> set[Path]:
    """All files but the lock, whose name says nothing of the run."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
