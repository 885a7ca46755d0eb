"""Methods that explain by segments of their own, in studies from models to page."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_spx.attribution import (
    XRAI,
    Attribution,
    FeatureAblation,
    Gradient,
    InputXGradient,
    KernelShap,
    SegmentAttribution,
)
from lightning_spx.attribution.by_segments import BySegments
from lightning_spx.attribution.reseed import reseed
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.maps.sampled_images import draw_images
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.models.checkpoint_file import load_checkpoint
from lightning_spx.superpixels import Grid, Slic, grid_like
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
        assert list(rows.index) == ["own segments", *CONTROLS]
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
        assert list(road["superpixels"]) == ["own segments", *CONTROLS]
        values = road.set_index("superpixels")["value"]
        assert np.isfinite(values).all()
        own = road.iloc[0]
        assert own["gain"] == pytest.approx(values["own segments"] - values[own["best_control"]], abs=1e-9)
