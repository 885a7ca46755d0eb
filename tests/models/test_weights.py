"""The ways of loading a checkpoint, all with `weights_only`, for models of the command line and of Python code."""

import functools
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI
from torch import nn
from torch.optim import SGD

from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.models.weights import state_mismatch

TRAINER = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "max_epochs": 1,
}
DATA = {"class_path": "lightning_spx.data.SyntheticBirdsDataModule", "init_args": {"num_train": 24, "num_test": 6}}


def model_config(width: int = 4) -> dict[str, object]:
    return {
        "class_path": "lightning_spx.models.ImageClassifier",
        "init_args": {
            "network": {
                "class_path": "lightning_spx.models.SmallResNet",
                "init_args": {"num_classes": 6, "width": width},
            },
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
            "scheduler": {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1}},
            "label_smoothing": 0.1,
        },
    }


def run_cli(stage: str, folder: Path, ckpt_path: Path | None = None, width: int = 4) -> LightningCLI:
    settings: dict[str, object] = {
        "trainer": {**TRAINER, "default_root_dir": str(folder)},
        "data": DATA,
        "model": model_config(width),
        "ckpt_path": ckpt_path and str(ckpt_path),
    }
    return LightningCLI(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=None,
        args={"subcommand": stage, stage: settings},
    )


@pytest.fixture(autouse=True)
def no_words_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["spx"])


@pytest.fixture(scope="module")
def cli_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["spx"])
        run_cli("fit", folder)
    return next(folder.rglob("*.ckpt"))


@pytest.fixture(scope="module")
def python_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    network = SmallResNet(num_classes=6, width=4)
    classifier = ImageClassifier(network, lambda parameters: SGD(parameters, lr=0.1), label_smoothing=0.1)
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=1,
        default_root_dir=folder,
    )
    trainer.fit(classifier, SyntheticBirdsDataModule(num_train=24, num_test=6))
    return next(folder.rglob("*.ckpt"))


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def assert_holds(classifier: LightningModule, path: Path) -> None:
    state = weights(path)
    assert list(classifier.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in classifier.state_dict().items())


def test_one_of_the_command_line_loads_by_itself(cli_checkpoint: Path) -> None:
    classifier = ImageClassifier.load_from_checkpoint(cli_checkpoint)
    assert_holds(classifier, cli_checkpoint)
    assert classifier.loss.label_smoothing == 0.1
    optimizer = classifier.optimizer(classifier.parameters()) if classifier.optimizer else None
    assert isinstance(optimizer, SGD)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_one_of_the_command_line_loads_through_the_base_class(cli_checkpoint: Path) -> None:
    classifier = LightningModule.load_from_checkpoint(cli_checkpoint)
    assert isinstance(classifier, ImageClassifier)
    assert_holds(classifier, cli_checkpoint)


def test_one_of_the_command_line_loads_with_a_network_given(cli_checkpoint: Path) -> None:
    classifier = ImageClassifier.load_from_checkpoint(cli_checkpoint, network=SmallResNet(6, width=4))
    assert_holds(classifier, cli_checkpoint)


def test_the_command_line_tests_its_own(cli_checkpoint: Path, tmp_path: Path) -> None:
    cli = run_cli("test", tmp_path, cli_checkpoint)
    assert_holds(cli.model, cli_checkpoint)
    assert "test/accuracy" in cli.trainer.callback_metrics


def test_one_of_python_loads_with_its_network(python_checkpoint: Path) -> None:
    classifier = ImageClassifier.load_from_checkpoint(python_checkpoint, network=SmallResNet(6, width=4))
    assert_holds(classifier, python_checkpoint)
    assert classifier.loss.label_smoothing == 0.1


def test_one_of_python_says_that_it_needs_its_network(python_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"\.ckpt to name its network, .*load_from_checkpoint\(path, network=\.\.\.\)"):
        ImageClassifier.load_from_checkpoint(python_checkpoint)


def test_the_command_line_tests_one_of_python(python_checkpoint: Path, tmp_path: Path) -> None:
    cli = run_cli("test", tmp_path, python_checkpoint)
    assert_holds(cli.model, python_checkpoint)


def test_a_state_alone_goes_into_a_fresh_module(python_checkpoint: Path) -> None:
    classifier = ImageClassifier(SmallResNet(6, width=4))
    classifier.load_state_dict(weights(python_checkpoint))
    assert_holds(classifier, python_checkpoint)


def test_weights_of_another_network_are_refused_by_name(python_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.ckpt to fit the network: size mismatch for network\.stem\.0\.weight"):
        ImageClassifier.load_from_checkpoint(python_checkpoint, network=SmallResNet(6, width=8))
    with pytest.raises(ValueError, match=r"\.ckpt to fit SmallResNet, got network\.stem\.0\.weight of shape"):
        run_cli("test", tmp_path, python_checkpoint, width=8)


def test_weights_of_another_network_pass_where_strictness_is_given_up(python_checkpoint: Path) -> None:
    class Larger(SmallResNet):
        def __init__(self) -> None:
            super().__init__(6, width=4)
            self.more = torch.nn.Linear(1, 1)

    classifier = ImageClassifier.load_from_checkpoint(python_checkpoint, network=Larger(), strict=False)
    name = "network.head.weight"
    assert torch.equal(classifier.state_dict()[name], weights(python_checkpoint)[name])


def test_other_errors_of_loading_stay_what_they_are(python_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ImageClassifier.load_from_checkpoint(tmp_path / "none.ckpt")
    with pytest.raises(TypeError, match="not supported"):
        ImageClassifier.load_from_checkpoint(python_checkpoint, network=SmallResNet(6, 4), label_smoothing="much")
    (tmp_path / "half.ckpt").write_bytes(python_checkpoint.read_bytes()[:2000])
    with pytest.raises(RuntimeError, match="zip archive"):
        ImageClassifier.load_from_checkpoint(tmp_path / "half.ckpt", network=SmallResNet(6, 4))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    classifier = ImageClassifier(SmallResNet(6, width=4), functools.partial(SGD, lr=0.1))
    path = tmp_path / "code.ckpt"
    torch.save({"state_dict": classifier.state_dict(), "module": classifier}, path)
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        ImageClassifier.load_from_checkpoint(path, network=SmallResNet(6, width=4))


def test_a_checkpoint_holds_plain_settings_only(cli_checkpoint: Path, python_checkpoint: Path) -> None:
    of_cli = torch.load(cli_checkpoint, weights_only=True)["hyper_parameters"]
    of_python = torch.load(python_checkpoint, weights_only=True)["hyper_parameters"]
    assert of_cli["network"]["class_path"] == "lightning_spx.models.SmallResNet"
    assert {"network", "optimizer", "scheduler"}.isdisjoint(of_python)
    assert of_python["mean"] == pytest.approx((0.485, 0.456, 0.406))


def test_a_state_that_fits_has_no_mismatch() -> None:
    assert state_mismatch(SmallResNet(width=4), SmallResNet(width=4).state_dict()) == ""


def test_a_mismatch_names_three_and_counts_the_rest() -> None:
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    assert state_mismatch(module, {}) == "missing 0.weight, 0.bias, 1.weight and 3 more"
