"""What each logger holds afterwards, read back from its files."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wandb
import yaml
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure
from matplotlib.image import imread

from lightning_spx.reporting import finish, log_config, log_figure, log_scalars, log_table, stability_bars
from tests.reporting.cases import NAN, offline_config, offline_history, offline_records, row, table

CONFIG = {"seed": 3, "data": {"class_path": "SyntheticBirdsDataModule", "init_args": {"plan": "disjoint"}}}
SCALARS = {
    "stability/saliency_ssim/Gradient/pixel/either/value": 0.25,
    "stability/mege_l2/Gradient/Slic/after/gain": -0.5,
}
RESULTS = table(row(), row("Slic", method="[red]x", gain=0.125, gain_low=-0.5, gain_high=0.25, num_images=7))


def bars() -> Figure:
    return stability_bars(RESULTS, "saliency_ssim")


def end_run() -> None:
    """End the run and the process that writes its file, which lags behind `wandb.finish`."""
    wandb.finish()
    wandb.teardown()


@pytest.fixture(scope="module", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what W&B stages for upload out of the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield


@pytest.fixture(scope="module")
def offline_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a W&B run without a network, that was sent all there is."""
    folder = tmp_path_factory.mktemp("wandb")
    logger = WandbLogger(project="spx", save_dir=folder, offline=True)
    log_config([logger], CONFIG)
    log_scalars([logger], SCALARS)
    log_table([logger], "stability/results", RESULTS)
    log_figure([logger], "stability/saliency_ssim", bars())
    finish([logger])
    end_run()
    return folder


def media(folder: Path, name: str) -> Path:
    """The file of a logged table or figure, at the path that the run's record gives."""
    (files,) = folder.glob("wandb/offline-run-*/files")
    return files / str(offline_history(folder)[name]["path"])


def test_wandb_keeps_every_scalar(offline_run: Path) -> None:
    history = offline_history(offline_run)
    assert {name: history[name] for name in SCALARS} == SCALARS


def test_wandb_keeps_the_whole_table_with_empty_cells_for_missing_values(offline_run: Path) -> None:
    entry = offline_history(offline_run)["stability/results"]
    assert (entry["_type"], entry["nrows"], entry["ncols"]) == ("table-file", 2, len(RESULTS.columns))
    text = media(offline_run, "stability/results").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no valid JSON"))
    assert content["columns"] == list(RESULTS.columns)
    pixel, pooled = (dict(zip(content["columns"], line, strict=True)) for line in content["data"])
    assert (pixel["best_control"], pixel["gain"], pixel["method"], pixel["num_images"]) == (None, None, "Gradient", 40)
    assert pooled == RESULTS.iloc[1].to_dict()


def test_wandb_keeps_the_figure_as_it_is_drawn(offline_run: Path, tmp_path: Path) -> None:
    entry = offline_history(offline_run)["stability/saliency_ssim"]
    assert entry["_type"] == "image-file"
    kept = imread(media(offline_run, "stability/saliency_ssim"))
    bars().savefig(tmp_path / "expected.png", dpi=150)
    np.testing.assert_array_equal(kept[..., :3], imread(tmp_path / "expected.png")[..., :3])
    assert kept.shape[:2] == (entry["height"], entry["width"])
    assert kept.std() > 0.05  # a blank picture has none


def test_wandb_lists_the_files_that_an_upload_sends(offline_run: Path) -> None:
    listed = {str(file.path) for record in offline_records(offline_run) for file in record.files.files}
    history = offline_history(offline_run)
    assert {history["stability/results"]["path"], history["stability/saliency_ssim"]["path"]} <= listed


def test_wandb_keeps_the_complete_configuration(offline_run: Path) -> None:
    config = offline_config(offline_run)
    assert {name: config[name] for name in CONFIG} == CONFIG


def test_a_table_without_a_missing_value_and_one_of_missing_values_only_are_kept(tmp_path: Path) -> None:
    logger = WandbLogger(project="spx", save_dir=tmp_path, offline=True)
    log_table([logger], "full", pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [True, False]}))
    log_table([logger], "empty", pd.DataFrame({"a": [NAN, NAN]}))
    end_run()
    assert json.loads(media(tmp_path, "full").read_text())["data"] == [[1, "x", True], [2, "y", False]]
    assert json.loads(media(tmp_path, "empty").read_text())["data"] == [[None], [None]]


def test_tensorboard_keeps_scalars_and_figure(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = TensorBoardLogger(tmp_path)
    log_config([logger], CONFIG)
    log_scalars([logger], SCALARS)
    log_table([logger], "stability/results", RESULTS)
    log_figure([logger], "stability/saliency_ssim", bars())
    finish([logger])
    events = accumulator.EventAccumulator(logger.log_dir).Reload()
    assert {name: [event.value for event in events.Scalars(name)] for name in SCALARS} == {
        name: [value] for name, value in SCALARS.items()
    }
    (picture,) = events.Images("stability/saliency_ssim")
    (tmp_path / "kept.png").write_bytes(picture.encoded_image_string)
    kept = imread(tmp_path / "kept.png")
    bars().savefig(tmp_path / "expected.png", dpi=150)
    np.testing.assert_allclose(kept[..., :3], imread(tmp_path / "expected.png")[..., :3], atol=1 / 255)
    assert events.Tags()["images"] == ["stability/saliency_ssim"]
    assert yaml.safe_load((Path(logger.log_dir) / "hparams.yaml").read_text()) == CONFIG


def test_the_csv_logger_keeps_scalars_and_configuration(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    log_config([logger], CONFIG)
    log_scalars([logger], SCALARS)
    log_table([logger], "stability/results", RESULTS)
    log_figure([logger], "stability/saliency_ssim", bars())
    finish([logger])
    (line,) = pd.read_csv(Path(logger.log_dir) / "metrics.csv").to_dict("records")
    assert {name: line[name] for name in SCALARS} == SCALARS
    assert yaml.safe_load((Path(logger.log_dir) / "hparams.yaml").read_text()) == CONFIG
    assert sorted(path.name for path in Path(logger.log_dir).iterdir()) == ["hparams.yaml", "metrics.csv"]


def test_every_logger_of_several_gets_the_numbers(tmp_path: Path) -> None:
    loggers = [CSVLogger(tmp_path / "first"), CSVLogger(tmp_path / "second")]
    log_scalars(loggers, SCALARS)
    finish(loggers)
    for logger in loggers:
        (line,) = pd.read_csv(Path(logger.log_dir) / "metrics.csv").to_dict("records")
        assert {name: line[name] for name in SCALARS} == SCALARS


def test_without_loggers_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log_config([], CONFIG)
    log_scalars([], SCALARS)
    log_table([], "stability/results", RESULTS)
    log_figure([], "stability/saliency_ssim", bars())
    finish([])
    assert list(tmp_path.iterdir()) == []


def test_configuration_and_table_are_left_as_they_were(tmp_path: Path) -> None:
    before = json.dumps(CONFIG), RESULTS.copy(deep=True)
    logger = CSVLogger(tmp_path)
    log_config([logger], CONFIG)
    log_table([logger], "stability/results", RESULTS)
    assert json.dumps(CONFIG) == before[0]
    pd.testing.assert_frame_equal(RESULTS, before[1])
