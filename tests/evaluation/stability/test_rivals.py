"""Methods that explain by segments of their own, in studies from models to page."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import (
    XRAI,
    Attribution,
    FeatureAblation,
    Gradient,
    InputXGradient,
    KernelShap,
    SegmentAttribution,
    saliency_map,
)
from lightning_spx.attribution.by_segments import BySegments
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.reseed import reseed
from lightning_spx.attribution.targets import Target
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.ensemble import ensemble
from lightning_spx.evaluation.maps.sampled_images import draw_images
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.roar import roar
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.metrics import saliency_ssim
from lightning_spx.models.checkpoint_file import load_checkpoint
from lightning_spx.superpixels import Grid, Segmenter, Slic, grid_like, segment_pool
from tests.pictures import drawn
from tests.small_study import (
    NUM_IMAGES,
    NUM_MODELS,
    all_images,
    all_labels,
    birds,
    checkpoints_of,
    classifier,
    mean_ssim,
    quiet_trainer,
    results_of,
    study,
)

SEGMENTS = Slic(n_segments=12)
METHODS: dict[str, Attribution] = {
    "Gradient": Gradient(),
    "XRAI": XRAI((SEGMENTS, Grid(n_segments=16)), InputXGradient(), dilation=1, min_new_pixels=3),
    "KernelShap": SegmentAttribution(KernelShap(num_samples=60), SEGMENTS),
    "FeatureAblation": SegmentAttribution(FeatureAblation(), SEGMENTS),
}
RIVALS = list(METHODS)[1:]
CONTROLS = [f"control:{kind}(own segments)" for kind in ("grid", "voronoi", "borrowed")]
REFERENCES = ["reference:edges", "reference:centre"]


@pytest.fixture(scope="module")
def compared(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with drawn():
        out = tmp_path_factory.mktemp("rivals") / "run"
        return study(out, methods=list(METHODS.values()), checkpoints=checkpoints_of(finished), ceiling=True)


def ssim_rows(folder: Path, method: str) -> pd.DataFrame:
    rows = results_of(folder).query("metric == 'saliency_ssim' and pair == 'all' and condition == 'all'")
    return rows[rows["method"] == method].set_index("superpixels")


def test_each_rival_has_its_own_map_and_three_controls(compared: Path) -> None:
    for name in RIVALS:
        rows = ssim_rows(compared, name)
        assert sorted(rows.index) == sorted(["own segments", *REFERENCES, *CONTROLS])
        assert set(rows["magnitude"]) == {"either"}
        own = rows.loc["own segments"]
        assert own["best_control"] in CONTROLS
        assert own["gain"] == pytest.approx(own["excess"] - rows.loc[CONTROLS, "excess"].max(), abs=1e-9)
    assert "own segments" not in ssim_rows(compared, "Gradient").index


@pytest.mark.parametrize("name", RIVALS)
def test_values_are_those_of_the_method_called_alone(name: str, compared: Path, finished: Path) -> None:
    images = draw_images(birds(), NUM_IMAGES, seed=0)
    models = [load_checkpoint(path, classifier) for path in checkpoints_of(finished)]
    given = all_images(images), all_labels(images)
    methods = [reseed(METHODS[name], number) for number in range(NUM_MODELS)]
    maps = [method.attribute(model, *given) for method, model in zip(methods, models, strict=True)]
    rows = ssim_rows(compared, name)["value"]
    assert rows["own segments"] == pytest.approx(mean_ssim(maps), abs=2e-4)
    # images are in any order in the study, so only a control that no order changes can be made here
    of_own = torch.stack([grid_like(each(given[0])) for each in (SEGMENTS, Grid(n_segments=16))], dim=1)
    over = of_own if name == "XRAI" else of_own[:, :1]
    on_grid = [
        method.attribute_over(model, *given, over)
        for method, model in zip(methods, models, strict=True)
        if isinstance(method, BySegments)
    ]
    assert rows[CONTROLS[0]] == pytest.approx(mean_ssim(on_grid), abs=2e-4)


def test_the_null_of_another_image_keeps_the_segments(compared: Path, finished: Path) -> None:
    """The other model explains the image that an image is mismatched with, over the segments of the latter."""
    drawn_images = draw_images(birds(), NUM_IMAGES, seed=0)
    models = [load_checkpoint(path, classifier) for path in checkpoints_of(finished)]
    images, labels = all_images(drawn_images), all_labels(drawn_images)
    other = torch.from_numpy(derangement(NUM_IMAGES, seed=0))
    segments = SEGMENTS(images)
    method = SegmentAttribution(FeatureAblation(), SEGMENTS)
    own = [method.attribute_over(model, images, labels, segments) for model in models]
    lent = [method.attribute_over(model, images[other], labels[other], segments) for model in models]
    pairs = [(first, second) for first in range(NUM_MODELS) for second in range(first + 1, NUM_MODELS)]
    expected = [saliency_ssim(saliency_map(own[first]), saliency_map(lent[second])) for first, second in pairs]
    rows = pd.read_parquet(compared / "per_image" / "repeat0_shard0000_FeatureAblation.parquet")
    rows = rows[(rows["superpixels"] == "own segments") & (rows["metric"] == "saliency_ssim")]
    assert rows["mismatched"].mean() == pytest.approx(float(torch.cat(expected).double().mean()), abs=1e-4)


def test_controls_have_no_ceiling(compared: Path) -> None:
    assert ssim_rows(compared, "KernelShap").loc[CONTROLS, "ceiling"].isna().all()


@dataclass(frozen=True)
class Halves(Segmenter):
    """As many segments as there are bright images: two, or one."""

    def __call__(self, images: Tensor) -> Tensor:
        bright = images.flatten(1).mean(1) > BRIGHT
        return (torch.arange(images.shape[3]) >= images.shape[3] // 2).long() * bright[:, None, None].long().expand(
            -1, *images.shape[2:]
        )


BRIGHT = 0.45


@dataclass(frozen=True)
class Shaded(BySegments):
    """A user's own method, whose maps vary inside of segments and follow two segmentations."""

    @property
    def segmenters(self) -> tuple[Segmenter, ...]:
        return Grid(4), Slic(n_segments=9)

    def attribute_over(self, model: Model, inputs: Tensor, target: Target, segments: Tensor) -> Tensor:
        return Gradient().attribute(model, inputs, target) * (1 + segments.sum(1, keepdim=True))


