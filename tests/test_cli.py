"""The command line, called in process: what runs, what it prints, and how it refuses bad input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from lightning import Trainer
from PIL import Image
from torch import Tensor, nn

from lightning_spx.cli import main
from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.models import ImageClassifier, SmallResNet

CONFIGS = Path(__file__).parents[1] / "configs"
TRAINER = ["--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]
BIRDS = ["--data.num_train=60", "--data.num_test=24", "--data.num_classes=2", "--data.batch_size=10"]
NETWORK = ["--model.network.num_classes=2", "--model.network.width=4"]
STUDY = ["--num_images=6", "--batch_size=4", "--num_resamples=20", "--distances=[l2]", *TRAINER]
STABILITY = ["stability", *STUDY, *BIRDS, *NETWORK, "--methods=[Gradient]"]
FIT = [
    *("--data=SyntheticBirdsDataModule", *BIRDS, "--model=ImageClassifier", "--model.network=SmallResNet", *NETWORK),
    *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.logger=false"),
]

Captured = pytest.CaptureFixture[str]


class NanNetwork(nn.Module):
    """A network whose training went wrong."""

    def __init__(self, num_classes: int = 2, width: int = 4) -> None:
        super().__init__()
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(images.flatten(1)[:, : self.head.in_features])
        return logits * float("nan")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study."""
    out = tmp_path_factory.mktemp("cli") / "run"
    main([*STABILITY, f"--out={out}"])
    return out


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of 8 training and 4 test images of 16 px."""
    generator = np.random.default_rng(0)
    for stage, count in (("train", 8), ("test", 4)):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / stage / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "pets"


def of_pets(root: Path) -> list[str]:
    data = ["--data=ImageFolderDataModule", f"--data.root={root}", "--data.image_size=16", "--data.batch_size=4"]
    return ["stability", *STUDY, *data, *NETWORK, "--methods=[Gradient]"]


def printed(capsys: Captured, words: list[str]) -> str:
    """What a command prints before it ends well by itself, as `--help` and `--print_config` do."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    return capsys.readouterr().out


