"""Results of a study do not know who explained which image; its settings change what they say and nothing else."""

import json
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from lightning_spx.attribution import Gradient, SmoothGrad, magnitude
from lightning_spx.data.splits import Plan
from lightning_spx.evaluation.maps.sampled_images import draw_images
from lightning_spx.evaluation.stability import summary
from lightning_spx.evaluation.statistics.floors import permute_pixels
from lightning_spx.metrics import mege
from lightning_spx.models.checkpoint_file import load_checkpoint
from lightning_spx.superpixels import Grid, Slic, Voronoi
from tests.small_study import (
    NUM_IMAGES,
    NUM_MODELS,
    PASSES,
    PASSES_PER_MODEL,
    CountedGradient,
    TrainedOn,
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


@pytest.fixture(scope="module")
def in_shards(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "report_stability", lambda *_: None)
        return study(out, methods=[Gradient()], checkpoints=checkpoints_of(finished), shard_size=3)


def pixel_rows(folder: Path) -> pd.DataFrame:
    """The values by pixel of all images, which depend on no other image, in the order of pairs and images."""
    rows = pd.concat(pd.read_parquet(path) for path in sorted((folder / "per_image").glob("*.parquet")))
    rows = rows[(rows["superpixels"] == "pixel") & (rows["method"].str.endswith("Gradient"))]
    return rows.sort_values(["metric", "setting", "pair", "index"], ignore_index=True)


def test_values_of_images_are_those_of_the_study_in_one_shard(finished: Path, in_shards: Path) -> None:
    own, whole = pixel_rows(in_shards), pixel_rows(finished)
    assert len(own) == len(whole) == 3 * 5 * NUM_IMAGES  # pairs, metrics, images
    assert len(list((in_shards / "per_image").iterdir())) == 3
    columns = ["index", "pair", "agree", "differ", "value", "permuted"]
    pd.testing.assert_frame_equal(own[columns], whole[columns], rtol=0, atol=1e-6)


def test_results_are_the_mean_over_the_images_of_all_shards(in_shards: Path) -> None:
    rows = pixel_rows(in_shards)
    rows = rows[rows["metric"] == "saliency_ssim"]
    results = results_of(in_shards).query("condition == 'all' and pair == 'all'")
    result = results.query("metric == 'saliency_ssim' and superpixels == 'pixel'")
    assert result["num_images"].item() == NUM_IMAGES
    assert result["value"].item() == pytest.approx(rows["value"].mean(), abs=1e-12)
    floor = max(rows["permuted"].mean(), rows["mismatched"].mean())
    assert result["floor"].item() == pytest.approx(floor, abs=1e-12)
    segments = results.query("superpixels == 'Grid'")
    assert set(segments["mean_segments"]) == {16.0}


@pytest.mark.usefixtures("no_training", "no_figures")
def test_a_block_of_other_weights_is_refused_by_name(finished: Path, in_shards: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(in_shards, tmp_path / "run"))
    path = folder / "per_image" / "repeat0_shard0001_Gradient.parquet"
    table = pq.read_table(path)
    other = {**table.schema.metadata, b"spx.study": table.schema.metadata[b"spx.study"].replace(b"0", b"1")}
    pq.write_table(table.replace_schema_metadata(other), path)
    with pytest.raises(ValueError, match=r"shard0001_Gradient\.parquet to be of the settings, data and weights"):
        study(folder, methods=[Gradient()], checkpoints=checkpoints_of(finished), shard_size=3)


@pytest.mark.usefixtures("no_training", "no_figures")
@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped"])
def test_a_damaged_block_is_refused_by_name(finished: Path, in_shards: Path, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(in_shards, tmp_path / "run"))
    path = folder / "per_image" / "repeat0_shard0002_Gradient.parquet"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        # a bit of the values themselves: pages have checksums
        content[200] ^= 1
    path.write_bytes(content if damage == "flipped" else content[: len(content) // 2] if damage == "truncated" else b"")
    with pytest.raises(ValueError, match=r"values of a study in .*repeat0_shard0002_Gradient\.parquet, got a damaged"):
        study(folder, methods=[Gradient()], checkpoints=checkpoints_of(finished), shard_size=3)


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("plan", ["disjoint", "folds"])
def test_each_model_trains_on_its_own_part_alone(tmp_path: Path, plan: Plan) -> None:
    trained_on = TrainedOn()
    folder = study(tmp_path / "run", birds(plan), [Gradient()], num_images=24, callback=trained_on)
    parts = [set(part) for part in json.loads((folder / "splits.json").read_text())[0]["parts"]]
    assert sorted(image for part in parts for image in part) == list(range(60))
    assert len(trained_on.images) == NUM_MODELS
    for images, part in zip(trained_on.images, parts, strict=True):
        assert len(images) >= 10
        # under `folds` a part is what the model does not train on
        assert images.isdisjoint(part) if plan == "folds" else images <= part


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
    keys = ["pair", "superpixels", "magnitude", "metric", "setting", "condition"]
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
            SmoothGrad(num_samples=2, seed=seed).attribute(model, all_images(drawn), all_labels(drawn))
            for model, seed in zip(models, seeds, strict=True)
        ]
        assert pixel_value(folder, "SmoothGrad") == pytest.approx(mean_ssim(maps), abs=1e-4)


@pytest.mark.usefixtures("no_training", "no_figures")
def test_the_prediction_can_be_explained_in_place_of_the_label(finished: Path, tmp_path: Path) -> None:
    files = checkpoints_of(finished)
    folder = study(tmp_path / "run", methods=[Gradient()], checkpoints=files, target="prediction")
    drawn = draw_images(birds(), NUM_IMAGES, seed=0)
    models = [load_checkpoint(path, classifier) for path in files]
    preds = [model(all_images(drawn)).argmax(1) for model in models]
    assert any((own != all_labels(drawn)).any() for own in preds)
    maps = [Gradient().attribute(model, all_images(drawn), own) for model, own in zip(models, preds, strict=True)]
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
        rows = pd.read_parquet(folder / "per_image" / "repeat0_shard0000_Gradient.parquet")
        rows = rows[rows["pair"] == f"{first}-{second}"]
        counting = set(drawn.index[held_out[first] ^ held_out[second]].tolist())
        assert 0 < len(counting) < 30
        assert set(rows.loc[rows["value"].notna(), "index"]) == counting
    models = [load_checkpoint(path, classifier) for path in checkpoints_of(folder)]
    maps = torch.stack(
        [magnitude(Gradient().attribute(model, all_images(drawn), all_labels(drawn))) for model in models]
    )
    preds = torch.stack([model(all_images(drawn)).argmax(1) for model in models])
    expected = float(mege(maps, preds, all_labels(drawn), held_out, distance="l2"))
    assert pixel_value(folder, "Gradient", "mege", "distance=l2") == pytest.approx(expected, abs=1e-5)
    everything = float(mege(maps, preds, all_labels(drawn), distance="l2"))
    assert expected != pytest.approx(everything, abs=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_three_repeats_have_splits_seeds_and_models_of_their_own(tmp_path: Path) -> None:
    PASSES.clear()
    trained_on = TrainedOn()
    folder = study(tmp_path / "run", birds(num_parts=2), [CountedGradient()], repeats=3, callback=trained_on)
    assert sorted(set(PASSES)) == list(range(6))
    splits = json.loads((folder / "splits.json").read_text())
    assert [split["seed"] for split in splits] == [0, 1, 2]
    assert len({tuple(split["parts"][0]) for split in splits}) == 3
    assert len(checkpoints_of(folder)) == 6
    parts = [set(part) for split in splits for part in split["parts"]]
    assert all(images <= part for images, part in zip(trained_on.images, parts, strict=True))
    assert len(set(trained_on.weights)) == 6
    results = results_of(folder)
    assert set(results.query("condition == 'all'")["interval"]) == {"models of this data and architecture"}
    values = [
        pd.read_parquet(folder / "per_image" / f"repeat{repeat}_shard0000_CountedGradient.parquet").query(
            "superpixels == 'pixel' and metric == 'saliency_ssim'"
        )["value"]
        for repeat in range(3)
    ]
    assert pixel_value(folder, "CountedGradient") == pytest.approx(np.mean(values), abs=1e-12)
    assert len({tuple(own) for own in values}) == 3
    # and so have their nulls: the models of the second repeat are the third and the fourth
    drawn = draw_images(birds(), NUM_IMAGES, seed=0)
    permuted = [
        permute_pixels(
            Gradient().attribute(model, all_images(drawn), all_labels(drawn)), drawn.index.tolist(), number, seed=0
        )
        for number, model in enumerate(load_checkpoint(file, classifier) for file in checkpoints_of(folder))
    ]
    second = pd.read_parquet(folder / "per_image" / "repeat1_shard0000_CountedGradient.parquet")
    null = second.query("superpixels == 'pixel' and metric == 'saliency_ssim'")["permuted"]
    assert null.mean() == pytest.approx(mean_ssim(permuted[2:4]), abs=1e-5)


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


def test_another_checkpoint_under_the_same_name_is_refused(finished: Path, tmp_path: Path) -> None:
    given = [tmp_path / Path(path).name for path in checkpoints_of(finished)]
    for copy, path in zip(given, checkpoints_of(finished), strict=True):
        copy.write_bytes(Path(path).read_bytes())
    study(tmp_path / "run", checkpoints=given)
    given[0].write_bytes(given[1].read_bytes())
    with pytest.raises(ValueError, match="Expected the checkpoints of the run to be"):
        study(tmp_path / "run", checkpoints=given)
