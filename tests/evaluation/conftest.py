"""One finished study for all tests of studies, and what they need not do again."""

from pathlib import Path

import pytest
from lightning import Trainer

from tests.evaluation.small_study import NUM_MODELS, PASSES, PASSES_PER_MODEL, study


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models on disjoint parts, two methods, one segmenter."""
    PASSES.clear()
    folder = study(tmp_path_factory.mktemp("studies") / "run")
    assert sorted(PASSES) == sorted(list(range(NUM_MODELS)) * PASSES_PER_MODEL)
    return folder


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a model is trained."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a study with all its models started to train one")

    monkeypatch.setattr(Trainer, "fit", refuse)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the time that the figures take."""
    monkeypatch.setattr("lightning_spx.evaluation.stability.summary.report_stability", lambda *_: None)
