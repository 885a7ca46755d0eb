"""A real training under W&B without a network, and everything that it holds afterwards, read back from its files."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image
from torch import Tensor, nn

from lightning_spx.attribution import Gradient, InputXGradient
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.superpixels import Grid
from tests.evaluation.callbacks.evaluator_cases import MEAN, STD, Stranger, evaluator, fit, reference
from tests.reporting.cases import offline_config, offline_records

HAS_MLFLOW = find_spec("mlflow") is not None
METHODS = ("Gradient", "InputXGradient")
ROWS = [name for method in METHODS for name in (method, f"S-{method}/Grid")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        # W&B keeps the folder of the first run of a process, which another test may have had
        wandb.teardown()
        evaluator = SaliencyEvaluator(
            methods=[Gradient(), InputXGradient()],
            superpixels=[Grid(9)],
            references=[reference(folder), "previous"],
            num_images=8,
            mean=MEAN,
            std=STD,
        )
        # without it MLflow from 3.17 on refuses a store of folders
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        loggers: list[Logger] = [WandbLogger(project="birds", offline=True), TensorBoardLogger(".")]
        loggers += [CSVLogger(".", name="csv"), *[MLFlowLogger(save_dir="mlflow")] * HAS_MLFLOW]
        fit([evaluator], settings={"logger": loggers, "max_epochs": 3})
        wandb.finish()
        wandb.teardown()
        (folder / "history.json").write_text(json.dumps(evaluator.history))
        yield folder


def logged(folder: Path) -> list[dict[str, Any]]:
    """Every item of the run's history, in order; a picture or table is a dict."""
    rows = []
    for record in offline_records(folder):
        row: dict[str, Any] = {}
        for item in record.history.item:
            name, *field = item.nested_key
            value = json.loads(item.value_json)
            if field:
                row.setdefault(name, {})[".".join(field)] = value
            else:
                row[name] = value
        if row:
            rows.append(row)
    return rows


def media(folder: Path) -> Path:
    (files,) = folder.glob("wandb/offline-run-*/files")
    return files


def test_every_scalar_of_every_evaluation_is_there(folder: Path) -> None:
    history = json.loads((folder / "history.json").read_text())
    found = [row for row in logged(folder) if "val/saliency_ssim/Gradient/value" in row]
    assert len(found) == len(history) == 3
    for row, expected in zip(found, history, strict=True):
        values = {name: value for name, value in expected.items() if name not in ("epoch", "step")}
        # the file's columns have no last part for a value
        keys = {name: name if name.endswith(("/floor", "/excess")) else f"{name}/value" for name in values}
        assert {name: row[f"val/{key}"] for name, key in keys.items()} == pytest.approx(values, rel=1e-5)
        assert row["epoch"] == expected["epoch"]
    names = {f"val/{metric}/{row}{kind}/{part}" for metric in ("saliency_ssim", "topk_overlap") for row in ROWS
             for kind in ("", "/previous") for part in ("value", "floor", "excess")}  # fmt: skip
    assert names <= found[-1].keys()
    assert {name for row in found for name in row if name.startswith("val/mege/")}


def test_a_panel_of_every_evaluation_is_there_and_on_disk(folder: Path) -> None:
    for method in METHODS:
        pictures = [row[f"val/panels/{method}"] for row in logged(folder) if f"val/panels/{method}" in row]
        assert len(pictures) == 3
        for epoch, picture in enumerate(pictures):
            (name,) = picture["filenames"]
            (own,) = folder.glob(f"birds/*/saliency/panels/val_epoch{epoch:04d}_{method}.png")
            assert np.array_equal(np.asarray(Image.open(media(folder) / name)), np.asarray(Image.open(own)))


def test_panels_stand_at_the_step_of_the_scalars(folder: Path) -> None:
    rows = logged(folder)
    scalars = [row["trainer/global_step"] for row in rows if "val/saliency_ssim/Gradient/value" in row]
    panels = [row["trainer/global_step"] for row in rows if "val/panels/Gradient" in row]
    assert scalars == panels


def test_segments_lie_over_the_photos_as_masks(folder: Path) -> None:
    (row,) = [row for row in logged(folder) if "val/segments" in row]
    masks = [np.asarray(Image.open(media(folder) / each["Grid"]["path"])) for each in row["val/segments"]["all_masks"]]
    assert len(masks) == 6
    assert all(set(np.unique(mask)) == set(range(1, 10)) for mask in masks)


