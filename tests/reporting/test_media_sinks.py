"""Pictures, tables of pictures and folders as the loggers hold them afterwards, read back from their files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger
from PIL import Image

from lightning_spx.reporting import (
    log_folder,
    log_map_table,
    log_picture,
    log_scalars,
    log_segmented,
    log_summary,
    log_text,
    picture_of,
)
from lightning_spx.reporting.wandb_sink import mask_classes
from tests.reporting.cases import offline_history, offline_records
from tests.reporting.sent_cases import CAPTIONS, IMAGES, PICTURE, SEGMENTS, SENTENCE, VALUES


def send(loggers: list[Logger], folder: Path) -> None:
    log_scalars(loggers, {"val/ssim": 0.5}, 7)
    log_picture(loggers, "val/panels/Gradient", PICTURE, 7)
    log_segmented(loggers, "val/segments", IMAGES, SEGMENTS, CAPTIONS, 7)
    log_map_table(loggers, "val/per_image", VALUES, {"image": [picture_of(image) for image in IMAGES]})
    log_summary(loggers, {"val/ssim/floor": 0.25})
    log_text(loggers, "val/answer", SENTENCE)
    log_folder(loggers, "saliency of: owls", folder)


@pytest.fixture(scope="module", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what W&B stages for upload out of the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    (folder / "history.csv").write_text("epoch\n0\n")
    (folder / "panels").mkdir()
    Image.fromarray(PICTURE).save(folder / "panels" / "0.png")
    return folder


@pytest.fixture(scope="module")
def offline_run(tmp_path_factory: pytest.TempPathFactory, results: Path) -> Path:
    """The folder of a W&B run without a network, that was sent all there is."""
    folder = tmp_path_factory.mktemp("wandb")
    send([WandbLogger(project="spx", save_dir=folder, offline=True)], results)
    wandb.finish()
    wandb.teardown()
    return folder


def files(folder: Path) -> Path:
    (found,) = folder.glob("wandb/offline-run-*/files")
    return found


def test_a_picture_keeps_its_pixels_and_stands_at_the_step_of_the_scalars(offline_run: Path) -> None:
    history = offline_history(offline_run)
    (name,) = history["val/panels/Gradient"]["filenames"]
    assert np.array_equal(np.asarray(Image.open(files(offline_run) / name)), PICTURE)
    steps = [
        json.loads(item.value_json)
        for record in offline_records(offline_run)
        for item in record.history.item
        if list(item.nested_key) == ["trainer/global_step"]
    ]
    assert set(steps) == {7}


def test_segments_are_masks_over_the_photo(offline_run: Path) -> None:
    entry = offline_history(offline_run)["val/segments"]
    for number, (photo, masks) in enumerate(zip(entry["filenames"], entry["all_masks"], strict=True)):
        assert np.array_equal(np.asarray(Image.open(files(offline_run) / photo)), picture_of(IMAGES[number]))
        for name, ids in SEGMENTS.items():
            kept = np.asarray(Image.open(files(offline_run) / masks[name]["path"]))
            assert np.array_equal(kept, ids[number].numpy() + 1)
    assert entry["captions"] == CAPTIONS  # as text: W&B escapes captions itself


def test_a_table_has_pictures_and_values_in_its_cells(offline_run: Path) -> None:
    entry = offline_history(offline_run)["val/per_image"]
    content = json.loads((files(offline_run) / entry["path"]).read_text())
    assert content["columns"] == ["image", "ssim", "class"]
    assert [line[1:] for line in content["data"]] == [[0.5, "<b>owl</b>"], [None, "jay"]]
    kinds = content.get("column_types", content)
    assert "image-file" in json.dumps(kinds) or content["data"][0][0] == "Image"


def test_a_folder_becomes_an_artifact(offline_run: Path) -> None:
    artifacts = [record.artifact for record in offline_records(offline_run) if record.artifact.name]
    (own,) = [artifact for artifact in artifacts if artifact.type == "saliency"]
    assert own.name.startswith("saliency-of--owls-")
    assert sorted(entry.path for entry in own.manifest.contents) == ["history.csv", "panels/0.png"]
    (table,) = [artifact for artifact in artifacts if artifact.type == "run_table"]
    pictures = [entry for entry in table.manifest.contents if entry.path.endswith(".png")]
    shown = {np.asarray(Image.open(entry.local_path)).tobytes() for entry in pictures}
    assert shown == {picture_of(image).tobytes() for image in IMAGES}


def test_the_summary_holds_the_last_numbers(offline_run: Path) -> None:
    summary: dict[str, Any] = {}
    for record in offline_records(offline_run):
        for item in record.summary.update:
            summary[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    assert summary["val/ssim/floor"] == 0.25
    assert summary["val/answer"] == SENTENCE


def test_tensorboard_keeps_pictures_at_their_step(tmp_path: Path, results: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = TensorBoardLogger(tmp_path)
    send([logger], results)
    logger.finalize("success")
    events = accumulator.EventAccumulator(logger.log_dir).Reload()
    (picture,) = events.Images("val/panels/Gradient")
    assert (picture.step, picture.width, picture.height) == (7, 5, 4)
    assert events.Images("val/segments")[0].step == 7
    assert events.Scalars("val/ssim/floor")[0].value == 0.25
    texts = {name: event.tensor_proto.string_val[0].decode() for name in events.Tags()["tensors"]
             for event in events.Tensors(name)}  # fmt: skip
    assert texts["val/answer/text_summary"] == SENTENCE
    assert texts["val/per_image/text_summary"].splitlines()[2:] == ["| 0.5 | <b>owl</b> |", "|  | jay |"]


def test_loggers_without_pictures_get_the_numbers(tmp_path: Path, results: Path) -> None:
    logger = CSVLogger(tmp_path)
    send([DummyLogger(), logger], results)
    logger.save()
    table = pd.read_csv(Path(logger.log_dir) / "metrics.csv")
    assert table["val/ssim"].dropna().tolist() == [0.5]
    assert table["val/ssim/floor"].dropna().tolist() == [0.25]


def test_a_picture_of_floats_is_refused() -> None:
    # W&B would cast 0.31 to 0 and show black
    picture: Any = PICTURE / 255
    with pytest.raises(TypeError, match="Expected `picture` to be uint8, got float64"):
        log_picture([], "val/panels/Gradient", picture, 7)
    with pytest.raises(TypeError, match=r"Expected `pictures\['image'\]` to be uint8, got float64"):
        log_map_table([], "val/per_image", VALUES, {"image": [picture]})


def test_without_a_logger_nothing_happens(results: Path) -> None:
    send([], results)


def test_few_segments_keep_their_own_classes() -> None:
    segments = np.arange(127).reshape(1, -1)
    assert np.array_equal(mask_classes(segments), segments + 1)


@pytest.mark.parametrize("shape", [(40, 40), (1, 1600), (1600, 1)])
def test_of_many_segments_no_two_that_touch_share_a_class(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    segments = draw.permutation(1600).reshape(shape)
    classes = mask_classes(segments).astype(int)
    assert classes.min() >= 1
    assert classes.max() <= 127
    assert (np.diff(classes, axis=0) != 0).all()
    assert (np.diff(classes, axis=1) != 0).all()


def test_a_whole_segment_has_one_class() -> None:
    segments = np.repeat(np.arange(300), 4).reshape(20, 60)
    classes = mask_classes(segments)
    assert all(len(np.unique(classes[segments == segment])) == 1 for segment in range(300))
