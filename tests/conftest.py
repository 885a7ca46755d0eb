"""What every test shares: a windowless backend, offline trackers, one finished study, and the folder of real images."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from lightning import Trainer

from lightning_spx.evaluation.stability import summary
from tests.pictures import blank, drawn
from tests.small_study import NUM_MODELS, PASSES, PASSES_PER_MODEL, study

matplotlib.use("Agg")
# a deadline is a timed test, and processes on few cores keep each other waiting
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# the tests' tensors are small: a second thread costs them more than it brings, much more beside another process
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start: other numbers of threads add up in other orders
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def pytest_collection_finish() -> None:
    """Leave modules and thousands of tests out of every later search for garbage, each of which takes a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real images, or skip."""
    folder = Path(os.environ.get("SPX_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; set SPX_DATA")
    return folder


@pytest.fixture(scope="module", autouse=True)
def blank_pictures() -> Iterator[None]:
    """Leave pictures blank but within `drawn`; examples in docstrings, which look at theirs, are no module of tests."""
    with blank():
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models on disjoint parts, two methods, one segmenter: a copy of what one of the processes has made."""
    own = tmp_path_factory.mktemp("studies") / "run"
    # of all processes that run these tests side by side
    common = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else own.parent
    whole = common / "finished"
    with FileLock(common / "finished.lock"):
        if not whole.is_dir():
            PASSES.clear()
            with drawn():
                folder = study(common / "unfinished")
            assert sorted(PASSES) == sorted(list(range(NUM_MODELS)) * PASSES_PER_MODEL)
            folder.rename(whole)
    return Path(shutil.copytree(whole, own))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a model is trained."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a study with all its models started to train one")

    monkeypatch.setattr(Trainer, "fit", refuse)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the time that the figures take."""
    monkeypatch.setattr(summary, "report_stability", lambda *_: None)
