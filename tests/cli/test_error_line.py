"""How the command line refuses bad input: exit code 2, no traceback, and a last line that names what is bad."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning import Trainer
from PIL import Image
from torch import Tensor, nn

from lightning_spx.cli import main
from lightning_spx.models import ImageClassifier, SmallResNet
from tests.command_line import FIT, NETWORK, STABILITY, STUDY, Captured, refusal


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
        (["--model.network=tests.cli.test_error_line.NanNetwork"], ["finite outputs of NanNetwork", "images ["]),
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
        ({"methods": "Gradien"}, ["methods", "Gradien"]),
    ],
    ids=["unknown setting", "wrong type", "out of range", "segmenter", "unknown key", "no method"],
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
        (lambda: {"state_dict": ImageClassifier(SmallResNet(2, width=8)).state_dict()}, "of shape"),
        (lambda: {"weights": 1}, "state_dict()`"),
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
        (["--model.network=NoSuchNetwork"], ["network", "NoSuchNetwork"]),
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