def refusal(capsys: Captured, words: list[str]) -> str:
    """The last line on bad input, after a check that it ends as bad input must."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    last = captured.err.splitlines()[-1]
    assert last.startswith("error: ")
    return last


def test_a_study_prints_its_tables_and_names_its_folder_at_the_end(capsys: Captured) -> None:
    main(STABILITY)
    first = capsys.readouterr().out
    folder = first.splitlines()[-1].removeprefix("results: ")
    assert Path(folder).parent == Path("runs")
    assert (Path(folder) / "results.csv").is_file()
    assert "SSIM of saliency maps between models" in first
    assert "MeGe, generalisability between models distance=l2" in first
    assert "S-Gradient" in first
    assert "over images, for these models" in first
    # the same command comes back to its folder, a changed one does not
    checkpoint = Path(folder) / "checkpoints" / "repeat0-model0.ckpt"
    written = checkpoint.stat().st_mtime_ns
    main(STABILITY)
    assert capsys.readouterr().out.splitlines()[-1] == f"results: {folder}"
    assert checkpoint.stat().st_mtime_ns == written
    main([*STABILITY, "--seed=1"])
    assert capsys.readouterr().out.splitlines()[-1] not in ("", f"results: {folder}")


def test_the_table_shows_the_numbers_of_the_results(capsys: Captured, finished: Path) -> None:
    main([*STABILITY, f"--out={finished}"])
    table = capsys.readouterr().out
    results = pd.read_csv(finished / "results.csv").query("metric in ['saliency_ssim', 'mege'] and gain == gain")
    assert len(results) == 4
    for _, row in results.iterrows():
        assert f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]" in table
        assert f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]" in table


def test_the_printed_configuration_runs_again_and_is_kept(capsys: Captured, tmp_path: Path) -> None:
    words = [*STABILITY, "--methods+=SmoothGrad", "--methods.num_samples=2", "--out=run"]
    config = printed(capsys, [*words, "--print_config"])
    (tmp_path / "printed.yaml").write_text(config)
    assert printed(capsys, ["stability", "--config=printed.yaml", "--print_config"]) == config
    main(["stability", "--config=printed.yaml"])
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()) == yaml.safe_load(config)
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
        assert f"\n    {command} " in text


def test_the_help_of_a_study_explains_its_settings(capsys: Captured) -> None:
    text = " ".join(printed(capsys, ["stability", "--help"]).split())
    assert "independent splits and seeds; with three or more the intervals cover them" in text
    assert "the model that is trained, once for each part" in text


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_the_help_of_lightnings_commands_is_lightnings(capsys: Captured, command: str) -> None:
    assert "--trainer" in printed(capsys, [command, "--help"])


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


def test_a_study_takes_checkpoints_that_fit_has_made(tmp_path: Path) -> None:
    for part in (0, 1):
        main(["fit", *FIT, "--trainer.max_epochs=1", f"--data.part={part}", f"--trainer.default_root_dir=fit{part}"])
    files = [str(next((tmp_path / f"fit{part}").rglob("*.ckpt"))) for part in (0, 1)]
    main([*STABILITY, f"--checkpoints=[{','.join(files)}]", "--out=run"])
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert (tmp_path / "run" / "results.csv").is_file()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--methods=[Smoothgrad]"], ["methods", "Smoothgrad"]),
        (["--superpixels=[SLIC]"], ["superpixels", "SLIC"]),
        (["--num_images=many"], ["num_images", "int", "many"]),
        (["--data.plan=fold"], ["plan", "'disjoint', 'folds'", "fold"]),
        (["--distances=[l3]"], ["distances", "'spearman'", "l3"]),
        (["--nothing=1"], ["--nothing=1"]),
        (["--config=absent.yaml"], ["config", "absent.yaml"]),
        (["--data.num_parts=31"], ["`num_parts` to be at most 30", "got 31"]),
        (["--data.images_per_part=31"], ["2 parts of 31 images", "60 there are", "`images_per_part`"]),
        (["--data.part=2"], ["`part` to be 0 to 1, got 2"]),
        (["--data.plan=all"], ["`data.plan`", "'all'"]),
        (["--num_images=25"], ["`num_images`", "24, the images there are", "got 25"]),
        (["--num_images=1"], ["`num_images` to be at least 2, got 1"]),
        (["--repeats=0"], ["`repeats` to be at least 1, got 0"]),
        (["--checkpoints=[a.ckpt,b.ckpt]"], ["a.ckpt"]),
        (["--checkpoints=[a.ckpt]"], ["`checkpoints` to name 2 models", "got 1"]),
        (["--methods=[Gradient,Gradient]"], ["different items", "Gradient twice"]),
        (["--data=ImageFolderDataModule", "--data.root=nowhere"], ["nowhere/train", "`root`"]),
        (["--data=CIFAR10DataModule", "--data.root=nowhere"], ["nowhere/cifar-10-batches-py", "`download: true`"]),
        (["--trainer.accelerator=abacus"], ["accelerator", "abacus"]),
        (["--trainer.max_epochs=-2"], ["`max_epochs`", "-2"]),
        (["--model.network=tests.test_cli.NanNetwork"], ["finite outputs of ImageClassifier", "images ["]),
    ],
    ids=lambda value: value[0],
)
def test_a_bad_setting_of_a_study_is_named(capsys: Captured, words: list[str], named: list[str]) -> None:
    last = refusal(capsys, [*STABILITY, *words, "--out=run"])
    assert [part for part in named if part not in last] == []


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"methods": [{"class_path": "SmoothGrad", "init_args": {"samples": 3}}]},
            ["methods", "SmoothGrad", "samples"],
        ),
        ({"methods": [{"class_path": "SmoothGrad", "init_args": {"num_samples": "a"}}]}, ["num_samples", "int", "a"]),
        ({"methods": [{"class_path": "SmoothGrad", "init_args": {"num_samples": 0}}]}, ["`num_samples`", "got 0"]),
        ({"superpixels": [{"class_path": "Slic", "init_args": {"n_segments": 0}}]}, ["`n_segments`", "got 0"]),
        ({"num_image": 3}, ["num_image"]),
        ({"methods": "Gradient"}, ["methods", "list", "Gradient"]),
    ],
    ids=["unknown setting", "wrong type", "out of range", "segmenter", "unknown key", "no list"],
)
def test_a_bad_setting_in_a_file_is_named(
    capsys: Captured, tmp_path: Path, settings: dict[str, object], named: list[str]
) -> None:
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(settings))
    last = refusal(capsys, ["stability", "--config=study.yaml"])
    assert [part for part in named if part not in last] == []


def test_a_file_that_is_not_yaml_is_named(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("methods: [")
    assert "config" in refusal(capsys, ["stability", "--config=study.yaml"])


def test_an_empty_class_is_named(capsys: Captured, pets: Path) -> None:
    for file in (pets / "train" / "dog").iterdir():
        file.unlink()
    assert str(pets / "train" / "dog") in refusal(capsys, of_pets(pets))


def test_an_unreadable_image_is_left_out_and_counted_or_refused(capsys: Captured, pets: Path) -> None:
    broken = pets / "train" / "cat" / "3.png"
    broken.write_bytes(b"no image")
    assert str(broken) in refusal(capsys, [*of_pets(pets), "--data.strict=true", "--out=run"])
    with pytest.warns(UserWarning, match=r"Left out 1 of 16 images that cannot be read\. .*3\.png"):
        main([*of_pets(pets), "--out=run"])
    assert Path("run/results.csv").is_file()


def test_more_parts_than_images_of_a_class_are_refused(capsys: Captured, pets: Path) -> None:
    assert "`num_parts` to be at most 8, the images of class 0, got 9" in refusal(
        capsys, [*of_pets(pets), "--data.num_parts=9"]
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: {"state_dict": ImageClassifier(SmallResNet(2, width=8)).state_dict()}, "size mismatch"),
        (lambda: {"weights": 1}, "`state_dict`"),
    ],
    ids=["another architecture", "no checkpoint"],
)
def test_a_checkpoint_that_does_not_fit_is_named(
    capsys: Captured, tmp_path: Path, make: Callable[[], object], reason: str
) -> None:
    files = [tmp_path / "first.ckpt", tmp_path / "second.ckpt"]
    for file in files:
        torch.save(make(), file)
    last = refusal(capsys, [*STABILITY, f"--checkpoints=[{files[0]},{files[1]}]"])
    assert str(files[0]) in last
    assert reason in last


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--model.network=Nothing"], ["network", "Nothing"]),
        (["--model.network.width=wide"], ["width", "int", "wide"]),
        (["--model.network.depth=3"], ["depth"]),
        (["--data.num_train=1"], ["`num_train` to be at least 2", "got 1"]),
        (["--ckpt_path=absent.ckpt"], ["absent.ckpt"]),
        (["--trainer.accelerator=abacus"], ["accelerator", "abacus"]),
    ],
)
def test_a_bad_setting_of_a_test_run_is_named(capsys: Captured, words: list[str], named: list[str]) -> None:
    last = refusal(capsys, ["test", *FIT, *words])
    assert [part for part in named if part not in last] == []


def test_a_test_with_a_checkpoint_of_another_architecture_names_it(capsys: Captured) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False)
    trainer.strategy.connect(ImageClassifier(SmallResNet(num_classes=2, width=8)))
    trainer.save_checkpoint("wider.ckpt")
    last = refusal(capsys, ["test", *FIT, "--ckpt_path=wider.ckpt"])
    assert "wider.ckpt to fit SmallResNet" in last


def test_a_folder_that_is_not_a_runs_is_refused_and_left_alone(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("mine")
    assert "`out`" in refusal(capsys, [*STABILITY, "--out=thesis"])
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("--num_images=8", "`num_images` to be 6 as in the earlier run"),
        ("--data.data_seed=1", "`data.init_args.data_seed` to be 0 as in the earlier run"),
        ("--trainer.max_epochs=2", "`trainer.max_epochs` to be 1 as in the earlier run"),
        ("--methods+=InputXGradient", "`methods.1.class_path` to be None as in the earlier run"),
    ],
)
def test_a_changed_setting_of_a_finished_run_is_refused(
    capsys: Captured, finished: Path, word: str, named: str
) -> None:
    before = (finished / "results.csv").read_bytes()
    last = refusal(capsys, [*STABILITY, word, f"--out={finished}"])
    assert named in last
    assert str(finished) in last
    assert (finished / "results.csv").read_bytes() == before


def test_without_a_command_the_commands_are_listed(capsys: Captured) -> None:
    for words in ([], ["stabilty"]):
        assert "stability" in refusal(capsys, words)
