"""A study by several processes: the numbers of one process, every image once, whatever the processes are."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from torch import distributed

import lightning_spx
from lightning_spx.attribution import Gradient, SmoothGrad
from lightning_spx.cli import main
from lightning_spx.runs.processes import collect
from tests.processes import run_together
from tests.small_study import NUM_IMAGES, checkpoints_of, results_of, study

METHODS = [Gradient(), SmoothGrad(num_samples=2)]
SHARD_SIZE = 2
NUM_SHARDS = 5  # which neither 2 nor 4 processes divide


def explain_together(rank: int, folder: str, checkpoints: list[Path]) -> None:
    assert collect(rank) == list(range(distributed.get_world_size()))
    study(Path(folder) / "run", methods=METHODS, checkpoints=checkpoints, shard_size=SHARD_SIZE)


@pytest.fixture(scope="module")
def alone(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    return study(out, methods=METHODS, checkpoints=checkpoints_of(finished), shard_size=SHARD_SIZE)


# of 5 shards, 4 processes have more than one or one, and of 2 each has several; a night has time for both
@pytest.mark.parametrize("world_size", [2, pytest.param(4, marks=pytest.mark.soak)])
def test_processes_give_the_results_of_one(finished: Path, alone: Path, tmp_path: Path, world_size: int) -> None:
    run_together(explain_together, str(tmp_path), checkpoints_of(finished), world_size=world_size)
    folder = tmp_path / "run"
    blocks = sorted(path.name for path in (alone / "per_image").iterdir())
    assert len(blocks) == NUM_SHARDS * len(METHODS)
    assert sorted(path.name for path in (folder / "per_image").iterdir()) == blocks
    for kind in ("per_image", "localisation"):
        for name in blocks:
            own, expected = (pd.read_parquet(run / kind / name) for run in (folder, alone))
            pd.testing.assert_frame_equal(own, expected, rtol=0, atol=1e-6)
    pd.testing.assert_frame_equal(results_of(folder), results_of(alone), rtol=0, atol=1e-6)
    rows = pd.concat(pd.read_parquet(path) for path in (folder / "per_image").glob("*_Gradient.parquet"))
    counted = rows.groupby(["pair", "superpixels", "magnitude", "metric", "setting"])["index"]
    assert (counted.nunique() == NUM_IMAGES).all()
    assert (counted.size() == NUM_IMAGES).all()


COMMAND = """
data: {class_path: SyntheticBirdsDataModule, init_args: {num_train: 40, num_test: 20, num_classes: 2, batch_size: 8}}
model:
  class_path: ImageClassifier
  init_args: {network: {class_path: SmallResNet, init_args: {num_classes: 2, width: 4}}}
trainer: {max_epochs: 1, accelerator: cpu}
methods: [Gradient]
superpixels: [{class_path: Grid, init_args: {n_segments: 16}}]
num_images: 8
shard_size: 3
num_resamples: 20
"""


def test_the_command_trains_and_explains_on_two_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(COMMAND)
    words = ["stability", "--config=study.yaml"]
    # a program of its own, which Lightning starts a second time
    spx = [sys.executable, "-m", "lightning_spx.cli", *words, "--out=two", "--trainer.devices=2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lightning_spx.__file__).parents[1])}
    done = subprocess.run(spx, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("results: two") == 1
    files = checkpoints_of(Path("two"))
    assert len(files) == 2
    main([*words, "--out=one", f"--checkpoints=[{','.join(map(str, files))}]"])
    own, expected = results_of(Path("two")), results_of(Path("one"))
    pd.testing.assert_frame_equal(own, expected, rtol=0, atol=1e-6)


SMALL = [
    *("--data=SyntheticBirdsDataModule", "--data.num_train=40", "--data.num_test=16", "--data.num_classes=2"),
    *("--data.batch_size=8", "--model.network.num_classes=2", "--model.network.width=4"),
    *("--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.devices=2"),
]
STUDIES = {
    "roar": ["--percentages=[50]", "--num_seeds=1"],
    "tradeoff": ["--num_images=7", "--sizes=[16]", "--num_steps=2", "--num_resamples=20"],
}


@pytest.mark.soak
@pytest.mark.parametrize("study", list(STUDIES))
def test_the_other_studies_run_on_two_devices(tmp_path: Path, study: str) -> None:
    words = [sys.executable, "-m", "lightning_spx.cli", study, *SMALL, *STUDIES[study], "--out=run"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lightning_spx.__file__).parents[1])}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert results_of(tmp_path / "run")["value"].notna().any()
