"""A whole study: what it leaves behind, what it does not do twice, and what its settings change."""

import json
import shutil
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from lightning import Trainer
from torch import Tensor

from lightning_spx.attribution import Gradient, SmoothGrad, magnitude, saliency_map
from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.evaluation.drawn_images import draw_images
from lightning_spx.evaluation.members import load_checkpoint
from lightning_spx.metrics import mege, saliency_ssim
from lightning_spx.superpixels import Grid, Slic, Voronoi
from tests.evaluation.small_study import (
    METHODS,
    NUM_IMAGES,
    NUM_MODELS,
    PASSES,
    PASSES_PER_MODEL,
    CountedGradient,
    birds,
    classifier,
    study,
)


def results_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "results.csv")


def checkpoints_of(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("*.ckpt"))


def pixel_value(folder: Path, method: str, metric: str = "saliency_ssim", setting: str = "") -> float:
    results = results_of(folder).fillna({"setting": ""})
    rows = results.query(
        "method == @method and superpixels == 'pixel' and metric == @metric and setting == @setting and pair == 'all'"
    )
    return float(rows["value"].item())


def mean_ssim(maps: Sequence[Tensor]) -> float:
    pairs = [saliency_ssim(saliency_map(first), saliency_map(second)) for first, second in combinations(maps, 2)]
    return float(torch.cat(pairs).double().mean())


@pytest.fixture(scope="module")
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
    # by name: as an attribute of its package the module is hidden by the function of the same name
    monkeypatch.setattr(import_module("lightning_spx.evaluation.stability"), "report_stability", lambda *_: None)


