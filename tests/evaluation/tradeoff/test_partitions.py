"""Partitions of a trade-off are measured without ground truth; studies of earlier versions go on without that."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor

from lightning_spx.attribution import Gradient
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.maps.guides import guide_images
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.statistics.results_file import read_results
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.evaluation.tradeoff.partitions import COLUMNS, measure_partitions, partition_table, with_partitions
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.models import SmallResNet
from lightning_spx.superpixels import (
    Grid,
    GuidedFilter,
    ImagePooling,
    JointBilateral,
    Segmenter,
    Slic,
    explained_variation,
    global_regularity,
    grid_like,
    num_segments,
)
from tests.pictures import drawn
from tests.small_study import birds, classifier, quiet_trainer
from tests.superpixels.conftest import draw

NUM_IMAGES, SIZE = 8, 24
PARTITION = ["explained_variation", "global_regularity"]


@dataclass(frozen=True)
class Counted(Segmenter):
    """SLIC, counting its images."""

    images: ClassVar[list[int]] = []
    n_segments: int = 9

    def __call__(self, images: Tensor) -> Tensor:
        self.images.append(len(images))
        return Slic(self.n_segments)(images)


@dataclass(frozen=True)
class Study:
    """A study of photos by two networks that nobody trained, which starts again in the same folder."""

    folder: Path
    networks: list[NamedNetwork]

    def run(self, tables: bool = False, superpixels: Sequence[ImagePooling] = ()) -> pd.DataFrame:
        tradeoff(
            birds(), classifier, quiet_trainer, [Gradient()], [*superpixels] or [Counted()], ["after"],
            images=[str(self.folder / "photos")], image_size=SIZE, networks=self.networks, num_images=NUM_IMAGES,
            num_steps=2, substrates=["black"], fractions=[0.5], num_resamples=50, tables=tables,
            out=str(self.folder / "run"),
        )  # fmt: skip
        return pd.read_csv(self.folder / "run" / "results.csv")

    @property
    def values(self) -> Path:
        return self.folder / "run" / "per_image" / "partitions.parquet"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(draw(NUM_IMAGES, SIZE, SIZE)):
        pixels = image.permute(1, 2, 0).mul(255).byte().numpy()
        # the first photo has one color
        Image.fromarray(pixels * 0 + 90 if number == 0 else pixels).save(tmp_path / "photos" / f"{number}.png")
    return Study(tmp_path, [NamedNetwork(SmallResNet(4, 4), name=name) for name in ("a", "b")])


def test_each_partition_has_its_numbers_with_intervals(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    with drawn():
        results = study.run(tables=True)
    photos = [np.array(Image.open(study.folder / "photos" / f"{number}.png")) for number in range(NUM_IMAGES)]
    images = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255
    own = Slic(9)(images)
    expected = {
        "Counted": (explained_variation(own, images).nanmean(), global_regularity(own).mean()),
        "control:grid(Counted)": (
            explained_variation(grid_like(own), images).nanmean(),
            global_regularity(grid_like(own)).mean(),
        ),
    }
    table = pd.read_csv(study.folder / "run" / "partition_quality.csv").set_index("superpixels")
    kinds = ["grid", "voronoi", "borrowed"]
    assert list(table.index) == ["Counted", *(f"control:{kind}(Counted)" for kind in kinds)]
    for name, values in expected.items():
        found = results[results["superpixels"] == name][PARTITION]
        assert (found - [float(value) for value in values]).abs().to_numpy().max() < 1e-6
        assert [table[each][name] for each in PARTITION] == pytest.approx([float(value) for value in values], abs=1e-6)
    assert table.loc["Counted", "mean_segments"] == pytest.approx(num_segments(own).float().mean().item())
    for name in PARTITION:
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
    # pixels and blurred maps have no segments
    without = results["superpixels"].str.match("pixel|reference:|control:blur")
    assert results[PARTITION].isna().all(axis=1).tolist() == without.tolist()
    assert read_results(study.folder / "run" / "results.csv")[PARTITION].dtypes.tolist() == [np.float64] * 2
    assert "Partitions without ground truth" in capsys.readouterr().out
    assert "Partitions without ground truth, as a table" in report(str(study.folder / "run")).read_text("utf-8")


def test_studies_that_an_earlier_version_began_or_finished_go_on(study: Study) -> None:
    before = study.run()
    kept = study.values.read_bytes()
    # finished: nothing is segmented, and the rest of the results is as it was
    study.values.unlink()
    (study.folder / "run" / "partition_quality.csv").unlink()
    Counted.images.clear()
    pd.testing.assert_frame_equal(study.run(), before.drop(columns=PARTITION))
    assert Counted.images == []
    assert not study.values.is_file()
    assert not (study.folder / "run" / "partition_quality.csv").is_file()
    # begun: the segments that it needs anyhow are measured, for all images
    (study.folder / "run" / "per_image" / "stability_Gradient.parquet").unlink()
    pd.testing.assert_frame_equal(study.run(), before)
    pd.testing.assert_frame_equal(pd.read_parquet(study.values), pd.read_parquet(_written(study, kept)))


def _written(study: Study, content: bytes) -> Path:
    path = study.folder / "kept.parquet"
    path.write_bytes(content)
    return path


def test_damaged_and_foreign_numbers_are_refused_by_name(study: Study) -> None:
    study.run()
    study.values.write_bytes(b"numbers")
    with pytest.raises(ValueError, match=r"partitions\.parquet, got a damaged file"):
        study.run()
    pd.DataFrame({"superpixels": ["Counted"]}).to_parquet(study.values)
    with pytest.raises(ValueError, match=r"partitions\.parquet to be of the settings"):
        study.run()
    assert json.loads((study.folder / "run" / "run.json").read_text())["seconds"]["partitions"] > 0


def test_a_study_of_filters_alone_has_no_partitions(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    filters = [JointBilateral(), GuidedFilter()]
    results = study.run(tables=True, superpixels=filters)
    assert "Partitions without ground truth" not in capsys.readouterr().out
    assert not (study.folder / "run" / "partition_quality.csv").is_file()
    assert set(PARTITION).isdisjoint(results)
    assert {"JointBilateral", "control:borrowed(GuidedFilter)", "control:blur(JointBilateral)"} <= {
        *results["superpixels"]
    }
    pd.testing.assert_frame_equal(study.run(superpixels=filters), results)
    assert report(str(study.folder / "run")).is_file()


def test_every_row_has_a_gain_at_matched_fidelity(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    results = study.run(tables=True)
    assert "Gain at matched fidelity" in capsys.readouterr().out
    assert "Gain at matched fidelity" in report(str(study.folder / "run")).read_text("utf-8")
    front = pd.read_csv(study.folder / "run" / "front.csv")
    gains = results[results["metric"] == "matched_gain"]
    assert gains.groupby("setting").size().to_dict() == dict.fromkeys(
        ["against=road", "against=road;order=same"], len(front)
    )
    blurs = front[front["superpixels"].str.startswith("control:blur(sigma=")]
    # half of 24 pixels, and on to half a pixel
    assert [name[19:-1] for name in blurs["superpixels"]] == ["12", "6", "3", "1.5", "0.75"]
    assert (blurs["matched_gain"] <= 1e-12).all()
    assert not front.loc[front["superpixels"].str.startswith("control"), "on_front"].any()


def test_a_run_without_blurs_of_all_widths_still_goes_on_and_has_its_page(study: Study) -> None:
    study.run()
    for path in (study.folder / "run" / "per_image").glob("*_Gradient*.parquet"):
        table = pq.read_table(path)
        kept = [not name.startswith("control:blur(sigma=") for name in table["superpixels"].to_pylist()]
        pq.write_table(table.filter(kept), path)
    results = study.run(tables=True)
    assert "matched_gain" not in set(results["metric"])
    assert pd.read_csv(study.folder / "run" / "front.csv")["matched_gain"].isna().all()
    assert "matched fidelity" not in report(str(study.folder / "run")).read_text("utf-8")


def test_an_image_of_one_color_does_not_count() -> None:
    images = draw(3, 12, 12)
    images[1] = 0.1
    segments = Grid(9)(images)
    values = measure_partitions([Pooling("Grid", "segments", segments)], images, torch.tensor([4, 5, 9]))
    assert values["index"].tolist() == [4, 5, 9]
    assert values["explained_variation"].isna().tolist() == [False, True, False]
    (row,) = partition_table(values, 50, seed=0).to_dict("records")
    assert (row["num_images"], row["num_one_color"]) == (3, 1)
    assert row["explained_variation"] == pytest.approx(explained_variation(segments, images).nanmean().item())
    assert row["global_regularity"] == row["global_regularity_low"] == row["global_regularity_high"] == 1
    rows = pd.DataFrame({"superpixels": ["pixel", "Grid"], "value": [1.0, 2.0]})
    assert with_partitions(rows, values)["global_regularity"].isna().tolist() == [True, False]


def test_filters_have_no_segments_to_measure() -> None:
    images = torch.rand(3, 3, 8, 8)
    guides = guide_images({"JointBilateral": JointBilateral()}, images, 2, torch.device("cpu"))
    poolings = make_poolings(guides, torch.arange(3), np.array([1, 2, 0]), seed=0)
    values = measure_partitions(poolings, images, torch.arange(3))
    assert values.empty
    assert tuple(values.columns) == COLUMNS
    rows = pd.DataFrame({"superpixels": ["pixel", "JointBilateral"]})
    assert with_partitions(rows, values).equals(rows)


def test_what_only_segments_have_is_refused_or_named_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nobody asks for a model or a Trainer
    nothing: Any = None

    monkeypatch.chdir(tmp_path)
    filters: list[ImagePooling] = [JointBilateral(), GuidedFilter()]
    warning = r"`sizes` \[9\] change nothing: filters \(JointBilateral, GuidedFilter\) have no segments"
    with (
        pytest.warns(UserWarning, match=warning),
        pytest.raises(ValueError, match="to have segments for `bsds500`, got only JointBilateral, GuidedFilter"),
    ):
        tradeoff(birds(), nothing, nothing, [Gradient()], filters, ["after"], sizes=[9], bsds500=str(tmp_path))
