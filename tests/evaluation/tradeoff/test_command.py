"""The trade-off study: gradients once, values as the metrics give them, a front, and an honest recommendation."""

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
from scipy.io import savemat
from torch import Tensor
from torchvision.io import write_jpeg

from lightning_spx.attribution import Attribution, Gradient, magnitude
from lightning_spx.attribution.method import Model
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.maps.sampled_images import sample_images
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.evaluation.tradeoff.quality import partition_quality
from lightning_spx.evaluation.tradeoff.recommendation import Recommendation, choose, recommend, sentences
from lightning_spx.evaluation.tradeoff.sizes import at_chance, sized
from lightning_spx.evaluation.tradeoff.summary import Point, on_front
from lightning_spx.evaluation.training.named_networks import NamedNetwork, weights_hash
from lightning_spx.metrics import ROAD, deletion
from lightning_spx.models import SmallResNet
from lightning_spx.superpixels import Felzenszwalb, Grid, Slic, Watershed, segment_pool
from tests.pictures import drawn
from tests.small_study import birds, checkpoints_of, classifier, quiet_trainer

CALLS: list[int] = []
NUM_IMAGES = 10


@dataclass(frozen=True)
class Counted(Attribution):
    """The gradient, writing down each call."""

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        CALLS.append(len(inputs))
        return Gradient().attribute(model, inputs, target)


