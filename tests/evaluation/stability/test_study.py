"""Shards: every image in one of them, and results that do not know who explained which."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_spx.attribution import Gradient
from lightning_spx.evaluation.maps.shards import derangement, make_shards
from lightning_spx.evaluation.stability import summary
from tests.small_study import checkpoints_of, results_of, study

NUM_IMAGES = 10


@given(num_images=st.integers(2, 300), shard_size=st.integers(2, 80), seed=st.integers(0, 2**32))
def test_every_image_is_in_one_shard_of_at_least_the_size_and_mismatched_inside_of_it(
    num_images: int, shard_size: int, seed: int
) -> None:
    shards = make_shards(num_images, shard_size, seed)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert np.array_equal(np.sort(np.concatenate([shard.positions for shard in shards])), np.arange(num_images))
    for shard in shards:
        size = len(shard.positions)
        assert min(shard_size, num_images) <= size < 2 * shard_size or len(shards) == 1
        assert (np.diff(shard.positions) > 0).all()
        assert np.array_equal(np.sort(shard.permutation), np.arange(size))
        assert (shard.permutation != np.arange(size)).all()


def test_one_shard_is_the_study_as_it_was_without_shards() -> None:
    (shard,) = make_shards(7, shard_size=64, seed=3)
    assert shard.positions.tolist() == list(range(7))
    assert np.array_equal(shard.permutation, derangement(7, seed=3))


def test_shards_of_one_size_are_mismatched_differently() -> None:
    first, second = make_shards(40, shard_size=20, seed=0)
    assert not np.array_equal(first.permutation, second.permutation)


@pytest.mark.parametrize(("num_images", "shard_size"), [(10, 1), (10, 0), (1, 4)])
def test_an_image_alone_in_its_shard_is_refused(num_images: int, shard_size: int) -> None:
    with pytest.raises(ValueError, match=r"Expected `(shard_size|num_images)` to be at least 2"):
        make_shards(num_images, shard_size, seed=0)


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
    assert len(own) == len(whole) == 3 * 3 * NUM_IMAGES  # pairs, metrics, images
    assert len(list((in_shards / "per_image").iterdir())) == 3
    columns = ["index", "pair", "agree", "differ", "value", "permuted"]
    pd.testing.assert_frame_equal(own[columns], whole[columns], rtol=0, atol=1e-6)


def test_results_are_the_mean_over_the_images_of_all_shards(in_shards: Path) -> None:
    rows = pixel_rows(in_shards)
    rows = rows[rows["metric"] == "saliency_ssim"]
    result = results_of(in_shards).query("metric == 'saliency_ssim' and superpixels == 'pixel' and pair == 'all'")
    assert result["num_images"].item() == NUM_IMAGES
    assert result["value"].item() == pytest.approx(rows["value"].mean(), abs=1e-12)
    floor = max(rows["permuted"].mean(), rows["mismatched"].mean())
    assert result["floor"].item() == pytest.approx(floor, abs=1e-12)
    segments = results_of(in_shards).query("superpixels == 'Grid' and pair == 'all'")
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
