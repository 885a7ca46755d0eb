"""The command from models to answer: what it leaves behind, what it does not do twice, and what it refuses."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
import torch
import yaml
from rich.progress import Progress
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient, saliency_map
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.cli import main
from lightning_spx.data.splits import Plan
from lightning_spx.evaluation import publish as publishing
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.ensemble import ensemble
from lightning_spx.evaluation.ensemble.members import member_files
from lightning_spx.reporting.rows import KEYS, VALUES
from lightning_spx.runs.example_maps import Examples
from lightning_spx.superpixels import Grid, ImagePooling, JointBilateral
from tests.command_line import NETWORK, TRAINER, Captured, refusal
from tests.pictures import drawn
from tests.small_study import birds, classifier, quiet_trainer

CALLS: list[int] = []
NUM_IMAGES = 6


@dataclass(frozen=True)
class Counted(Attribution):
    """The gradient, writing down each call; with a seed, as a random method has one."""

    seed: int = 0

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        CALLS.append(self.seed)
        return Gradient().attribute(model, inputs, target)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Weights of five untrained models."""
    folder = tmp_path_factory.mktemp("members")
    files = [folder / f"{number}.pth" for number in range(5)]
    for number, file in enumerate(files):
        torch.manual_seed(number)
        torch.save(classifier().state_dict(), file)
    return [str(file) for file in files]


def run(
    out: Path,
    checkpoints: list[str] | None,
    *,
    plan: Plan = "all",
    num_images: int = NUM_IMAGES,
    num_assignments: int = 3,
    of_run: str | None = None,
    target: Literal["label", "prediction"] = "label",
) -> Path:
    return ensemble(
        birds(plan),
        classifier,
        quiet_trainer,
        [Counted()],
        [Grid(9)],
        ["after", "before"],
        run=of_run,
        checkpoints=checkpoints,
        num_images=num_images,
        shard_size=3,
        target=target,
        num_assignments=num_assignments,
        num_resamples=30,
        batch_size=8,
        out=str(out),
    )


