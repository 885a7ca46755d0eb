"""The trade-off study: gradients once, and values as the metrics give them."""

import json
import re
import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor
from torchvision.io import write_jpeg

from lightning_spx.attribution import Attribution, Gradient, magnitude
from lightning_spx.attribution.method import Model
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.maps.sampled_images import sample_images
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.metrics import ROAD, deletion
from lightning_spx.models import SmallResNet
from lightning_spx.superpixels import Felzenszwalb, Grid, segment_pool
from tests.pictures import drawn
from tests.small_study import birds, checkpoints_of, classifier, quiet_trainer

CALLS: list[int] = []
NUM_IMAGES, NUM_MODELS = 8, 2  # as many images as a verdict needs


@dataclass(frozen=True)
class Counted(Attribution):
    """The gradient, writing down each call."""

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        CALLS.append(len(inputs))
        return Gradient().attribute(model, inputs, target)


def run(out: Path, checkpoints: list[Path], seed: int = 0) -> Path:
    return tradeoff(
        birds(num_parts=NUM_MODELS),
        classifier,
        quiet_trainer,
        [Counted()],
        [Grid(), Felzenszwalb(scale=10, min_size=5)],
        ["after", "before"],
        sizes=[4, 16],
        checkpoints=[str(path) for path in checkpoints[:NUM_MODELS]],
        num_images=NUM_IMAGES,
        num_steps=4,
        fractions=[0.5],
        num_resamples=100,
        batch_size=NUM_IMAGES,
        seed=seed,
        out=str(out),
    )


