"""The command line, called in process: what runs and what it prints."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import torch
import wandb
import yaml
from torch import Tensor

from lightning_spx.attribution import Attribution, SmoothGrad
from lightning_spx.attribution.method import Model
from lightning_spx.cli import main
from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.models import ImageClassifier
from lightning_spx.runs.launch import OF_STARTS
from lightning_spx.superpixels import Grid, Segmenter
from tests.command_line import FIT, STABILITY, Captured, printed, refusal
from tests.reporting.cases import offline_config

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


def test_a_study_prints_its_tables_and_names_its_folder_at_the_end(capsys: Captured) -> None:
    main([*STABILITY, "--tables=true"])
    first = capsys.readouterr().out
    folder = first.splitlines()[-1].removeprefix("results: ")
    assert Path(folder).parent == Path("runs")
    assert (Path(folder) / "results.csv").is_file()
    assert "SSIM of saliency maps between models" in first
    assert "MeGe, generalizability between models, L2 distance" in first
    assert "S-Gradient" in first
    assert "cover images, for these models" in first
    # the same command comes back to its folder, a changed one does not
    checkpoint = Path(folder) / "checkpoints" / "repeat0-model0.ckpt"
    written = checkpoint.stat().st_mtime_ns
    main(STABILITY)
    assert capsys.readouterr().out.splitlines()[-1] == f"results: {folder}"
    assert checkpoint.stat().st_mtime_ns == written
    main([*STABILITY, "--seed=1"])
    assert capsys.readouterr().out.splitlines()[-1] not in ("", f"results: {folder}")


def test_the_table_shows_the_numbers_of_the_results(capsys: Captured) -> None:
    main([*STABILITY, "--tables=true", "--out=run"])
    table = capsys.readouterr().out
    results = pd.read_csv("run/results.csv").query(
        "metric in ['saliency_ssim', 'mege'] and gain == gain and condition == 'all'"
    )
    # MeGe has a gain only where two images count
    assert len(results) >= 2
    for _, row in results.iterrows():
        assert f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]" in table
        assert f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]" in table


def test_the_printed_configuration_runs_again_and_is_kept(capsys: Captured, tmp_path: Path) -> None:
    words = [*STABILITY, "--methods+=SmoothGrad", "--methods.num_samples=2", "--out=run"]
    config = printed(capsys, [*words, "--print_config"])
    (tmp_path / "printed.yaml").write_text(config)
    assert printed(capsys, ["stability", "--config=printed.yaml", "--print_config"]) == config
    main(["stability", "--config=printed.yaml"])
    # all but who does the work, so that the file of a unit is one of the study
    settings = {name: value for name, value in yaml.safe_load(config).items() if name not in OF_STARTS}
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()) == settings
    # and the run's own file runs too, and takes up the run
    main(["stability", "--config=run/config.yaml"])
    assert set(pd.read_csv("run/results.csv")["method"]) == {"Gradient", "SmoothGrad"}


def test_methods_are_added_and_nested_on_the_command_line(capsys: Captured) -> None:
    added = ["--methods+=SmoothGrad", "--methods.num_samples=4", "--methods.base=Gradient"]
    config = yaml.safe_load(printed(capsys, [*STABILITY, *added, "--methods.base.precision=bf16", "--print_config"]))
    leaf, smooth = config["methods"]
    assert leaf["class_path"] == "lightning_spx.attribution.Gradient"
    assert smooth["class_path"] == "lightning_spx.attribution.SmoothGrad"
    assert smooth["init_args"]["num_samples"] == 4
    assert smooth["init_args"]["base"]["init_args"]["precision"] == "bf16"


def test_methods_are_nested_in_a_file(capsys: Captured, tmp_path: Path) -> None:
    method = {"class_path": "VarGrad", "init_args": {"base": {"class_path": "SmoothGrad", "init_args": {"seed": 3}}}}
    (tmp_path / "methods.yaml").write_text(yaml.safe_dump({"methods": [method]}))
    config = yaml.safe_load(printed(capsys, ["stability", "--config=methods.yaml", "--print_config"]))
    base = config["methods"][0]["init_args"]["base"]
    assert base["class_path"] == "lightning_spx.attribution.SmoothGrad"
    assert base["init_args"]["seed"] == 3


def test_the_embedded_default_is_the_file_that_spells_it_out(capsys: Captured) -> None:
    file = CONFIGS / "stability" / "synthetic.yaml"
    with_file = printed(capsys, ["stability", f"--config={file}", "--print_config"])
    assert with_file == printed(capsys, ["stability", "--print_config"])


def test_help_lists_every_command(capsys: Captured) -> None:
    text = printed(capsys, ["--help"])
    for command in ("stability", "fit", "validate", "test", "predict"):
        assert f"\n  {command} " in text


def test_the_whole_help_of_a_study_explains_its_settings(capsys: Captured) -> None:
    text = " ".join(printed(capsys, ["stability", "--help", "all"]).split())
    assert "independent splits and seeds; with three or more, the intervals cover them" in text
    assert "the model to train, once for each part" in text
    # any network will do, and what has a default is not required
    assert "torch.nn.Linear" not in text
    assert "(required" not in text
    assert "lightning_spx.superpixels.Voronoi" in text


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_the_whole_help_of_lightnings_commands_is_lightnings(capsys: Captured, command: str) -> None:
    assert "--trainer.limit_val_batches" in printed(capsys, [command, "--help=all"])


def test_a_fitted_checkpoint_is_validated_and_tested(capsys: Captured, tmp_path: Path) -> None:
    limits = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
    for _ in range(2):  # the folder is there at the second start
        main(["fit", *FIT, *limits, "--trainer.default_root_dir=fitted"])
    checkpoint = next((tmp_path / "fitted").rglob("*.ckpt"))
    module = ImageClassifier.load_from_checkpoint(checkpoint).eval()
    images = SyntheticBirdsDataModule(num_train=60, num_test=24, num_classes=2, batch_size=10).test_dataloader()
    with torch.no_grad():
        right = torch.cat([module(batch["image"]).argmax(1) == batch["label"] for batch in images])
    for command, batches, metric in (("validate", "val", "val/accuracy"), ("test", "test", "test/accuracy")):
        capsys.readouterr()
        main([command, *FIT, f"--ckpt_path={checkpoint}", f"--trainer.limit_{batches}_batches=2"])
        table = capsys.readouterr().out
        assert metric in table
        if command == "test":
            row = next(line for line in table.splitlines() if metric in line)
            assert float(row.split("│")[2]) == pytest.approx(float(right[:20].float().mean()), abs=1e-6)


def test_a_fitted_checkpoint_predicts(tmp_path: Path) -> None:
    main(["fit", *FIT, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"])
    checkpoint = next(tmp_path.rglob("*.ckpt"))
    main(["predict", *FIT, f"--ckpt_path={checkpoint}", "--trainer.limit_predict_batches=1"])


def test_a_fit_leaves_a_file_of_the_users_alone_and_keeps_its_whole_configuration(tmp_path: Path) -> None:
    mine = tmp_path / "fit.yaml"  # under W&B this is the folder and the name that Lightning would write to
    mine.write_text("trainer: {max_epochs: 1, limit_train_batches: 1, limit_val_batches: 1}\n")
    before = mine.read_bytes()
    words = [word for word in FIT if "logger" not in word]
    main(["fit", "--config=fit.yaml", *words, "--trainer.logger=WandbLogger", "--trainer.logger.project=birds"])
    assert mine.read_bytes() == before
    (kept,) = tmp_path.glob("birds/*/fit.yaml")
    config = yaml.safe_load(kept.read_text())
    assert config["data"]["init_args"]["num_train"] == 60
    wandb.finish()
    wandb.teardown()  # what it has set up holds for the process
    logged = offline_config(tmp_path)
    assert {name: logged[name] for name in ("data", "model", "trainer")} == {
        name: config[name] for name in ("data", "model", "trainer")
    }
    # what is kept runs again
    main(["fit", f"--config={kept}", "--trainer.logger=false"])


def test_a_study_takes_checkpoints_that_fit_has_made(tmp_path: Path) -> None:
    for part in (0, 1):
        main(["fit", *FIT, "--trainer.max_epochs=1", f"--data.part={part}", f"--trainer.default_root_dir=fit{part}"])
    files = [str(next((tmp_path / f"fit{part}").rglob("*.ckpt"))) for part in (0, 1)]
    main([*STABILITY, f"--checkpoints=[{','.join(files)}]", "--out=run"])
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert (tmp_path / "run" / "results.csv").is_file()


def test_a_class_of_a_users_list_has_its_own_defaults(capsys: Captured, tmp_path: Path) -> None:
    """Wherever it stands in the list, and whatever the default at that place was given."""
    listed = "[Gradient, GradCAM, GradCAM, SmoothGrad]"
    words = ["stability", f"--methods={listed}", "--superpixels=[Grid]", "--print_config"]
    file = tmp_path / "own.yaml"
    file.write_text("methods: [Gradient, GradCAM, GradCAM, SmoothGrad]\nsuperpixels: [Grid]\n")
    for given in (words, ["stability", f"--config={file}", "--print_config"]):
        config = yaml.safe_load(printed(capsys, given))
        assert config["methods"][3]["init_args"]["num_samples"] == SmoothGrad().num_samples
        assert config["superpixels"][0]["init_args"]["n_segments"] == Grid().n_segments
    # what is added to the default list, or changes it, keeps it
    added = yaml.safe_load(printed(capsys, ["stability", "--methods+=GradCAM", "--print_config"]))
    assert added["methods"][3]["init_args"]["num_samples"] == 20


def test_the_settings_of_a_class_are_not_those_of_the_command(capsys: Captured, tmp_path: Path) -> None:
    method = {"class_path": "SegmentAttribution", "init_args": {"method": "FeatureAblation", "superpixels": "Grid"}}
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({"methods": [method], "superpixels": "Grid"}))
    config = yaml.safe_load(printed(capsys, ["stability", f"--config={file}", "--print_config"]))
    assert config["methods"][0]["init_args"]["superpixels"]["class_path"].endswith("Grid")
    assert config["superpixels"][0]["class_path"].endswith("Grid")
    # what is printed can be read again
    file.write_text(yaml.safe_dump(config))
    assert yaml.safe_load(printed(capsys, ["stability", f"--config={file}", "--print_config"])) == config


@dataclass(frozen=True)
class OfOneSetting(Attribution):
    """A user's own method, whose only setting has the name of one of the command."""

    superpixels: Segmenter = field(default_factory=Grid)

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        return inputs.detach().float() * self.superpixels(inputs)[:, None]


def test_a_class_whose_only_setting_has_the_name_of_a_setting(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    method = {"class_path": f"{__name__}.OfOneSetting", "init_args": {"superpixels": "Voronoi"}}
    file.write_text(yaml.safe_dump({"methods": [method], "superpixels": "Grid"}))
    config = yaml.safe_load(printed(capsys, ["stability", f"--config={file}", "--print_config"]))
    assert config["methods"][0]["init_args"]["superpixels"]["class_path"].endswith("Voronoi")
    assert config["superpixels"][0]["class_path"].endswith("Grid")


def test_a_mistyped_setting_in_a_file_is_the_one_that_is_named(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("methods: GradCAM\nnum_image: 5\n")
    assert "num_image" in refusal(capsys, ["stability", f"--config={file}"])
