"""What an offline experiment of Comet holds afterwards, read back from the archive that `comet upload` sends."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.loggers import CometLogger
from PIL import Image

from lightning_spx.reporting import log_scalars
from tests.reporting.sent_cases import KEPT, PICTURE, SENTENCE, VALUES, results_in, send_everything

# what Comet would log by itself, of the machine and of the console
OFF = ("log_code", "log_graph", "log_env_details", "log_env_gpu", "log_env_cpu", "log_env_host", "log_git_metadata",
       "log_git_patch", "parse_args", "auto_output_logging", "auto_param_logging", "auto_metric_logging")  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMET_DISABLE_AUTO_LOGGING", "1")
        comet = pytest.importorskip("comet_ml")
        folder = tmp_path_factory.mktemp("comet")
        patch.chdir(folder)
        settings = comet.ExperimentConfig(offline_directory=str(folder / "runs"), **dict.fromkeys(OFF, False))
        experiment = comet.start(online=False, experiment_config=settings)
        send_everything([CometLogger()], results_in(folder / "saliency"))
        experiment.end()
    (file,) = folder.glob("runs/*.zip")
    with zipfile.ZipFile(file) as archive:
        yield archive


def messages(archive: zipfile.ZipFile, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in archive.read("messages.json").decode().splitlines()]
    return [line["payload"] for line in lines if line["type"] == kind]


def uploads(archive: zipfile.ZipFile) -> dict[str, tuple[int | None, bytes]]:
    """Step and content of every picture, table and file by its name."""
    found = {}
    for entry in messages(archive, "file_upload"):
        facts = entry["additional_params"]
        found[facts.get("figName") or facts["fileName"]] = (facts["step"], archive.read(entry["file_path"]))
    return found


def test_numbers_settings_and_the_sentence_are_there(archive: zipfile.ZipFile) -> None:
    numbers = [entry["metric"] for entry in messages(archive, "metric_msg")]
    kept = {each["metricName"]: (each["metricValue"], each["step"]) for each in numbers}
    expected = {name: (value, 7) for name, value in KEPT.items()} | {"val/ssim/Gradient/gain": (0.25, 8)}
    assert {name: kept[name] for name in expected} == expected
    params = [entry.get("param") or entry["params"] for entry in messages(archive, "parameter_msg")]
    settings = {each["paramName"]: each["paramValue"] for each in params}
    assert (settings["seed"], settings["data|init_args|plan"]) == (3, "disjoint")
    others = {entry["key"]: entry["value"] for entry in messages(archive, "log_other")}
    assert others["stability/answer"] == SENTENCE


def test_pictures_keep_their_pixels_and_their_step(archive: zipfile.ZipFile) -> None:
    kept = uploads(archive)
    step, content = kept["val/panels/S-k-1"]
    assert step == 7
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), PICTURE)
    assert kept["val/segments"][0] == 7
    figure = Image.open(io.BytesIO(kept["stability/bars"][1]))
    assert (figure.size, figure.getpixel((9, 9))) == ((600, 300), (255, 0, 0))


def test_tables_and_the_folder_are_there(archive: zipfile.ZipFile) -> None:
    kept = uploads(archive)
    for name in ("stability/results.csv", "val/per_image.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(kept[name][1])), VALUES)
    assert kept["saliency/history.csv"][1] == b"epoch\n0\n"
    assert kept["saliency/panels/0.png"][1] == b"picture"


def test_an_experiment_that_writes_nothing_is_warned_of(tmp_path: Path) -> None:
    pytest.importorskip("comet_ml")
    logger = CometLogger(online=False, offline_directory=str(tmp_path))  # disabled by Lightning 2.6
    with pytest.warns(UserWarning, match=r"CometLogger failed at numbers, .* `comet_ml.start\(online=False\)`"):
        log_scalars([logger], {"val/value": 0.5})
