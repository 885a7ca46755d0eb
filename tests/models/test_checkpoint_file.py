"""The weights in a checkpoint, and one line for every file that is none."""

import functools
import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn

from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.models.checkpoint_file import load_checkpoint, read_state
from lightning_spx.models.saved_weights import check_exists
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, loader

NO_CHECKPOINT = r"Expected a Lightning checkpoint with a `state_dict`, got .*"


def small_checkpoint() -> dict[str, Any]:
    return {"state_dict": nn.Linear(3, 2).state_dict(), "epoch": 3, "callbacks": {"x": [1, "two", None]}}


def test_a_checkpoint_of_a_trainer_gives_its_weights_and_buffers(tmp_path: Path) -> None:
    callbacks = [ModelCheckpoint(tmp_path, filename="best"), EarlyStopping("val_loss")]
    trainer = Trainer(**{**QUIET, "max_epochs": 1, "callbacks": callbacks, "enable_checkpointing": True})
    module = Stranger()
    trainer.fit(module, loader(), loader())
    state = read_state(tmp_path / "best.ckpt")
    assert list(state) == list(module.state_dict())
    for name, value in module.state_dict().items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0)


def test_a_file_of_the_old_format_is_read(tmp_path: Path) -> None:
    content = small_checkpoint()
    torch.save(content, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(tmp_path / "old.ckpt")
    torch.testing.assert_close(read_state(tmp_path / "old.ckpt")["weight"], content["state_dict"]["weight"])


def test_state_that_is_no_tensor_is_kept(tmp_path: Path) -> None:
    torch.save({"state_dict": {"weight": torch.ones(1), "_extra_state": {"epoch": 3}}}, tmp_path / "a.ckpt")
    assert read_state(tmp_path / "a.ckpt")["_extra_state"] == {"epoch": 3}


@pytest.mark.parametrize("name", ["none.ckpt", "."])
def test_what_is_no_file_is_named(tmp_path: Path, name: str) -> None:
    for function in (check_exists, read_state):
        with pytest.raises(FileNotFoundError, match=r"Expected a checkpoint at .*, found none\. Name files that `fit`"):
            function(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half", b"\x80\x02.", b"\x80\x02X\x01"])
def test_another_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{NO_CHECKPOINT}other\.ckpt"):
        read_state(tmp_path / "other.ckpt")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_a_few_wrong_bytes_is_read_or_named(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "damaged.ckpt"
    torch.save(small_checkpoint(), path, _use_new_zipfile_serialization=zipped)
    whole, draw = path.read_bytes(), random.Random(0)
    messages: list[str] = []
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(draw.choice([1, 3, 10])):
            damaged[draw.randrange(len(whole))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.choice([len(whole), draw.randrange(len(whole))])])
        try:
            read_state(path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all("damaged.ckpt" in message and "\n" not in message for message in messages)


@pytest.mark.parametrize(
    ("content", "kind"), [({"weights": 1}, "dict"), ([1, 2], "list"), (torch.zeros(3), "Tensor"), (None, "NoneType")]
)
def test_a_file_without_a_state_is_named(tmp_path: Path, content: object, kind: str) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=rf"{NO_CHECKPOINT}other\.pt, which holds a {kind} without it"):
        read_state(tmp_path / "other.pt")


@pytest.mark.parametrize(("state", "kind"), [(["a", "b"], "list"), (torch.zeros(2), "Tensor"), ({1: 2}, "dict")])
def test_a_state_that_is_none_is_named(tmp_path: Path, state: object, kind: str) -> None:
    torch.save({"state_dict": state}, tmp_path / "other.ckpt")
    message = rf"Expected the `state_dict` in .*other\.ckpt to be tensors by their names, got a {kind}"
    with pytest.raises(ValueError, match=message):
        read_state(tmp_path / "other.ckpt")


class Payload:
    """What a malicious file holds: reading it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused(tmp_path: Path, zipped: bool) -> None:
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"
    content = {"state_dict": {}, "callbacks": Payload(trace)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ValueError, match=rf"{NO_CHECKPOINT}evil\.ckpt: .*(GLOBAL \w+\.mkdir|magic number)"):
        read_state(path)
    assert not trace.exists()


def test_a_class_that_is_not_plain_is_named(tmp_path: Path) -> None:
    """Such are the hyperparameters of a module that keeps an optimizer's partial among them."""
    content = small_checkpoint() | {"hyper_parameters": {"optimizer": functools.partial(torch.optim.SGD, lr=1.0)}}
    torch.save(content, tmp_path / "own.ckpt")
    with pytest.raises(ValueError, match=rf"{NO_CHECKPOINT}own\.ckpt: .*Unsupported global: GLOBAL functools\.partial"):
        read_state(tmp_path / "own.ckpt")


def classifier() -> ImageClassifier:
    return ImageClassifier(SmallResNet(num_classes=2, width=4))


def test_a_checkpoint_gives_its_weights_in_evaluation_mode(tmp_path: Path) -> None:
    trained = classifier()
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "a.ckpt")
    loaded = load_checkpoint(tmp_path / "a.ckpt", classifier)
    assert not any(module.training for module in loaded.modules())
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(loaded(images), trained.eval()(images), rtol=0, atol=0)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected a checkpoint at .*none\.ckpt, found none\. Name files"):
        load_checkpoint(tmp_path / "none.ckpt", classifier)


def test_a_folder_in_the_place_of_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected a checkpoint at"):
        load_checkpoint(tmp_path, classifier)


@pytest.mark.parametrize(
    "content",
    [b"", b"no checkpoint", b"PK\x03\x04 half an archive", b"\x80\x02.", b"\x80\x02X\x01"],
    ids=["empty", "text", "zip", "empty pickle", "half a pickle"],
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected a checkpoint or a file of weights, got .*broken\.ckpt"):
        load_checkpoint(path, classifier)


def test_half_a_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.ckpt"
    torch.save({"state_dict": classifier().state_dict()}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"Expected a checkpoint or a file of weights, got .*half\.ckpt"):
        load_checkpoint(path, classifier)


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], torch.zeros(3)], ids=["dict", "list", "tensor"])
def test_a_file_of_other_tensors_is_named(tmp_path: Path, content: dict[str, int] | list[int] | Tensor) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(
        ValueError, match=r"Expected a checkpoint, or a file of `network.state_dict\(\)`, got .*other\.pt"
    ):
        load_checkpoint(path, classifier)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, zipped: bool) -> None:
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"
    content = {"state_dict": Payload(trace)}
    if zipped:
        torch.save(content, path)
        assert zipfile.is_zipfile(path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ValueError, match=r"Expected a checkpoint or a file of weights, got .*evil\.ckpt"):
        load_checkpoint(path, classifier)
    assert not trace.exists()


@pytest.mark.parametrize(
    "state",
    [
        ImageClassifier(SmallResNet(num_classes=2, width=8)).state_dict(),
        SmallResNet(num_classes=2, width=4).state_dict(),
        {"network": "SmallResNet"},
    ],
    ids=["wider", "bare network", "text"],
)
def test_a_checkpoint_of_another_architecture_is_named(tmp_path: Path, state: object) -> None:
    path = tmp_path / "another.ckpt"
    torch.save({"state_dict": state}, path)
    message = r"Expected a checkpoint of the configured `model` \(ImageClassifier\), got .*another\.ckpt"
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path, classifier)
