"""The same seed on the same machine gives the same numbers, to the last bit, in whatever process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import lightning_spx
from lightning_spx.cli import main
from lightning_spx.evaluation.commands.run_differences import file_differences
from tests.command_line import BIRDS, FIT, NETWORK, STABILITY, TRAINER, Captured, refusal

RUNS = {
    "stability": [*STABILITY, "--methods+=SmoothGrad", "--methods.num_samples=2", "--sanity_stages=2"],
    "tradeoff": [
        *("tradeoff", *TRAINER, *BIRDS, *NETWORK, "--methods=[Gradient]", "--sizes=[9]", "--num_images=6"),
        *("--num_steps=3", "--fractions=[0.5]", "--num_resamples=20"),
    ],
    "roar": [
        *("roar", *TRAINER, *BIRDS, *NETWORK, "--methods=[Gradient]", "--superpixels=[]", "--percentages=[50]"),
        *("--num_seeds=1", "--batch_size=50"),
    ],
}
# what a run has numbers in: a folder, or a file beside the folders
PLACES = {
    "stability": {"results.csv", "checkpoints", "examples", "per_image", "localisation", "sanity"},
    "tradeoff": {"results.csv", "front.csv", "checkpoints", "examples", "per_image"},
    "roar": {"results.csv", "checkpoints", "ranks"},
}
OTHERS = [name for name in PLACES if name != "stability"]
PROGRAM = """
import json, sys
from lightning_spx.cli import main
from tests.pictures import blank
with blank():
    for words in json.loads(sys.argv[1]):
        main(words)
"""


def run_all(folder: Path, hash_seed: str, workers: int) -> None:
    """Run every study in a process of its own, which orders its sets and shares out its reading in its own way."""
    folder.mkdir()
    runs = [[*words, f"--data.num_workers={workers}", f"--out={name}"] for name, words in RUNS.items()]
    words = [sys.executable, "-c", PROGRAM, json.dumps(runs)]
    root = str(Path(lightning_spx.__file__).parents[1])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("processes")
    run_all(root / "first", hash_seed="1", workers=0)
    run_all(root / "second", hash_seed="2", workers=2)
    return root / "first", root / "second"


@pytest.mark.parametrize("study", list(RUNS))
def test_two_processes_give_the_same_bits_whatever_their_hash_seed_and_workers(
    processes: tuple[Path, Path], study: str
) -> None:
    differences = file_differences(*(folder / study for folder in processes))
    assert {name.partition("/")[0] for name in differences} >= PLACES[study]
    assert {name: difference for name, difference in differences.items() if difference} == {}


@pytest.fixture
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And what a Trainer sets for the whole process is put back for the tests that follow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = benchmark


@pytest.mark.usefixtures("in_a_folder_of_its_own")
@pytest.mark.parametrize("study", ["stability", *(pytest.param(name, marks=pytest.mark.soak) for name in OTHERS)])
def test_a_study_with_deterministic_algorithms_has_the_same_numbers_and_says_so(
    processes: tuple[Path, Path], study: str
) -> None:
    main([*RUNS[study], "--trainer.deterministic=true", "--out=run"])
    record = json.loads(Path("run/run.json").read_text())
    assert record["deterministic"]["algorithms"]
    assert not record["deterministic"]["warn_only"]
    # on a CPU, without an operation of which there are two kinds
    assert set(file_differences(processes[0] / study, Path("run")).values()) == {""}


@pytest.mark.usefixtures("in_a_folder_of_its_own")
def test_a_fit_with_deterministic_algorithms_repeats_its_weights() -> None:
    evaluator = "--trainer.callbacks=lightning_spx.evaluation.SaliencyEvaluator"
    for name in ("first", "second"):
        words = ["--seed_everything=1", "--trainer.max_epochs=1", "--trainer.deterministic=true", evaluator]
        main(["fit", *FIT, *words, "--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={name}"])
    differences = file_differences(Path("first"), Path("second"))
    assert {Path(name).suffix for name in differences} == {".ckpt", ".csv"}
    assert set(differences.values()) == {""}


class Pooled(nn.Module):
    """A network with the pooling that DeepLift undoes by an operation without a deterministic algorithm."""

    def __init__(self, num_classes: int = 2, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(num_classes)
        )
        self.layers(torch.zeros(1, 3, 32, 32))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


@pytest.mark.usefixtures("in_a_folder_of_its_own")
def test_what_has_no_deterministic_algorithm_is_refused_in_one_line(capsys: Captured) -> None:
    method = '{"class_path": "FromCaptum", "init_args": {"method": "captum.attr.DeepLift"}}'
    words = [*STABILITY, f"--methods=[{method}]", "--model.network=tests.test_repeatability.Pooled"]
    last = refusal(capsys, [*words, "--trainer.deterministic=true", "--out=run"])
    assert "max_unpool" in last
    assert "does not have a deterministic implementation" in last
    torch.use_deterministic_algorithms(False)
    main([*words, "--out=free"])