def test_a_run_folder_holds_what_the_run_can_be_repeated_from(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        *("config.yaml", "run.json", "splits.json", "results.csv"),
        *("checkpoints", "training", "per_image", "examples", "figures"),
    }
    assert [path.name for path in checkpoints_of(finished)] == [f"repeat0-model{part}.ckpt" for part in range(3)]
    pairs = ("0-1", "0-2", "1-2")
    blocks = {f"repeat0_{pair}_{method}.parquet" for pair in pairs for method in ("CountedGradient", "SmoothGrad")}
    assert {path.name for path in (finished / "per_image").iterdir()} == blocks
    figures = {path.stem for path in (finished / "figures").iterdir()}
    assert figures == {
        *("saliency_ssim", "topk_overlap_k=0.1", "mege_l2", "table_mege_l2", "reco_l2"),
        *("maps_CountedGradient", "maps_SmoothGrad"),
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
            right = (network(images.images).argmax(1) == images.label).float().mean()
        assert entry["part"] == part
        assert entry["test_accuracy"] == pytest.approx(float(right))


def test_models_train_on_their_own_parts_alone(finished: Path) -> None:
    parts = json.loads((finished / "splits.json").read_text())[0]["parts"]
    assert sorted(image for part in parts for image in part) == list(range(60))
    states = [torch.load(path, weights_only=True)["state_dict"] for path in checkpoints_of(finished)]
    assert not torch.equal(states[0]["network.head.weight"], states[1]["network.head.weight"])


def test_the_configuration_names_every_setting(finished: Path) -> None:
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert config["num_images"] == NUM_IMAGES
    assert config["data"]["num_train"] == 60
    assert config["methods"] == ["CountedGradient(seed=0)", repr(SmoothGrad(num_samples=2))]


def test_values_are_those_of_the_models_and_methods_called_directly(finished: Path) -> None:
    drawn = draw_images(birds(), NUM_IMAGES, seed=0)
    models = [load_checkpoint(path, classifier) for path in checkpoints_of(finished)]
    gradients = [Gradient().attribute(model, drawn.images, drawn.label) for model in models]
    assert pixel_value(finished, "CountedGradient") == pytest.approx(mean_ssim(gradients), abs=1e-5)
    with torch.no_grad():
        preds = torch.stack([model(drawn.images).argmax(1) for model in models])
    maps = torch.stack([magnitude(gradient) for gradient in gradients])
    expected = float(mege(maps, preds, drawn.label, distance="l2"))
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
    (folder / "per_image" / "repeat0_0-2_SmoothGrad.parquet").unlink()
    PASSES.clear()
    study(folder)
    assert PASSES == []
    pd.testing.assert_frame_equal(results_of(folder), results_of(finished), rtol=1e-9)


@pytest.mark.usefixtures("no_training", "no_figures")
def test_checkpoints_in_place_of_training_give_the_same_results(finished: Path, tmp_path: Path) -> None:
    folder = study(tmp_path / "run", checkpoints=checkpoints_of(finished))
    pd.testing.assert_frame_equal(results_of(folder), results_of(finished), rtol=1e-9)
    assert not (folder / "checkpoints").exists()


@pytest.mark.usefixtures("no_training", "no_figures")
def test_more_segmenters_need_no_more_gradients(finished: Path, tmp_path: Path) -> None:
    PASSES.clear()
    segmenters = [Grid(16), Slic(n_segments=20), Voronoi(12)]
    folder = study(tmp_path / "run", None, [CountedGradient()], segmenters, checkpoints=checkpoints_of(finished))
    assert len(PASSES) == NUM_MODELS * PASSES_PER_MODEL
    results = results_of(folder)
    assert {"pixel", "Grid", "Slic", "Voronoi"} <= set(results["superpixels"])
    # and they change nothing of the rows that are there without them
    keys = ["pair", "superpixels", "magnitude", "metric", "setting"]
    before = results_of(finished).query("method == 'CountedGradient'").set_index(keys)
    pd.testing.assert_frame_equal(results.set_index(keys).loc[before.index], before, rtol=1e-9)


@pytest.mark.usefixtures("no_training", "no_figures")
def test_the_batch_size_changes_no_result(finished: Path, tmp_path: Path) -> None:
    folder = study(tmp_path / "run", checkpoints=checkpoints_of(finished), batch_size=7)
    pd.testing.assert_frame_equal(results_of(folder), results_of(finished), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("no_training", "no_figures")
def test_shared_noise_changes_random_methods_alone(finished: Path, tmp_path: Path) -> None:
    own, shared = (
        study(
            tmp_path / noise,
            methods=[Gradient(), SmoothGrad(num_samples=2, seed=4)],
            checkpoints=checkpoints_of(finished),
            noise=noise,
        )
        for noise in ("own", "shared")
    )
    for method in ("Gradient", "SmoothGrad"):
        first, second = (results.loc[results["method"] == method] for results in map(results_of, (own, shared)))
        assert first.equals(second) == (method == "Gradient")
    drawn = draw_images(birds(), NUM_IMAGES, seed=0)
    models = [load_checkpoint(path, classifier) for path in checkpoints_of(finished)]
    for folder, seeds in ((own, (4, 5, 6)), (shared, (4, 4, 4))):
        maps = [
            SmoothGrad(num_samples=2, seed=seed).attribute(model, drawn.images, drawn.label)
            for model, seed in zip(models, seeds, strict=True)
        ]
        assert pixel_value(folder, "SmoothGrad") == pytest.approx(mean_ssim(maps), abs=1e-4)


@pytest.mark.usefixtures("no_training", "no_figures")
def test_the_prediction_can_be_explained_in_place_of_the_label(finished: Path, tmp_path: Path) -> None:
    files = checkpoints_of(finished)
    folder = study(tmp_path / "run", methods=[Gradient()], checkpoints=files, target="prediction")
    drawn = draw_images(birds(), NUM_IMAGES, seed=0)
    models = [load_checkpoint(path, classifier) for path in files]
    preds = [model(drawn.images).argmax(1) for model in models]
    assert any((own != drawn.label).any() for own in preds)
    maps = [Gradient().attribute(model, drawn.images, own) for model, own in zip(models, preds, strict=True)]
    assert pixel_value(folder, "Gradient") == pytest.approx(mean_ssim(maps), abs=1e-5)
    assert pixel_value(folder, "Gradient") != pytest.approx(pixel_value(finished, "CountedGradient"), abs=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_under_folds_only_images_that_one_of_a_pair_did_not_see_count(tmp_path: Path) -> None:
    data = birds("folds")
    folder = study(tmp_path / "run", data, [Gradient()], num_images=30)
    drawn = draw_images(data, 30, seed=0)
    held_out = drawn.held_out(data.split(), NUM_MODELS)
    assert held_out is not None
    for first, second in combinations(range(NUM_MODELS), 2):
        rows = pd.read_parquet(folder / "per_image" / f"repeat0_{first}-{second}_Gradient.parquet")
        counting = set(drawn.index[held_out[first] ^ held_out[second]].tolist())
        assert 0 < len(counting) < 30
        assert set(rows.loc[rows["value"].notna(), "index"]) == counting
    models = [load_checkpoint(path, classifier) for path in checkpoints_of(folder)]
    maps = torch.stack([magnitude(Gradient().attribute(model, drawn.images, drawn.label)) for model in models])
    preds = torch.stack([model(drawn.images).argmax(1) for model in models])
    expected = float(mege(maps, preds, drawn.label, held_out, distance="l2"))
    assert pixel_value(folder, "Gradient", "mege", "distance=l2") == pytest.approx(expected, abs=1e-5)
    everything = float(mege(maps, preds, drawn.label, distance="l2"))
    assert expected != pytest.approx(everything, abs=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_three_repeats_have_splits_seeds_and_models_of_their_own(tmp_path: Path) -> None:
    PASSES.clear()
    folder = study(tmp_path / "run", birds(num_parts=2), [CountedGradient()], repeats=3)
    assert sorted(set(PASSES)) == list(range(6))
    splits = json.loads((folder / "splits.json").read_text())
    assert [split["seed"] for split in splits] == [0, 1, 2]
    assert len({tuple(split["parts"][0]) for split in splits}) == 3
    assert len(checkpoints_of(folder)) == 6
    results = results_of(folder)
    assert set(results["interval"]) == {"over repeats and images"}
    values = [
        pd.read_parquet(folder / "per_image" / f"repeat{repeat}_0-1_CountedGradient.parquet").query(
            "superpixels == 'pixel' and metric == 'saliency_ssim'"
        )["value"]
        for repeat in range(3)
    ]
    assert pixel_value(folder, "CountedGradient") == pytest.approx(np.mean(values), abs=1e-12)
    assert len({tuple(own) for own in values}) == 3


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


@pytest.mark.usefixtures("no_training")
def test_settings_out_of_range_are_refused_before_there_is_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    at_least_one = "Expected `methods`, `superpixels` and `magnitudes` to name at least one each"
    with pytest.raises(ValueError, match=at_least_one):
        study(out, methods=[])
    with pytest.raises(ValueError, match=at_least_one):
        study(out, superpixels=[])
    with pytest.raises(ValueError, match="Expected `num_images` to be at least 2, got 1"):
        study(out, num_images=1)
    with pytest.raises(ValueError, match="Expected `num_images` to be 0 to 24, the images there are, got 25"):
        study(out, num_images=25)
    with pytest.raises(ValueError, match="Expected `repeats` to be at least 1, got 0"):
        study(out, repeats=0)
    with pytest.raises(ValueError, match="Expected `batch_size` to be at least 1, got 0"):
        study(out, batch_size=0)
    with pytest.raises(ValueError, match="at least 2 models to compare"):
        study(out, birds(num_parts=1))
    assert not out.exists()
