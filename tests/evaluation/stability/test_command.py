"""A whole study: what it leaves behind, and what it does not do twice."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from lightning_spx.attribution import Gradient, SmoothGrad, magnitude
from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.evaluation.maps.sampled_images import draw_images
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.metrics import mege
from lightning_spx.models.checkpoint_file import load_checkpoint
from tests.small_study import (
    METHODS,
    NUM_IMAGES,
    NUM_MODELS,
    PASSES,
    CountedGradient,
    all_images,
    all_labels,
    birds,
    checkpoints_of,
    classifier,
    mean_ssim,
    pixel_value,
    results_of,
    study,
)

REFERENCES = ["reference:edges", "reference:centre"]


def test_a_run_folder_holds_what_the_run_can_be_repeated_from(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        *(".lock", "config.yaml", "run.json", "splits.json", "results.csv", "verdicts.json"),
        *("checkpoints", "training", "per_image", "localisation", "examples", "figures"),
    }
    assert [path.name for path in checkpoints_of(finished)] == [f"repeat0-model{part}.ckpt" for part in range(3)]
    blocks = {f"repeat0_shard0000_{method}.parquet" for method in ("CountedGradient", "SmoothGrad")}
    assert {path.name for path in (finished / "per_image").iterdir()} == blocks
    figures = {path.stem for path in (finished / "figures").iterdir()}
    assert figures == {
        *("saliency_ssim", "topk_overlap_k=0.1", "mege_l2", "table_mege_l2", "reco_l2"),
        *("correlation", "residual_correlation"),
        *("mass_accuracy", "pointing_game", "mask_auc", "mask_auprc"),
        *("pairs_saliency_ssim", "distribution_saliency_ssim", "maps_CountedGradient", "maps_SmoothGrad"),
    }
    assert not [path for path in finished.rglob("*") if ".part" in path.suffixes or path.suffix == ".tmp"]


def test_the_record_says_what_ran_where_on_which_data(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert record["fingerprint"] == birds().fingerprint()
    assert record["splits"] == [birds().split().sha256]
    assert record["seed"] == 0
    assert record["versions"]["torch"] == version("torch")
    assert {"commit", "host", "device", "python"} <= set(record)
    assert {"train", "predict", "explain SmoothGrad", "compare SmoothGrad", "summarise"} <= set(record["seconds"])
    for part, model in enumerate(f"repeat0-model{part}" for part in range(NUM_MODELS)):
        entry = record["models"][model]
        network = load_checkpoint(finished / entry["checkpoint"], classifier)
        images = draw_images(birds(), 24, seed=0)
        with torch.no_grad():
            right = (network(all_images(images)).argmax(1) == all_labels(images)).float().mean()
        assert entry["part"] == part
        assert entry["test_accuracy"] == pytest.approx(float(right))


def test_the_configuration_names_every_setting(finished: Path) -> None:
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert config["num_images"] == NUM_IMAGES
    assert config["data"]["num_train"] == 60
    assert config["methods"] == ["CountedGradient(seed=0)", repr(SmoothGrad(num_samples=2))]


def test_values_are_those_of_the_models_and_methods_called_directly(finished: Path) -> None:
    drawn = draw_images(birds(), NUM_IMAGES, seed=0)
    models = [load_checkpoint(path, classifier) for path in checkpoints_of(finished)]
    gradients = [Gradient().attribute(model, all_images(drawn), all_labels(drawn)) for model in models]
    assert pixel_value(finished, "CountedGradient") == pytest.approx(mean_ssim(gradients), abs=1e-5)
    with torch.no_grad():
        preds = torch.stack([model(all_images(drawn)).argmax(1) for model in models])
    maps = torch.stack([magnitude(gradient) for gradient in gradients])
    expected = float(mege(maps, preds, all_labels(drawn), distance="l2"))
    assert pixel_value(finished, "CountedGradient", "mege", "distance=l2") == pytest.approx(expected, abs=1e-5)


@pytest.mark.usefixtures("no_training")
def test_a_second_start_trains_and_explains_nothing(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    for name in ("results.csv", "figures"):
        shutil.move(folder / name, tmp_path / name)
    PASSES.clear()
    study(folder)
    assert PASSES == []
    assert (folder / "results.csv").read_bytes() == (finished / "results.csv").read_bytes()
    assert len(list((folder / "figures").iterdir())) == len(list((finished / "figures").iterdir()))


@pytest.mark.usefixtures("no_training", "no_figures")
def test_a_lost_block_is_made_again_alone(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / "per_image" / "repeat0_shard0000_SmoothGrad.parquet").unlink()
    PASSES.clear()
    study(folder)
    assert PASSES == []  # the other method is not explained again
    pd.testing.assert_frame_equal(results_of(folder), results_of(finished), rtol=1e-9)


@pytest.mark.usefixtures("no_training", "no_figures")
def test_numbers_and_rows_that_a_block_of_an_earlier_version_lacks_are_left_out(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / "results.csv").unlink()
    path = next((folder / "per_image").glob("*_SmoothGrad.parquet"))
    table = pq.read_table(path)
    metrics, names = (np.array(table[name].to_pylist(), object) for name in ("metric", "superpixels"))
    old = ~np.isin(metrics, ["correlation", "residual_correlation"]) & ~np.isin(names, REFERENCES)
    assert 0 < old.sum() < len(old)
    pq.write_table(table.filter(pa.array(old)), path)
    study(folder)
    before, after = results_of(finished), results_of(folder)
    lacking = before["metric"].isin(["correlation", "residual_correlation"]) | before["superpixels"].isin(REFERENCES)
    # sanity checks and localisation have files of their own, which are whole
    lacking &= (before["method"] == "SmoothGrad") & ~before["metric"].isin(["sanity_ssim", *LOCALIZATION])
    assert lacking.any()
    pd.testing.assert_frame_equal(after, before[~lacking].reset_index(drop=True), rtol=1e-9)


@pytest.mark.usefixtures("no_training")
def test_other_data_under_the_same_settings_are_refused(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setattr(SyntheticBirdsDataModule, "fingerprint", lambda self: "another")
    with pytest.raises(
        ValueError, match=r"Expected the fingerprint of the run to be .* as recorded in .*, got another"
    ):
        study(folder)


@pytest.mark.usefixtures("no_training")
def test_another_setting_is_refused_by_name(finished: Path) -> None:
    with pytest.raises(ValueError, match=r"Expected `data.data_seed` to be 0 as in the earlier run .*, got 1"):
        study(finished, birds(data_seed=1))
    with pytest.raises(ValueError, match=r"Expected `methods.0` to be CountedGradient\(seed=0\) as in the earlier run"):
        study(finished, methods=[CountedGradient(seed=1), *METHODS[1:]])
    with pytest.raises(ValueError, match=r"Expected `num_images` to be 10 as in the earlier run .*, got 12"):
        study(finished, num_images=12)