@pytest.fixture(scope="module")
def done(members: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    CALLS.clear()
    with drawn():
        folder = run(tmp_path_factory.mktemp("ensembles") / "run", members[:4])
    # each of four models explains each of two shards once, with a seed of its own
    assert sorted(CALLS) == [0, 0, 1, 1, 2, 2, 3, 3]
    return folder


def test_every_row_is_there(done: Path) -> None:
    results = pd.read_csv(done / "results.csv")
    assert list(results.columns) == [*KEYS, *VALUES]
    assert set(results["pair"]) == {"all"}
    maps, orders, sizes, metrics = 6, 2, 2, 3
    assert len(results) == maps * orders * sizes * metrics
    settings = set(results["setting"])
    assert settings == {f"{first}models_averaged={size}" for first in ("", "k=0.1;") for size in (1, 2)}
    assert (results["num_images"] == NUM_IMAGES).all()
    assert results.loc[results["superpixels"] == "Grid", ["gain", "gain_low", "best_control"]].notna().all(axis=None)
    # 3 of 6 assignments of one model each need not leave every model out; two of four never do
    of_two = results["setting"].str.endswith("=2")
    assert set(results.loc[of_two, "interval"]) == {"these models"}
    curves = pd.read_csv(done / "ensemble.csv")
    assert len(curves) == len(results)
    assert list(curves.columns) == [
        *("method", "superpixels", "magnitude", "metric", "m", "excess", "low", "high"),
        *("predicted", "predicted_low", "predicted_high"),
    ]
    single = curves[curves["m"] == 1]
    assert single["predicted"].tolist() == pytest.approx(single["excess"].tolist())


def test_filters_have_two_controls_and_the_progress_counts_what_there_is(
    members: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[Progress] = []

    def bar() -> Progress:
        bars.append(Progress(disable=True))
        return bars[-1]

    monkeypatch.setattr(publishing, "show", lambda *_: None)
    monkeypatch.setattr("lightning_spx.evaluation.ensemble.study._progress", bar)
    filters: list[ImagePooling] = [JointBilateral(), Grid(9)]
    orders: list[Magnitude] = ["after", "before"]
    with drawn():
        folder = ensemble(
            birds("all"), classifier, quiet_trainer, [Gradient()], filters, orders, checkpoints=members[:4],
            num_images=NUM_IMAGES, shard_size=3, num_assignments=3, num_resamples=30, batch_size=2, out=str(tmp_path),
        )  # fmt: skip
    (task,) = bars[0].tasks
    assert task.completed == task.total == NUM_IMAGES * (4 + (1 + 3 + 5) * 2)
    names = [name for name in pd.read_csv(folder / "results.csv")["superpixels"].unique() if "JointBilateral" in name]
    assert names == ["JointBilateral", "control:borrowed(JointBilateral)", "control:blur(JointBilateral)"]
    kept = Examples.load(Examples.path(folder, "Gradient"))
    images, own = torch.from_numpy(kept.images), torch.from_numpy(kept.attributions)
    for model, maps in enumerate(kept.filtered["after"]["JointBilateral"]):
        expected = saliency_map(JointBilateral().pool(own[model], images))
        torch.testing.assert_close(torch.from_numpy(maps), expected, rtol=0, atol=1e-5)


def test_the_answer_names_averaging_pooling_and_the_control(done: Path) -> None:
    said = json.loads((done / "verdicts.json").read_text())
    assert said["title"] == "Average or pool: 4 x SmallResNet on SyntheticBirds"
    assert said["verdicts"][0].startswith("Averaging: Counted ")
    assert "Spearman-Brown predicts" in said["verdicts"][0]
    assert said["verdicts"][1].startswith("Counted: pooling over Grid ")
    assert "smoothing control" in said["notes"][0]
    assert any("not above that of always the most common answer" in warning for warning in said["warnings"])


def test_the_page_shows_it(done: Path, capsys: Captured) -> None:
    page = report(str(done)).read_text(encoding="utf-8")
    assert "Averaging: excess in SSIM over the number of models averaged" in page
    assert "means of 2 models" in page
    assert {path.name for path in (done / "figures").iterdir()} == {
        f"averaging_{metric}.png" for metric in ("saliency_ssim", "topk_overlap", "correlation")
    }


def test_a_second_start_takes_up_what_is_there(
    done: Path, members: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(publishing, "log_table", lambda _, name, __: names.append(name))
    monkeypatch.setattr(publishing, "log_figure", lambda _, name, __: names.append(name))
    monkeypatch.setattr(publishing, "log_scalars", lambda _, values: names.extend(values))
    before = (done / "results.csv").read_bytes()
    (done / "per_image" / "shard0001_Counted.parquet").unlink()
    CALLS.clear()
    run(done, members[:4])
    assert sorted(CALLS) == [0, 1, 2, 3]
    assert (done / "results.csv").read_bytes() == before
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if str(done) not in line) <= 80
    assert {"ensemble/ensemble", "ensemble/results", "ensemble/averaging_correlation"} <= set(names)
    assert "ensemble/saliency_ssim_2/Counted/Grid/after/excess" in names
    assert len(names) == len(set(names))
    with pytest.raises(ValueError, match="`num_assignments` to be 3"):
        run(done, members[:4], num_assignments=4)
    with pytest.raises(ValueError, match="`checkpoints"):
        run(done, members[1:])


def test_what_cannot_serve_is_refused_before_there_is_a_folder(tmp_path: Path, members: list[str]) -> None:
    out = tmp_path / "run"
    with pytest.raises(ValueError, match=r"Expected at least 4 models in `checkpoints`, .*, got 3"):
        run(out, members[:3])
    with pytest.raises(ValueError, match="Expected `run`, a folder of `spx stability`, or `checkpoints`, got none"):
        run(out, None)
    with pytest.raises(ValueError, match="or `checkpoints`, got both"):
        run(out, members, of_run="runs/mine")
    with pytest.raises(ValueError, match=r"got 'folds', whose images most models saw: with `--data.plan"):
        run(out, members, plan="folds")
    with pytest.raises(ValueError, match="`num_assignments` to be at least 1, got 0"):
        run(out, members, num_assignments=0)
    with pytest.raises(ValueError, match="`num_images` to be at least 2, got 1"):
        run(out, members, num_images=1)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        run(out, [*members, "nowhere.pth"])
    with pytest.raises(FileNotFoundError, match="`run` to be a folder of `spx stability`, found no"):
        run(out, None, of_run=str(tmp_path / "nowhere"))
    assert not out.exists()


def made_run(folder: Path, settings: dict[str, object], names: list[str]) -> Path:
    """A folder as `spx stability` leaves one, as far as it is read here."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    for number, name in enumerate(names):
        torch.manual_seed(number)
        content = {"state_dict": classifier().state_dict(), "pytorch-lightning_version": "2.5.0"}
        torch.save(content, folder / "checkpoints" / f"{name}.ckpt")
    return folder


def test_models_of_a_run_are_in_their_own_order(tmp_path: Path) -> None:
    names = [f"repeat0-model{number}" for number in (0, 2, 10, 1)]
    # further seeds and architectures follow other plans
    folder = made_run(tmp_path / "run", {}, [*names, "repeat0-seed1", "repeat0-architecture1"])
    assert list(member_files(str(folder), None)) == [f"repeat0-model{number}" for number in (0, 1, 2, 10)]
    for name, told in (("models", "several architectures"), ("part", "discriminators")):
        (folder / "config.yaml").write_text(yaml.safe_dump({name: ["x"]}))
        with pytest.raises(ValueError, match=f"classifiers of one architecture, got {told}"):
            member_files(str(folder), None)
    (folder / "config.yaml").write_text(yaml.safe_dump({"checkpoints": ["a/x.pth", "b/x.pth", "c.pth", "d.pth"]}))
    assert list(member_files(str(folder), None)) == ["a/x.pth", "b/x.pth", "c", "d"]


def test_the_command_line_takes_data_and_model_from_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    number = {"num_classes": 2, "width": 4}
    settings: dict[str, object] = {
        "data": {
            "class_path": "lightning_spx.data.SyntheticBirdsDataModule",
            "init_args": {"num_train": 60, "num_test": 24, "num_classes": 2, "plan": "folds", "num_parts": 4},
        },
        "model": {
            "class_path": "lightning_spx.models.ImageClassifier",
            "init_args": {"network": {"class_path": "lightning_spx.models.SmallResNet", "init_args": number}},
        },
    }
    made_run(tmp_path / "four", settings, [f"repeat0-model{number}" for number in range(4)])
    words = ["ensemble", "--run=four", *TRAINER, "--num_images=4", "--num_resamples=20", "--methods=[Gradient]"]
    words += ["--magnitudes=[after]", "--num_assignments=2", "--out=run"]
    assert "got 'folds'" in refusal(capsys, words)
    main([*words, "--data.plan=all"])
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["data"]["init_args"]["num_classes"] == 2
    assert config["data"]["init_args"]["plan"] == "all"
    assert config["model"]["init_args"]["network"]["init_args"]["width"] == 4
    assert len(pd.read_csv("run/results.csv")) == 6 * 2 * 3

    # a run of Python code does not say how its model is made
    (tmp_path / "four" / "config.yaml").write_text(yaml.safe_dump({**settings, "model": "<function>"}))
    assert "got a run of Python code: give `model` as well" in refusal(capsys, words)
    assert "got 'folds'" in refusal(capsys, [*words, "--model=ImageClassifier", *NETWORK])