def run(out: Path, checkpoints: list[Path], seed: int = 0) -> Path:
    return tradeoff(
        birds(),
        classifier,
        quiet_trainer,
        [Counted()],
        [Grid(), Felzenszwalb(scale=10, min_size=5)],
        ["after", "before"],
        sizes=[4, 16],
        checkpoints=[str(path) for path in checkpoints],
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
    assert CALLS == [NUM_IMAGES] * 3
    return folder


def test_results_have_every_row_and_the_values_of_the_metrics(done: Path, finished: Path) -> None:
    results = pd.read_csv(done / "results.csv").fillna({"setting": ""})
    own = results.loc[~results["superpixels"].str.startswith("control:"), "superpixels"].unique()
    assert list(own) == ["pixel", "Grid(n_segments=4)", "Grid(n_segments=16)", "Felzenszwalb"]
    assert set(results["metric"]) >= {"saliency_ssim", "deletion", "insertion", "road", "fidelity_error"}
    data, values = birds(), []
    index = pd.read_parquet(done / "per_image" / "stability_Counted.parquet")["index"].unique().tolist()
    images = torch.stack([data.test()[position]["image"] for position in index])
    label = torch.tensor([int(data.test()[position]["label"]) for position in index])
    cells = Grid(16)(images)
    areas = []
    for path in checkpoints_of(finished):
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
    rows = results[results["superpixels"].str.startswith("Grid")]
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
    assert "Remove it and start the study again." in str(refusal.value)
    assert (folder / "results.csv").read_bytes() == before


def test_figures_and_the_page_are_there(done: Path) -> None:
    assert {path.name for path in (done / "figures").iterdir()} == {"front.png", "table_tradeoff.png"}
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
    said = json.loads((folder / "verdicts.json").read_text())["verdicts"]
    assert "agreement is one between architectures" in said[-1]
    values = pd.read_parquet(folder / "per_image" / "fidelity_Gradient_b.parquet")
    assert values["index"].nunique() == 8


def points(**numbers: tuple[float, float]) -> dict[tuple[str, str], Point]:
    rows = {name: ("pixel", "either") if name == "pixel" else (name, "after") for name in numbers}
    return {rows[name]: Point(np.array([x]), np.array([y])) for name, (x, y) in numbers.items()}


def test_front_and_choice() -> None:
    assert on_front(points(a=(1, 0), b=(0, 1), c=(0.5, 0.5), d=(0.4, 0.4), e=(float("nan"), 9))) == {
        ("a", "after"), ("b", "after"), ("c", "after")
    }  # fmt: skip
    # equal rows do not beat each other
    assert len(on_front(points(a=(1, 1), b=(1, 1)))) == 2
    assert choose(points(pixel=(0, 1), a=(0.9, 0.9), b=(1, 0))) == ("a", "after")
    assert choose(points(pixel=(1, 1), a=(0.9, 0.9), b=(0.5, 0))) == ("pixel", "either")
    controls = {("control:grid(a)", "after"): Point(np.array([5.0]), np.array([5.0]))}
    assert choose({**points(pixel=(0, 1), a=(0.9, 0.9)), **controls}) == ("a", "after")


def synthetic(shift: float, num_images: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Per-image values in which the segmenter X beats its controls by `shift` in both numbers."""
    generator = np.random.default_rng(0)
    stability, fidelity = [], []
    names = ["pixel", "X", *(f"control:{name}(X)" for name in ("grid", "voronoi", "borrowed", "blur"))]
    for name in names:
        order = "either" if name == "pixel" else "after"
        level = {"pixel": 0.2, "X": 0.4 + shift}.get(name, 0.4)
        shared: dict[str, object] = {"superpixels": name, "magnitude": order, "method": "Gradient"}
        shared |= {"index": range(num_images), "num_segments": 9}
        noise = generator.normal(0, 0.02, (2, num_images))
        nulls = {"permuted": 0.1, "mismatched": 0.1, "agree": True, "differ": False}
        compared = pd.DataFrame({**shared, **nulls, "value": level + noise[0]})
        stability.append(compared.assign(metric="saliency_ssim", setting="", pair="0-1", repeat=0))
        removed = pd.DataFrame({**shared, "value": level + noise[1]})
        fidelity.append(removed.assign(metric="road", setting="order=combined", model="a"))
    return pd.concat(stability), pd.concat(fidelity)


def test_a_planted_gain_is_found_and_none_is_not() -> None:
    (found,) = recommend(*synthetic(0.1), against="road", num_resamples=500)
    assert found.row == ("X", "after")
    assert found.num_images == 30
    assert found.stability is not None
    assert found.fidelity is not None
    assert found.stability.has_gain
    assert found.fidelity.has_gain
    assert found.stability.pixel == pytest.approx(0.1 / 0.9, abs=0.02)
    assert "which beats smoothing in stability and road" in sentences([found], "road")[0]
    (none,) = recommend(*synthetic(-0.01), against="road", num_resamples=500)
    assert "which does not beat smoothing" in sentences([none], "road")[0]
    assert recommend(*synthetic(0.1, 6), against="road") == []
    stay = Recommendation("Gradient", ("pixel", "either"), None, None, 30)
    assert "stay with the pixel map" in sentences([stay], "road")[0]


def test_chance_is_noticed() -> None:
    label = torch.arange(100) % 4
    assert at_chance(label.roll(1), label, 4)
    assert not at_chance(torch.where(torch.arange(100) < 60, label, 0), label, 4)


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
    said = json.loads((folder / "verdicts.json").read_text())["verdicts"]
    assert "is not above chance: numbers of fidelity are meaningless there" in said[0]


def test_sizes_are_those_of_each_segmenters_own_setting() -> None:
    found = sized([Slic(), Watershed(), Felzenszwalb()], [16, 64])
    assert found == [Slic(n_segments=16), Slic(n_segments=64), Watershed(16), Watershed(64), Felzenszwalb()]
    assert sized([Slic()], None) == [Slic()]


def test_weights_of_another_model_are_another_study() -> None:
    first, second = classifier(), classifier()
    assert weights_hash({"a": first}) == weights_hash({"a": first})
    assert weights_hash({"a": first}) != weights_hash({"a": second})


def test_quality_reads_bsds500_and_refuses_what_is_not(tmp_path: Path) -> None:
    images, truths = tmp_path / "images" / "test", tmp_path / "groundTruth" / "test"
    images.mkdir(parents=True)
    truths.mkdir(parents=True)
    pixels = torch.zeros(3, 12, 20, dtype=torch.uint8)
    pixels[:, :, 10:] = 200
    write_jpeg(pixels, str(images / "one.jpg"), quality=100)
    labels = np.ones((12, 20), np.uint16)
    labels[:, 10:] = 2
    cell = np.zeros((1, 1), dtype=[("Segmentation", object), ("Boundaries", object)])
    cell[0, 0]["Segmentation"] = labels
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0] = cells[0, 1] = cell
    savemat(truths / "one.mat", {"groundTruth": cells})
    table = partition_quality({"Grid": Grid(2), "one": Grid(1)}, tmp_path, num_images=5)
    assert table["num_images"].tolist() == [1, 1]
    assert table["achievable_accuracy"].tolist() == [1.0, 0.5]
    assert table["undersegmentation_error"].tolist() == [0.0, 1.0]
    assert table["boundary_recall"].tolist() == [1.0, 0.0]
    (truths / "one.mat").write_bytes(b"no mat file")
    with pytest.raises(ValueError, match=r"one\.mat"):
        partition_quality({"Grid": Grid(2)}, tmp_path, num_images=5)
    (truths / "one.mat").unlink()
    with pytest.raises(FileNotFoundError, match="ground truth"):
        partition_quality({"Grid": Grid(2)}, tmp_path, num_images=5)
    with pytest.raises(FileNotFoundError, match="`bsds500`"):
        partition_quality({"Grid": Grid(2)}, tmp_path / "none", num_images=5)


@pytest.mark.real_data
def test_slic_follows_the_borders_that_people_drew_better_than_a_grid(real_data: Path) -> None:
    table = partition_quality({"Slic": Slic(150), "Grid": Grid(150)}, real_data / "bsds500", num_images=5)
    slic, grid = table.to_dict("records")
    assert slic["boundary_recall"] > grid["boundary_recall"] + 0.1
    assert slic["undersegmentation_error"] < grid["undersegmentation_error"]
    assert slic["achievable_accuracy"] > grid["achievable_accuracy"]
    assert slic["compactness"] < grid["compactness"]


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
