"""A worker that dies, memory that runs out, a clock that goes back: a line, or nothing at all."""

import itertools
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import Gradient, IntegratedGradients
from lightning_spx.cli import main
from tests.attribution.cases import Notes
from tests.faults.child import assert_same_run, start, words_for


def kill_a_worker() -> None:
    """Kill one of the processes that load images; the error comes where the next batch is asked for."""
    worker = multiprocessing.active_children()[0]
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.5)


def test_a_dead_worker_is_a_line_and_the_next_start_finishes(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = start(out, kill_a_worker, 3, "train", "--data.init_args.num_workers=2")
    assert ended.code == 2
    assert ended.last.startswith("error: DataLoader worker (pid")
    assert ended.last.endswith(
        "lower `data.num_workers` or `data.batch_size`, and start the same command again: what is finished is kept."
    )
    assert not any("Traceback" in line for line in ended.lines)
    # in the settings of the run, the number of workers is one; the results are those of none
    assert start(out, None, None, None, "--data.init_args.num_workers=2").code == 0
    assert_same_run(out, undisturbed)


def out_of_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def no_memory() -> None:
    raise MemoryError


@pytest.mark.parametrize("fault", [out_of_memory, no_memory])
def test_training_without_enough_memory_names_the_setting(tmp_path: Path, fault: Callable[[], None]) -> None:
    ended = start(tmp_path / "run", fault, 3, "train")
    assert ended.code == 2
    assert ended.last.startswith("error: Out of memory: ")
    assert ended.last.endswith(
        "Lower `batch_size`, or in training `data.batch_size`, "
        "and start the same command again: what is finished is kept."
    )
    assert not any("Traceback" in line for line in ended.lines)


class Small(torch.nn.Module):
    """A model that has memory for a few images at a time."""

    def __init__(self, most: int, error: type[Exception]) -> None:
        super().__init__()
        self.most = most
        self.error = error
        self.seen = Notes()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        if len(images) > self.most:
            raise self.error("out of memory")
        return images.flatten(1)[:, :3].square()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
@pytest.mark.parametrize("most", [1, 3, 8])
def test_a_chunk_without_enough_memory_is_halved_until_it_fits(error: type[Exception], most: int) -> None:
    images, target = torch.rand(9, 3, 8, 8), torch.arange(9) % 3
    small = Small(most, error)
    for method in (Gradient(), IntegratedGradients(num_steps=5)):
        whole = method.attribute(Small(9999, error), images, target)
        # steps are summed chunk by chunk, so the last bit may differ
        torch.testing.assert_close(method.attribute(small, images, target), whole)
    assert max(small.seen.taken) > most


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_no_memory_for_one_image_names_the_settings(error: type[Exception]) -> None:
    with pytest.raises(
        torch.OutOfMemoryError,
        match=r"Gradient: expected enough memory for one 3x8x8 image at a time, got: out of memory\. "
        "Lower `image_size`, set `precision`",
    ):
        Gradient().attribute(Small(0, error), torch.rand(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64))


def go_back() -> None:
    """From now on the clock runs backwards, a day at a time."""
    backwards = itertools.count(time.time(), -86400.0)
    patch = mock.patch("time.time", partial(next, backwards))
    patch.start()


def test_a_clock_that_goes_back_changes_nothing(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert start(out, go_back, 0, "write").code == 0
    assert_same_run(out, undisturbed)
    assert all(value >= 0 for value in json.loads((out / "run.json").read_text())["seconds"].values())


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    with mock.patch.object(Gradient, "attribute", bug), pytest.raises(RuntimeError, match="shapes"):
        main(words_for(tmp_path / "run", "--trainer.max_epochs=1"))


def test_the_traceback_of_any_error_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPX_TRACEBACK", "1")
    with pytest.raises(ValueError, match="num_images"):
        main(words_for(tmp_path / "run", "--num_images=1"))