@pytest.fixture(scope="module")
def done(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    CALLS.clear()
    with drawn():
        folder = run(tmp_path_factory.mktemp("tradeoffs") / "run", checkpoints_of(finished))
    # three segmenters, three sizes and two orders: one gradient for each model and image
    assert CALLS == [NUM_IMAGES] * NUM_MODELS
    return folder


def test_results_have_every_row_and_the_values_of_the_metrics(done: Path, finished: Path) -> None:
    results = pd.read_csv(done / "results.csv").fillna({"setting": ""})
    own = results.loc[~results["superpixels"].str.startswith("control:"), "superpixels"].unique()
    references = ["reference:edges", "reference:centre"]
    assert list(own) == ["pixel", "Grid(n_segments=4)", "Grid(n_segments=16)", "Felzenszwalb", *references]
    front = pd.read_csv(done / "front.csv")
    shown = front["superpixels"].isin(references)
    # the edges agree fully, and push no row off the front
    assert front.loc[shown & (front["superpixels"] == "reference:edges"), "excess"].to_numpy() == pytest.approx(1.0)
    assert front.loc[shown, "fidelity"].notna().all()
    assert not front.loc[shown, "on_front"].any()
    assert front.loc[~shown, "on_front"].any()
    assert set(results["metric"]) >= {"saliency_ssim", "deletion", "insertion", "road", "fidelity_error"}
    data, values = birds(), []
    index = pd.read_parquet(done / "per_image" / "stability_Counted.parquet")["index"].unique().tolist()
    images = torch.stack([data.test()[position]["image"] for position in index])
    label = torch.tensor([int(data.test()[position]["label"]) for position in index])
    cells = Grid(16)(images)
    areas = []
    for path in checkpoints_of(finished)[:NUM_MODELS]:
        model = classifier()
        model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
        model.eval()
        maps = magnitude(segment_pool(Gradient().attribute(model, images, label), cells))
        metric = ROAD(fractions=[0.5])
        metric.update(model, images, label, maps)
        values.append(metric.compute().item())
        areas.append(deletion(model, images, label, maps, 4, "blur").mean().item())
    rows = results[(results["superpixels"] == "Grid(n_segments=16)") & (results["magnitude"] == "after")]
    found = rows.set_index(["metric", "setting"])["value"]
    assert found["road", "order=combined"] == pytest.approx(np.mean(values), abs=1e-6)
    assert found["deletion", "substrate=blur"] == pytest.approx(np.mean(areas), abs=1e-6)
    pixel = results[(results["superpixels"] == "pixel") & (results["metric"] == "fidelity_error")]
    assert pixel["value"].tolist() == [0.0]


def test_gain_of_fidelity_is_in_the_better_direction(done: Path) -> None:
    results = pd.read_csv(done / "results.csv").fillna({"setting": ""})
    for metric, setting, better in (("deletion", "substrate=black", min), ("insertion", "substrate=black", max)):
        rows = results[
            (results["metric"] == metric) & (results["setting"] == setting) & (results["magnitude"] == "after")
        ]
        values = rows.set_index("superpixels")["value"]
        row = rows[rows["superpixels"] == "Felzenszwalb"].iloc[0]
        best = better(values[[name for name in values.index if name.endswith("(Felzenszwalb)")]])
        sign = 1 if better is max else -1
        assert row["gain"] == pytest.approx(sign * (row["value"] - best), abs=1e-9)
        assert np.isnan(row["floor"])


def test_a_grid_gains_nothing_over_a_grid(done: Path) -> None:
    results = pd.read_csv(done / "results.csv")
    rows = results[results["superpixels"].str.startswith("Grid") & (results["metric"] != "matched_gain")]
    assert (rows["gain_low"] <= 1e-12).all()


def test_a_second_start_explains_nothing_again(done: Path, finished: Path) -> None:
    before = (done / "results.csv").read_text()
    CALLS.clear()
    run(done, checkpoints_of(finished))
    assert CALLS == []
    assert (done / "results.csv").read_text() == before
    with pytest.raises(ValueError, match="`seed` to be 0"):
        run(done, checkpoints_of(finished), seed=1)


@pytest.mark.parametrize("kind", ["stability", "fidelity"])
@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        ("settings", "settings, data and weights of this study, got another's"),
        ("weights", "settings, data and weights of this study, got another's"),
        ("no name", "got a file that does not say of which study it is"),
        ("another table", "got a file that does not say of which study it is"),
        ("no table", "got a damaged file"),
        ("flipped bit", "got a damaged file"),
    ],
)
def test_values_of_another_study_are_refused_by_name(
    done: Path, finished: Path, tmp_path: Path, kind: str, foreign: str, expected: str
) -> None:
    folder = Path(shutil.copytree(done, tmp_path / "run"))
    path = sorted((folder / "per_image").glob(f"{kind}_*.parquet"))[0]
    table = pq.read_table(path)
    settings, identity = json.loads(table.schema.metadata[b"spx.study"])
    if foreign in ("settings", "weights"):
        changed = [{**settings, "num_steps": "5"}, identity] if foreign == "settings" else [settings, {"weights": "0"}]
        pq.write_table(table.replace_schema_metadata({b"spx.study": json.dumps(changed).encode()}), path)
    elif foreign == "no name":
        # as earlier versions wrote them
        table.to_pandas().to_parquet(path, index=False)
    elif foreign == "another table":
        pd.DataFrame({"value": [0.5]}).to_parquet(path)
    elif foreign == "no table":
        path.write_bytes(b"values")
    else:
        content = bytearray(path.read_bytes())
        content[200] ^= 1
        path.write_bytes(content)
    before = (folder / "results.csv").read_bytes()
    with pytest.raises(ValueError, match=re.escape(expected)) as refusal:
        run(folder, checkpoints_of(finished))
    assert str(path) in str(refusal.value)
    # all values of an earlier version lack the name
    which = f"the folder {path.parent}" if foreign in ("no name", "another table") else "it"
    assert f"Remove {which} and start the study again" in str(refusal.value)
    assert (folder / "results.csv").read_bytes() == before


def test_figures_and_the_page_are_there(done: Path) -> None:
    tables = {"table_tradeoff.png", "table_partition_quality.png"}
    assert {path.name for path in (done / "figures").iterdir()} == {"front.png", *tables}
    said = json.loads((done / "verdicts.json").read_text())["verdicts"]
    page = report(str(done)).read_text(encoding="utf-8")
    assert "Stability against fidelity" in page
    assert said[0].split(":")[0] in page


