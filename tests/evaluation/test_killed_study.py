"""A study that is killed, at any moment, goes on when it is started again, to the results of an undisturbed one."""

import multiprocessing
import os
import signal
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal
from unittest import mock

import pandas as pd
import pytest
from lightning import Callback, LightningModule, Trainer

from tests.evaluation.small_study import results_of, study


class DieInTraining(Callback):
    """Kill the process after the first batch of a model, before it has a checkpoint."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def start_and_die(out: Path, file: str, when: Literal["before", "after"]) -> None:
    """Start a study that is killed before or after a file, complete by then, is given its name."""
    rename = os.replace

    def rename_and_die(source: Path, target: Path) -> None:
        last = fnmatch(Path(target).name, file)
        if not last or when == "after":
            rename(source, target)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch("os.replace", rename_and_die):
        study(out, callback=DieInTraining() if file == "training" else None)


@pytest.fixture(scope="module")
def context() -> multiprocessing.context.ForkServerContext:
    """Processes that share the imports, seconds each, and nothing else."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["tests.evaluation.test_killed_study"])
    return forkserver


def finished_files(out: Path) -> dict[Path, int]:
    """Models and blocks with the time they were written at."""
    return {path: path.stat().st_mtime_ns for kind in ("*.ckpt", "*.parquet") for path in out.rglob(f"[!.]{kind}")}


@pytest.mark.parametrize(
    ("file", "when", "num_finished"),
    [
        ("config.yaml", "before", 0),
        ("training", "after", 0),
        ("repeat0-model0.ckpt", "before", 0),
        ("repeat0-model0.ckpt", "after", 1),
        ("repeat0-model2.json", "after", 2),
        ("repeat0_shard0000_CountedGradient.parquet", "after", 4),
        ("repeat0_shard0000_SmoothGrad.parquet", "before", 5),
        ("results.csv", "before", 7),
        ("results.csv", "after", 7),
    ],
)
def test_a_killed_study_goes_on_to_the_same_results(
    context: multiprocessing.context.ForkServerContext,
    finished: Path,
    tmp_path: Path,
    file: str,
    when: Literal["before", "after"],
    num_finished: int,
) -> None:
    out = tmp_path / "run"
    process = context.Process(target=start_and_die, args=(out, file, when))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert (out / "results.csv").exists() == (file == "results.csv" and when == "after")
    kept = finished_files(out)
    assert len(kept) == num_finished
    study(out)
    pd.testing.assert_frame_equal(results_of(out), results_of(finished), rtol=1e-9)
    # what was finished was not made again
    assert kept.items() <= finished_files(out).items()
