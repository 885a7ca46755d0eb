"""Checkpoints: loaded, or refused in a line that names the file; none of them runs code."""

import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning import LightningDataModule, LightningModule

from lightning_spx.cli.trainer_cli import TrainerCLI
from lightning_spx.evaluation.maps.references import read_reference
from lightning_spx.evaluation.training.model_reading import ModelReading
from lightning_spx.evaluation.training.named_networks import load_classifier, load_model
from lightning_spx.models import ImageClassifier, pretrained
from lightning_spx.models.checkpoint_file import check_resumable, read_state
from lightning_spx.models.judge import load_cyclegan
from tests.command_line import FIT, Captured, refusal
from tests.inputs.checkpoint_files import (
    BROKEN,
    FOREIGN,
    NOT_RESUMABLE,
    OLD,
    TRACE,
    UNBUILDABLE,
    WHOLE,
    content,
    network,
    saved,
)
from tests.inputs.image_files import WHOLE as IMAGES
from tests.inputs.outcomes import refused, refused_or
from tests.inputs.strategies import damaged, examples

pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


def test_the_checkpoint_itself_is_loaded() -> None:
    path = Path("whole.ckpt")
    for whole in (WHOLE, OLD):
        path.write_bytes(whole)
        expected = content()["state_dict"]
        assert read_state(path).keys() == expected.keys()
        module = load_classifier(path)
        assert all(torch.equal(module.state_dict()[name], value) for name, value in expected.items())
        check_resumable(path, training=True)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_checkpoint_is_refused_by_name_everywhere(name: str) -> None:
    path, module = Path("file.ckpt"), ImageClassifier(network())
    path.write_bytes(BROKEN[name])
    refused(lambda: read_state(path), "file.ckpt")
    refused(lambda: load_classifier(path), "file.ckpt")
    refused(lambda: load_model(path, ModelReading(), network), "file.ckpt")
    refused(lambda: load_cyclegan(path), "file.ckpt")
    refused(lambda: read_reference(path, module), "file.ckpt")
    refused(lambda: check_resumable(path, training=False), "file.ckpt")
    refused(lambda: pretrained(network(), path), "file.ckpt")
    refused(lambda: pretrained(network(), path.rename("file.safetensors")), "file.safetensors")
    assert not Path(TRACE).exists()


@pytest.mark.parametrize("name", FOREIGN)
def test_a_checkpoint_of_another_model_is_refused_by_name(name: str) -> None:
    path = Path("file.ckpt")
    path.write_bytes(FOREIGN[name])
    refused(lambda: load_classifier(path), "file.ckpt")
    refused(lambda: load_model(path, ModelReading(), network), "file.ckpt")
    refused(lambda: load_cyclegan(path), "file.ckpt")
    refused(lambda: read_reference(path, ImageClassifier(network())), "file.ckpt")
    state = torch.load(path, weights_only=True)["state_dict"]
    path.write_bytes(saved({key.removeprefix("network."): value for key, value in state.items()}))
    refused(lambda: pretrained(network(), path), "file.ckpt")


@pytest.mark.parametrize("name", UNBUILDABLE)
def test_settings_that_cannot_be_built_are_refused_with_the_file(name: str) -> None:
    path = Path("file.ckpt")
    path.write_bytes(UNBUILDABLE[name])
    refused(lambda: load_classifier(path), "file.ckpt")
    assert not Path(TRACE).exists()
    # with a network given, the weights are all that is asked of the file
    module = load_model(path, ModelReading(), network)
    own = module.get_parameter("network.network.head.weight")
    assert torch.equal(own, content()["state_dict"]["network.head.weight"])


@pytest.mark.parametrize("name", NOT_RESUMABLE)
def test_training_does_not_go_on_from_weights_alone(name: str) -> None:
    path = Path("file.ckpt")
    path.write_bytes(NOT_RESUMABLE[name])
    refused(lambda: check_resumable(path, training=True), "file.ckpt")
    module = load_model(path, ModelReading(), network)
    own = module.get_parameter("network.network.head.weight")
    assert torch.equal(own, content()["state_dict"]["network.head.weight"])


def lightning_command(words: list[str]) -> None:
    TrainerCLI(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=None,
        parser_kwargs={"exit_on_error": False},
        args=words,
    )


@pytest.mark.parametrize("name", ["half", "code beside the weights", "a list"])
@pytest.mark.parametrize("command", ["fit", "test"])
def test_lightnings_commands_name_the_file(name: str, command: str) -> None:
    Path("file.ckpt").write_bytes(BROKEN[name])
    refused(lambda: lightning_command([command, *FIT, "--ckpt_path=file.ckpt"]), "file.ckpt")
    assert not Path(TRACE).exists()


def test_fit_does_not_go_on_from_weights_alone() -> None:
    Path("file.ckpt").write_bytes(NOT_RESUMABLE["without optimizer_states"])
    refused(lambda: lightning_command(["fit", *FIT, "--ckpt_path=file.ckpt"]), "file.ckpt", "optimizer_states")


@pytest.mark.parametrize("name", ["half", "code in the settings"])
def test_explain_names_the_file(name: str, capsys: Captured) -> None:
    Path("photo.png").write_bytes(IMAGES["PNG"])
    Path("file.ckpt").write_bytes((BROKEN | FOREIGN)[name])
    words = ["explain", "photo.png", "--image_size=16", "--methods=[Gradient]", "--superpixels=[Grid]"]
    assert "file.ckpt" in refusal(capsys, [*words, "--checkpoints=file.ckpt"])
    own = ["--model=SmallResNet", "--model.num_classes=2", "--model.width=4"]
    assert "file.ckpt" in refusal(capsys, [*words, *own, "--weights=file.ckpt"])
    assert not Path(TRACE).exists()


def check_damaged(whole: bytes, folder: Path) -> None:
    path = folder / "damaged.ckpt"
    path.write_bytes(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = refused_or(lambda: read_state(path), "damaged.ckpt")
    assert state is None or isinstance(state, dict)


DAMAGED = st.sampled_from([WHOLE, OLD]).flatmap(damaged)


@examples(60)
@given(whole=DAMAGED)
def test_a_damaged_checkpoint_is_read_or_named(whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_damaged(whole, tmp_path_factory.getbasetemp())


@pytest.mark.soak
@examples(20_000)
@given(whole=DAMAGED)
def test_many_damaged_checkpoints_are_read_or_named(whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_damaged(whole, tmp_path_factory.getbasetemp())
