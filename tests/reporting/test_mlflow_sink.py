"""What MLflow's store of folders holds afterwards, read back by MLflow itself and from its files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lightning.pytorch.loggers import MLFlowLogger
from PIL import Image

from lightning_spx.reporting import log_scalars, log_table, log_text, map_grid, outline_segments
from lightning_spx.reporting.mlflow_sink import METRICS_PER_CALL
from tests.reporting.sent_cases import IMAGES, KEPT, PICTURE, SEGMENTS, SENTENCE, VALUES, results_in, send_everything

if TYPE_CHECKING:
    from mlflow.entities import Run

pytest.importorskip("mlflow")


@pytest.fixture(scope="module")
def logger(tmp_path_factory: pytest.TempPathFactory) -> MLFlowLogger:
    with pytest.MonkeyPatch.context() as patch:
        # without it MLflow from 3.17 on refuses a store of folders
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        folder = tmp_path_factory.mktemp("mlflow")
        logger = MLFlowLogger(save_dir=str(folder / "runs"))
        send_everything([logger], results_in(folder / "results"))
    return logger


def run_of(logger: MLFlowLogger) -> "Run":
    run: Run = logger.experiment.get_run(str(logger.run_id))
    return run


def artifacts(logger: MLFlowLogger) -> Path:
    (folder,) = Path(str(logger.save_dir)).glob(f"*/{logger.run_id}/artifacts")
    return folder


def test_numbers_and_settings_have_safe_names_and_their_step(logger: MLFlowLogger) -> None:
    data = run_of(logger).data
    assert data.metrics == {**KEPT, "val/ssim/Gradient/gain": 0.25}
    for name, step in {**dict.fromkeys(KEPT, 7), "val/ssim/Gradient/gain": 8}.items():
        (entry,) = logger.experiment.get_metric_history(str(logger.run_id), name)
        assert entry.step == step
    assert data.params == {
        "seed": "3",
        "data/class_path": "SyntheticBirdsDataModule",
        "data/init_args/plan": "disjoint",
    }
    assert run_of(logger).info.status == "FINISHED"


def test_pictures_keep_their_pixels_and_their_step(logger: MLFlowLogger) -> None:
    (panel,) = artifacts(logger).glob("images/val*panels*S-k-1*step*7*.png")
    assert np.array_equal(np.asarray(Image.open(panel)), PICTURE)
    (segments,) = artifacts(logger).glob("images/val*segments*step*7*.png")
    outlined = {name: outline_segments(IMAGES, ids) for name, ids in SEGMENTS.items()}
    assert np.array_equal(np.asarray(Image.open(segments)), map_grid({"image": IMAGES, **outlined}))


def test_a_figure_is_a_file_of_its_size(logger: MLFlowLogger) -> None:
    picture = np.asarray(Image.open(artifacts(logger) / "stability" / "bars.png"))
    assert picture.shape == (300, 600, 3)
    assert np.unique(picture.reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]


@pytest.mark.parametrize("name", ["stability/results", "val/per_image"])
def test_a_table_has_empty_cells_for_missing_values(logger: MLFlowLogger, name: str) -> None:
    text = (artifacts(logger) / f"{name}.json").read_text()
    content = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no valid JSON"))
    assert content == {"columns": list(VALUES.columns), "data": [[0.5, "<b>owl</b>"], [None, "jay"]]}


def test_the_folder_and_the_sentence_are_there(logger: MLFlowLogger) -> None:
    kept = sorted(path.relative_to(artifacts(logger)).as_posix() for path in artifacts(logger).glob("saliency/**/*.*"))
    assert kept == ["saliency/history.csv", "saliency/panels/0.png"]
    assert run_of(logger).data.tags["stability/answer"] == SENTENCE


def test_what_mlflow_limits_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = MLFlowLogger(save_dir=str(tmp_path))
    many = {f"val/{number}/value": float(number) for number in range(METRICS_PER_CALL + 1)}
    log_scalars([logger], {**many, "val/infinite/value": float("inf")}, 1)
    log_text([logger], "answer", "é" * 9000)
    log_table([logger], "results", VALUES)
    assert not [each for each in recwarn if "MLFlowLogger failed" in str(each.message)]
    data = run_of(logger).data
    assert data.metrics == many  # MLflow would have stored 1.8e308 for the infinite one
    assert data.tags["answer"].startswith("é" * 4000)