def test_the_table_of_images_has_maps_and_values(folder: Path) -> None:
    (entry,) = [row["val/per_image"] for row in logged(folder) if "val/per_image" in row]
    content = json.loads((media(folder) / entry["path"]).read_text())
    assert content["columns"][:6] == ["image", "Grid", *ROWS]
    (own,) = folder.glob("birds/*/saliency/val_per_image.csv")
    values = pd.read_csv(own)
    assert content["columns"][6:] == list(values.columns)
    numbers = pd.DataFrame([line[6:] for line in content["data"]], columns=values.columns).astype(float)
    assert np.allclose(numbers, values, equal_nan=True)
    tables = [record.artifact for record in offline_records(folder) if record.artifact.type == "run_table"]
    pictures = [entry for table in tables for entry in table.manifest.contents if entry.path.endswith(".png")]
    assert len(pictures) >= 8 * 5  # photos, borders and maps; equal ones are kept once


def test_the_results_the_config_and_the_summary_are_complete(folder: Path) -> None:
    (entry,) = [row["val/results"] for row in logged(folder) if "val/results" in row]
    content = json.loads((media(folder) / entry["path"]).read_text())
    (own,) = folder.glob("birds/*/saliency/val_results.csv")
    assert content["columns"] == list(pd.read_csv(own).columns)
    assert len(content["data"]) == len(pd.read_csv(own))
    config = offline_config(folder)["saliency_evaluator"]
    assert config["methods"][0].startswith("Gradient(")
    assert config["references"][-1] == "previous"
    assert config["mean"] == list(MEAN)
    summary = {
        item.key or "/".join(item.nested_key) for record in offline_records(folder) for item in record.summary.update
    }
    assert {
        f"val/saliency_ssim/S-Gradient/Grid/all/{name}" for name in ("gain", "gain_low", "ci_low", "floor")
    } <= summary


def test_the_result_folder_is_an_artifact(folder: Path) -> None:
    (artifact,) = [record.artifact for record in offline_records(folder) if record.artifact.type == "saliency"]
    (own,) = folder.glob("birds/*/saliency")
    files = sorted(str(path.relative_to(own)) for path in own.rglob("*") if path.is_file())
    assert sorted(entry.path for entry in artifact.manifest.contents) == files
    assert len(files) == 3 + 2 * 3


def test_the_other_loggers_have_the_numbers_and_the_pictures_that_they_show(folder: Path) -> None:
    (metrics,) = folder.glob("csv/version_0/metrics.csv")
    assert pd.read_csv(metrics)["val/saliency_ssim/S-Gradient/Grid/value"].notna().sum() == 3
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(next(folder.glob("lightning_logs/version_0")))).Reload()
    assert len(events.Images("val/panels/Gradient")) == 3
    assert len(events.Scalars("val/saliency_ssim/Gradient/value")) == 3


@pytest.mark.skipif(not HAS_MLFLOW, reason="MLflow is not installed")
def test_the_folders_of_mlflow_have_every_number_every_picture_and_the_results(folder: Path) -> None:
    history = json.loads((folder / "history.json").read_text())
    (run,) = folder.glob("mlflow/*/*/metrics")
    for part in ("value", "floor", "excess", "previous/value"):
        lines = (run / "val/saliency_ssim/S-Gradient/Grid" / part).read_text().splitlines()
        column = f"saliency_ssim/S-Gradient/Grid/{part}".removesuffix("/value")
        expected = {row["step"] - 1: row[column] for row in history if column in row}
        found = {int(step): float(value) for _, value, step in map(str.split, lines)}
        assert found == pytest.approx(expected)
    assert (run / "val/saliency_ssim/S-Gradient/Grid/all/gain").is_file()
    artifacts = run.parent / "artifacts"
    assert len(list(artifacts.glob("images/val?panels?Gradient?step*.png"))) == 3
    kept = sorted(path.relative_to(artifacts / "saliency") for path in (artifacts / "saliency").rglob("*.*"))
    (own,) = folder.glob("birds/*/saliency")
    assert kept == sorted(path.relative_to(own) for path in own.rglob("*.*"))


class Broken(Logger):
    """Fails at whatever the evaluator sends; Lightning itself sends nothing for a module that logs nothing."""

    name = version = property(lambda self: self.log_metrics({}))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        raise OSError(28, "No space left on device")

    def log_hyperparams(self, params: object, *_: object) -> None:
        raise ConnectionError("no network")


class Silent(Stranger):
    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        pass


def test_a_logger_that_fails_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = evaluator(references=[reference(tmp_path)])
    csv = CSVLogger("csv")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit([one], Silent(), settings={"logger": [Broken(), csv], "max_epochs": 2})
    (failure,) = [str(each.message) for each in caught if "failed at" in str(each.message)]
    assert failure.startswith("Broken failed at ")
    assert len(one.history) == 2
    assert len(pd.read_csv("saliency/history.csv")) == 2
    assert Path("saliency/val_results.csv").is_file()
    assert pd.read_csv(Path(csv.log_dir, "metrics.csv"))["val/saliency_ssim/Gradient/value"].notna().sum() == 3