def test_maps_of_a_users_own_method_are_compared_as_they_are(finished: Path, tmp_path: Path) -> None:
    files = checkpoints_of(finished)
    with drawn():
        folder = study(
            tmp_path / "run", methods=[Shaded(), SegmentAttribution(FeatureAblation(), Halves())], checkpoints=files
        )
    drawn_images = draw_images(birds(), NUM_IMAGES, seed=0)
    given = all_images(drawn_images), all_labels(drawn_images)
    maps = [Shaded().attribute(load_checkpoint(path, classifier), *given) for path in files]
    row = ssim_rows(folder, "Shaded").iloc[0]
    assert row["value"] == pytest.approx(mean_ssim(maps), abs=2e-4)
    # as many segments and passes as all images have on average
    counts = Halves()(given[0]).flatten(1).amax(1).double() + 1
    assert 1 < counts.mean() < 2
    ablation = ssim_rows(folder, "FeatureAblation").iloc[0]
    assert ablation["mean_segments"] == pytest.approx(float(counts.mean()))
    assert ablation["forward_passes"] == pytest.approx(float(counts.mean()) + 1, abs=0.01)


@dataclass(frozen=True)
class PooledGradient(BySegments):
    """What S-Gradient is, written as a method of its own."""

    superpixels: Segmenter

    @property
    def segmenters(self) -> tuple[Segmenter, ...]:
        return (self.superpixels,)

    def attribute_over(self, model: Model, inputs: Tensor, target: Target, segments: Tensor) -> Tensor:
        return segment_pool(Gradient().attribute(model, inputs, target), segments[:, 0])


def test_a_method_that_pools_by_itself_has_the_numbers_of_s_gradient(finished: Path, tmp_path: Path) -> None:
    """Two roads to the same maps: pooled by the study, and explained anew over every segmentation."""
    with drawn():
        folder = study(
            tmp_path / "run",
            methods=[Gradient(), PooledGradient(SEGMENTS)],
            superpixels=[SEGMENTS],
            checkpoints=checkpoints_of(finished),
        )
    per_image = folder / "per_image"
    files = [per_image / f"repeat0_shard0000_{name}.parquet" for name in ("Gradient", "PooledGradient")]
    pooled, own = (pd.read_parquet(file) for file in files)
    pooled = pooled[pooled["magnitude"] == "after"]
    pooled = pooled.assign(superpixels=pooled["superpixels"].str.replace("Slic", "own segments"))
    keys = ["superpixels", "pair", "metric", "setting", "index"]
    own = own[~own["superpixels"].isin(REFERENCES) & (own["metric"] != "residual_correlation")]
    both = own.merge(pooled, on=keys, suffixes=("", "_pooled"))
    assert len(both) == len(own)
    for column in ("value", "mismatched", "num_segments"):
        assert both[column].to_numpy() == pytest.approx(both[f"{column}_pooled"].to_numpy(), abs=1e-5, nan_ok=True)


