import functools
import math
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import StepLR
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, Dataset

from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.models import ImageClassifier, SmallResNet
from tests.processes import STRATEGY


class Shades(Dataset[dict[str, Tensor]]):
    """Dark images of class 0 and bright ones of class 1."""

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        noise = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(index))
        return {"image": 0.3 * noise + 0.6 * (index % 2), "label": torch.tensor(index % 2)}


def shades(batch_size: int = 8) -> DataLoader[dict[str, Tensor]]:
    return DataLoader(Shades(), batch_size)


def linear_network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))


def cpu_trainer(max_epochs: int = 2, precision: str = "32-true") -> Trainer:
    return Trainer(
        max_epochs=max_epochs,
        precision="bf16-mixed" if precision == "bf16-mixed" else "32-true",
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_learns_what_can_be_learnt(precision: str) -> None:
    seed_everything(0)
    classifier = ImageClassifier(SmallResNet(num_classes=2, width=4), functools.partial(SGD, lr=0.1))
    trainer = cpu_trainer(max_epochs=4, precision=precision)
    trainer.fit(classifier, shades(), shades())
    assert set(trainer.callback_metrics) == {"train/loss", "val/loss", "val/accuracy"}
    assert trainer.callback_metrics["val/accuracy"] == 1.0
    results = trainer.test(classifier, shades(), verbose=False)[0]
    assert set(results) == {"test/loss", "test/accuracy"}


def test_loss_and_accuracy_are_those_over_all_images_whatever_the_batches() -> None:
    classifier = ImageClassifier(linear_network())
    image = torch.stack([Shades()[index]["image"] for index in range(32)])
    label = torch.arange(32) % 2
    with torch.no_grad():
        logits = classifier(image)
    for batch_size in (1, 5, 32):
        results = cpu_trainer().test(classifier, shades(batch_size), verbose=False)[0]
        assert results["test/accuracy"] == pytest.approx((logits.argmax(1) == label).float().mean().item())
        assert results["test/loss"] == pytest.approx(nn.functional.cross_entropy(logits, label).item(), rel=1e-5)


def test_images_are_normalized_inside_the_model() -> None:
    network = linear_network()
    classifier = ImageClassifier(network, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    images = torch.rand(2, 3, 8, 8)
    mean, std = torch.tensor([0.1, 0.2, 0.3]).reshape(3, 1, 1), torch.tensor([0.5, 0.6, 0.7]).reshape(3, 1, 1)
    torch.testing.assert_close(classifier(images), network((images - mean) / std))


def test_a_batch_may_be_a_pair() -> None:
    sample = {"image": torch.rand(4, 3, 8, 8), "label": torch.tensor([0, 1, 0, 1])}
    classifier = ImageClassifier(linear_network())
    pair = (sample["image"], sample["label"])
    torch.testing.assert_close(classifier._step(sample), classifier._step(pair))
    assert torch.equal(classifier.predict_step(sample, 0)["logits"], classifier.predict_step(pair, 0)["logits"])


def test_prediction_returns_logits_and_needs_no_labels() -> None:
    class Unlabeled(Shades):
        def __getitem__(self, index: int) -> dict[str, Tensor]:
            return {"image": super().__getitem__(index)["image"]}

    classifier = ImageClassifier(linear_network()).eval()
    logits = cpu_trainer().predict(classifier, DataLoader(Unlabeled(), batch_size=5))
    assert logits is not None
    images = torch.stack([Unlabeled()[index]["image"] for index in range(32)])
    found = torch.cat([part["logits"] for part in logits if isinstance(part, dict)])
    torch.testing.assert_close(found, classifier(images))


def test_label_smoothing_is_that_of_torch() -> None:
    classifier = ImageClassifier(linear_network(), label_smoothing=0.2)
    image, label = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    expected = nn.functional.cross_entropy(classifier(image), label, label_smoothing=0.2)
    torch.testing.assert_close(classifier._step((image, label))[0], expected)


def test_the_default_schedule_covers_the_run_and_ends_at_zero() -> None:
    classifier = ImageClassifier(linear_network(), functools.partial(SGD, lr=0.5), warmup_fraction=0.25)
    trainer = cpu_trainer(max_epochs=2)
    rates: list[float] = []

    def record(optimizer: Optimizer, args: object, kwargs: object) -> None:
        rates.append(optimizer.param_groups[0]["lr"])

    handle = register_optimizer_step_pre_hook(record)
    try:
        trainer.fit(classifier, shades())
    finally:
        handle.remove()
    # 8 steps: two of warm-up, six of the cosine
    expected = [0.5 / 3, 1.0 / 3] + [0.25 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert rates == pytest.approx(expected)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.0)


def test_a_given_schedule_is_stepped_once_an_epoch() -> None:
    schedule = functools.partial(StepLR, step_size=1, gamma=0.1)
    classifier = ImageClassifier(linear_network(), functools.partial(SGD, lr=1.0), schedule)
    trainer = cpu_trainer(max_epochs=2)
    trainer.fit(classifier, shades())
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01)


def test_a_run_without_an_end_needs_a_schedule() -> None:
    with pytest.raises(ValueError, match="`max_epochs` or `max_steps` of the trainer to be set, or a `scheduler`"):
        cpu_trainer(max_epochs=-1).fit(ImageClassifier(linear_network()), shades())


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`warmup_fraction` to be in \[0, 1\), got 1.0"):
        ImageClassifier(linear_network(), warmup_fraction=1.0)
    with pytest.raises(ValueError, match=r"`label_smoothing` to be in \[0, 1\], got -0.1"):
        ImageClassifier(linear_network(), label_smoothing=-0.1)


def test_a_run_restarted_after_an_epoch_ends_where_the_uninterrupted_one_does(tmp_path: Path) -> None:
    def fit(folder: Path, ckpt_path: Path | None) -> ImageClassifier:
        seed_everything(3)
        classifier = ImageClassifier(SmallResNet(num_classes=2, width=4), functools.partial(SGD, lr=0.1, momentum=0.9))
        checkpoint = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1, monitor="train/loss")
        trainer = Trainer(
            max_epochs=3,
            accelerator="cpu",
            logger=False,
            callbacks=[checkpoint],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        data = SyntheticBirdsDataModule(num_train=48, num_test=6, num_classes=2, batch_size=4)
        trainer.fit(classifier, data, ckpt_path=ckpt_path)
        return classifier

    whole = fit(tmp_path / "whole", None)
    torch.rand(17)
    restarted = fit(tmp_path / "restarted", tmp_path / "whole" / "epoch=0.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, restarted.state_dict()[name]), name


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compilation_keeps_values_and_the_names_in_the_state() -> None:
    network = linear_network()
    plain, compiled = ImageClassifier(network), ImageClassifier(network, compile=True)
    expected = cpu_trainer().test(plain, shades(), verbose=False)
    torch._dynamo.reset()
    assert cpu_trainer().test(compiled, shades(), verbose=False)[0] == pytest.approx(expected[0], rel=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1
    assert list(compiled.state_dict()) == list(plain.state_dict())


def test_training_does_without_validation() -> None:
    data = SyntheticBirdsDataModule(num_train=24, num_test=6, num_classes=2, val_fraction=0.0)
    trainer = cpu_trainer(max_epochs=1)
    trainer.fit(ImageClassifier(SmallResNet(num_classes=2, width=4)), data)
    assert set(trainer.callback_metrics) == {"train/loss"}


def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    seed_everything(0)
    classifier = ImageClassifier(SmallResNet(num_classes=2, width=4), functools.partial(SGD, lr=0.1))
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=2,
        strategy=STRATEGY,
        logger=False,
        default_root_dir=tmp_path,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    before = classifier.state_dict()["network.head.weight"].clone()
    data = SyntheticBirdsDataModule(num_train=40, num_test=6, num_classes=2, batch_size=4, val_fraction=0.2)
    trainer.fit(classifier, data)
    assert not torch.equal(classifier.state_dict()["network.head.weight"], before)
    # the four validation images were shared between the processes, two each; now one process sees all
    alone = cpu_trainer().validate(classifier, data, verbose=False)[0]
    assert {name: float(trainer.callback_metrics[name]) for name in alone} == pytest.approx(alone, rel=1e-4)


def test_a_classifier_with_its_defaults_can_be_pickled() -> None:
    classifier = ImageClassifier(SmallResNet(width=4)).eval()
    images = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(pickle.loads(pickle.dumps(classifier))(images), classifier(images))