def test_what_a_dashboard_is_sent_has_names_of_its_own(
    done: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    output = import_module("lightning_spx.evaluation.publish")
    monkeypatch.setattr(output, "log_table", lambda _, name, __: names.append(name))
    monkeypatch.setattr(output, "log_figure", lambda _, name, __: names.append(name))
    monkeypatch.setattr(output, "log_scalars", lambda _, values: names.extend(values))
    run(done, checkpoints_of(finished))
    assert len(names) == len(set(names))
    assert {"tradeoff/front", "tradeoff/front_rows", "tradeoff/results_rows", "tradeoff/table_tradeoff"} <= set(names)
    assert "tradeoff/road_combined/Counted/Felzenszwalb/after/gain" in names


def test_photos_and_named_networks(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    generator = torch.Generator().manual_seed(0)
    for number in range(9):
        pixels = torch.randint(0, 256, (3, 40, 40), generator=generator, dtype=torch.uint8)
        write_jpeg(pixels, str(photos / f"{number}.jpg"))
    folder = tradeoff(
        birds(),
        classifier,
        quiet_trainer,
        [Gradient()],
        [Grid(9)],
        ["after"],
        images=[str(photos)],
        image_size=24,
        networks=[NamedNetwork(SmallResNet(4, 4), name="a"), NamedNetwork(SmallResNet(4, 4), name="b")],
        num_images=8,
        num_steps=2,
        substrates=["black"],
        fractions=[0.5],
        num_resamples=20,
        against="road",
        out=str(tmp_path / "run"),
    )
    (said,) = json.loads((folder / "verdicts.json").read_text())["notes"]
    assert "agreement is one between architectures" in said
    values = pd.read_parquet(folder / "per_image" / "fidelity_Gradient_b.parquet")
    assert values["index"].nunique() == 8


def test_a_model_at_chance_makes_fidelity_meaningless(finished: Path, tmp_path: Path) -> None:
    flipped = []
    for number, path in enumerate(checkpoints_of(finished)[:2]):
        content = torch.load(path, weights_only=True)
        for name, value in content["state_dict"].items():
            if name.endswith("fc.bias") or name.endswith("head.bias"):
                value += torch.tensor([100.0, 0.0])
        flipped.append(tmp_path / f"{number}.ckpt")
        torch.save(content, flipped[-1])
    data = birds(num_parts=2)
    folder = tradeoff(
        data, classifier, quiet_trainer, [Gradient()], [Grid(4)], ["after"],
        checkpoints=[str(path) for path in flipped], num_images=8, num_steps=2, fractions=[0.5], num_resamples=10,
        out=str(tmp_path / "run"),
    )  # fmt: skip
    said = json.loads((folder / "verdicts.json").read_text())["warnings"]
    assert "is not above chance: numbers of fidelity are meaningless there" in said[0]


def test_nonsense_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    out = tmp_path / "run"

    def start(num_images: int = 4, fractions: list[float] | None = None, images: list[str] | None = None) -> None:
        tradeoff(
            birds(), classifier, quiet_trainer, [Gradient()], [Grid(4)], ["after"], num_images=num_images,
            fractions=fractions, images=images, out=str(out)
        )  # fmt: skip

    with pytest.raises(ValueError, match="`num_images` to be at least 2"):
        start(num_images=1)
    with pytest.raises(ValueError, match="plan` to be 'disjoint'"):
        tradeoff(birds("folds"), classifier, quiet_trainer, [Gradient()], [Grid(4)], ["after"], out=str(out))
    with pytest.raises(ValueError, match="`substrates` to have 'blur'"):
        tradeoff(
            birds(), classifier, quiet_trainer, [Gradient()], [Grid(4)], ["after"], against="deletion",
            substrates=["black"], out=str(out)
        )  # fmt: skip
    with pytest.raises(FileNotFoundError, match="`bsds500`"):
        tradeoff(
            birds(), classifier, quiet_trainer, [Gradient()], [Grid(4)], ["after"], bsds500="nowhere", out=str(out)
        )
    with pytest.raises(ValueError, match="`fractions` to be between 0 and 1, got"):
        start(fractions=[1.5])
    with pytest.raises(ValueError, match="`networks` or `checkpoints` for `images`"):
        start(images=["nowhere"])
    photo = tmp_path / "one.jpg"
    write_jpeg(torch.zeros(3, 8, 8, dtype=torch.uint8), str(photo))
    with pytest.raises(ValueError, match="`num_images` to be at most 1"):
        sample_images(birds(), [str(photo)], 8, 2, seed=0)
    assert not out.exists()
