"""Units as tasks of a local Ray: one whose worker dies is tried again, and one that keeps failing is named."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.attribution.method import Model
from lightning_spx.runs.ray_launch import RETRIES, run_units
from tests.small_study import checkpoints_of, results_of, study

pytestmark = pytest.mark.soak
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {"env_vars": {"PYTHONPATH": paths}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    yield
    ray.shutdown()


@dataclass(frozen=True)
class Work:
    """Write down each try of a unit in a folder; one unit dies at its first try, another one always fails."""

    folder: Path
    dying: str = ""
    failing: str = ""

    def __call__(self, unit: str) -> None:
        name = unit.replace("/", "of")
        tries = len(list(self.folder.glob(f"{name}.*")))
        (self.folder / f"{name}.{tries}").touch()
        if unit == self.dying and tries == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if unit == self.failing:
            raise OSError("no such disk")

    def tries(self) -> list[int]:
        names = sorted({path.stem for path in self.folder.iterdir()})
        return [len(list(self.folder.glob(f"{name}.*"))) for name in names]


UNITS = [f"{number}/4" for number in range(1, 5)]


def test_a_unit_whose_worker_is_killed_is_done_again(tmp_path: Path) -> None:
    work = Work(tmp_path, dying="2/4")
    run_units(work, UNITS)
    assert work.tries() == [1, 2, 1, 1]


def test_a_unit_that_keeps_failing_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    work = Work(tmp_path, failing="3/4")
    with pytest.raises(ChildProcessError, match=r"4 units to finish, but 1 failed 3 times: unit 3/4: OSError: no such"):
        run_units(work, UNITS)
    assert work.tries() == [1, 1, RETRIES + 1, 1]


def test_resources_that_the_machine_has_not_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ValueError, match=r"Expected `resources` of a unit that this machine has, got {'GPU': 64}"):
        run_units(Work(tmp_path), UNITS, {"gpu": 64})


@dataclass(frozen=True)
class DyingGradient(Attribution):
    """The gradient, whose first call anywhere kills its process."""

    marker: str

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        if not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Gradient().attribute(model, inputs, target)


@pytest.mark.usefixtures("no_figures")
def test_a_study_on_a_cluster_that_loses_a_worker_has_the_results_of_a_study_here(
    finished: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    method = DyingGradient(str(tmp_path / "died"))
    files = checkpoints_of(finished)
    folder = study(tmp_path / "ray", methods=[method], checkpoints=files, shard_size=3, launcher="ray")
    assert (tmp_path / "died").exists()
    alone = study(tmp_path / "alone", methods=[method], checkpoints=files, shard_size=3)
    pd.testing.assert_frame_equal(results_of(folder), results_of(alone))


@pytest.mark.usefixtures("no_figures")
def test_a_cluster_trains_each_model_in_a_unit_of_its_own(finished: Path, tmp_path: Path) -> None:
    folder = study(tmp_path / "ray", methods=[Gradient()], launcher="ray")
    assert len(checkpoints_of(folder)) == 3
    assert results_of(folder).shape[0] > 0
    pixel = [results_of(run).query("superpixels == 'pixel' and pair == 'all'") for run in (folder, finished)]
    own, expected = (rows[rows["method"].str.endswith("Gradient")]["value"].to_list() for rows in pixel)
    assert own == pytest.approx(expected, abs=1e-6)
