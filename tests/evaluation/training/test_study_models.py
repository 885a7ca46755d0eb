"""Which models a study has, and which files it takes for their checkpoints."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.data.splits import Plan
from lightning_spx.evaluation.training.study_models import list_study_models
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.models.checkpoint_file import load_checkpoint


def birds(plan: Plan = "disjoint", num_parts: int = 2) -> SyntheticBirdsDataModule:
    return SyntheticBirdsDataModule(num_train=12, num_test=4, num_classes=2, plan=plan, num_parts=num_parts)


def classifier() -> ImageClassifier:
    return ImageClassifier(SmallResNet(num_classes=2, width=4))


def test_models_count_up_part_by_part_and_repeat_by_repeat() -> None:
    models = list_study_models(birds(num_parts=3), 2, None)
    assert [(model.repeat, model.part, model.number) for model in models] == [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 2),
        (1, 0, 3),
        (1, 1, 4),
        (1, 2, 5),
    ]
    assert [model.name for model in models[2:4]] == ["repeat0-model2", "repeat1-model0"]
    assert all(model.checkpoint is None for model in models)


def test_checkpoints_are_taken_in_order() -> None:
    models = list_study_models(birds(), 2, ["a", "b", "c", "d"])
    assert [(model.repeat, model.part, str(model.checkpoint)) for model in models] == [
        (0, 0, "a"),
        (0, 1, "b"),
        (1, 0, "c"),
        (1, 1, "d"),
    ]


def test_without_parts_there_are_as_many_models_as_checkpoints() -> None:
    models = list_study_models(birds("all"), 1, ["a", "b", "c"])
    assert [model.part for model in models] == [0, 1, 2]


def test_models_trained_on_the_same_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`data.plan` to be 'disjoint' or 'folds' unless .*, got 'all'"):
        list_study_models(birds("all"), 1, None)


def test_a_single_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected at least 2 models to compare .*, got 1"):
        list_study_models(birds(num_parts=1), 1, None)
    with pytest.raises(ValueError, match=r"Expected at least 2 models to compare .*, got 1"):
        list_study_models(birds("all"), 1, ["a"])


@pytest.mark.parametrize("count", [1, 3, 5])
def test_another_number_of_checkpoints_than_models_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"`checkpoints` to name 2 models for each of 2 repeats, got {count}"):
        list_study_models(birds(), 2, ["a"] * count)


def test_checkpoints_that_the_repeats_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="`checkpoints` to name 2 models for each of 2 repeats, got 5"):
        list_study_models(birds("all"), 2, ["a"] * 5)


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
    with pytest.raises(ValueError, match=r"Expected a Lightning checkpoint with a `state_dict`, got .*broken\.ckpt"):
        load_checkpoint(path, classifier)


def test_half_a_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.ckpt"
    torch.save({"state_dict": classifier().state_dict()}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"Expected a Lightning checkpoint .*, got .*half\.ckpt"):
        load_checkpoint(path, classifier)


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], torch.zeros(3)], ids=["dict", "list", "tensor"])
def test_a_file_of_other_tensors_is_named(tmp_path: Path, content: dict[str, int] | list[int] | Tensor) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"Expected a Lightning checkpoint with a `state_dict`, got .*other\.pt"):
        load_checkpoint(path, classifier)


class Payload:
    """What a malicious file holds: reading it makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, zipped: bool) -> None:
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"
    content = {"state_dict": Payload(str(trace))}
    if zipped:
        torch.save(content, path)
        assert zipfile.is_zipfile(path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ValueError, match=r"Expected a Lightning checkpoint with a `state_dict`, got .*evil\.ckpt"):
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