def test_passes_are_the_mean_over_all_shards(finished: Path, tmp_path: Path) -> None:
    with drawn():
        folder = study(
            tmp_path / "run",
            methods=[SegmentAttribution(FeatureAblation(), Halves())],
            checkpoints=checkpoints_of(finished),
            shard_size=3,
        )
    row = ssim_rows(folder, "FeatureAblation").iloc[0]
    assert row["forward_passes"] == pytest.approx(row["mean_segments"] + 1, abs=0.01)


def test_what_swaps_no_segments_refuses_such_methods() -> None:
    with pytest.raises(ValueError, match="segments of their own for SaliencyEvaluator, got XRAI"):
        SaliencyEvaluator(methods=[Gradient(), METHODS["XRAI"]])
    rival = [METHODS["KernelShap"]]
    with pytest.raises(ValueError, match="own for `spx ensemble`, got SegmentAttribution"):
        ensemble(birds(), classifier, quiet_trainer, rival, [Grid(16)], ["after"])
    with pytest.raises(ValueError, match="own for `spx roar`, got SegmentAttribution"):
        roar(birds(), classifier, quiet_trainer, rival, [Grid(16)])


def test_random_rivals_alone_have_a_ceiling_below_one(compared: Path) -> None:
    ceilings = {name: ssim_rows(compared, name)["ceiling"]["own segments"] for name in RIVALS}
    assert ceilings["XRAI"] == ceilings["FeatureAblation"] == 1
    assert 0 < ceilings["KernelShap"] < 0.99


def test_rows_say_how_often_the_network_was_evaluated(compared: Path) -> None:
    expected = {"Gradient": (1, 1), "XRAI": (1, 1), "KernelShap": (60, 0)}
    for name, (forward, backward) in expected.items():
        found = ssim_rows(compared, name).iloc[0]
        assert (found["forward_passes"], found["backward_passes"]) == (forward, backward)
    segments = ssim_rows(compared, "FeatureAblation").iloc[0]
    assert segments["forward_passes"] == pytest.approx(segments["mean_segments"] + 1, abs=0.01)


def test_the_answer_names_what_gives_a_map_its_values(compared: Path) -> None:
    page = report(str(compared)).read_text()
    for name in RIVALS:
        assert f"S-{name}" not in page
    assert "S-Gradient" in page
    data = page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    shown = json.loads(data)["gallery"]
    assert shown["given"] == {"Gradient": "pixel"} | dict.fromkeys(RIVALS, "own segments")
    assert set(shown["pooled"]) == {"Gradient"}
    assert list(shown["agreement"]["XRAI"]) == ["own segments"]


@pytest.fixture(scope="module")
def traded(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with drawn():
        yield tradeoff(
            birds(num_parts=2),
            classifier,
            quiet_trainer,
            list(METHODS.values()),
            [Grid(16)],
            ["after"],
            checkpoints=[str(path) for path in checkpoints_of(finished)[:2]],
            num_images=8,
            num_steps=2,
            fractions=[0.5],
            num_resamples=50,
            batch_size=8,
            out=str(tmp_path_factory.mktemp("traded") / "run"),
        )


def test_a_tradeoff_removes_pixels_by_the_map_of_each_control(traded: Path) -> None:
    results = results_of(traded).fillna({"setting": ""})
    road_rows = results.query("metric == 'road' and setting == 'order=combined'")
    for name in RIVALS:
        road = road_rows[road_rows["method"] == name]
        assert sorted(road["superpixels"]) == sorted(["own segments", *REFERENCES, *CONTROLS])
        values = road.set_index("superpixels")["value"]
        assert np.isfinite(values).all()
        own = road.iloc[0]
        assert own["gain"] == pytest.approx(values["own segments"] - values[own["best_control"]], abs=1e-9)
