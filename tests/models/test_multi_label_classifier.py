"""Classifiers of several findings, of one output, and of other channels and outputs."""

import functools
import warnings
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset
from transformers import ViTConfig, ViTForImageClassification

from lightning_spx.cli import main
from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.models.image_model import Head
from tests.models.ranking import average_precision, pairs_in_order
from tests.models.test_classifier import cpu_trainer
from tests.processes import STRATEGY

Batch = tuple[Tensor, ...]


def loader(image: Tensor, label: Tensor, batch_size: int = 8) -> DataLoader[Batch]:
    return DataLoader(TensorDataset(image, label), batch_size)


def spots(num_images: int = 32, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Images whose four quarters are bright or not, each a finding; some are not said."""
    generator = torch.Generator().manual_seed(0)
    label = (torch.rand(num_images, 4, generator=generator) < 0.5).float()
    image = label.view(-1, 1, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3).expand(-1, channels, -1, -1)
    image = 0.5 * image + 0.5 * torch.rand(num_images, channels, 8, 8, generator=generator)
    label[torch.rand(label.shape, generator=generator) < 0.2] = torch.nan
    return image, label


def linear(channels: int = 3, outputs: int = 4) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, outputs))


class Named(LightningDataModule):
    """Batches with names of findings."""

    findings = ("left/top", "right/top", "left", "right")

    def __init__(self, label: Tensor | None = None) -> None:
        super().__init__()
        self.image, own = spots()
        self.label = own if label is None else label

    def train_dataloader(self) -> DataLoader[Batch]:
        return loader(self.image, self.label)

    val_dataloader = train_dataloader


def test_findings_are_learnt_and_logged_by_name() -> None:
    seed_everything(0)
    classifier = ImageClassifier(linear(), functools.partial(SGD, lr=0.05), head="multi_label")
    trainer = cpu_trainer(max_epochs=6)
    trainer.fit(classifier, datamodule=Named())
    names = ["left-top", "right-top", "left", "right"]
    measures = [f"val/{measure}/{name}" for measure in ("auroc", "average_precision") for name in names]
    assert set(trainer.callback_metrics) == {"train/loss", "val/loss", "val/auroc", *measures}
    assert trainer.callback_metrics["val/auroc"] > 0.95


@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_logged_values_are_those_over_all_images_whatever_the_batches(batch_size: int) -> None:
    image, label = spots()
    label[:, 3] = torch.where(label[:, 3].isnan(), torch.nan, 0.0)
    label[:5] = torch.nan
    classifier = ImageClassifier(linear(), head="multi_label")
    with torch.no_grad():
        logits = classifier(image)
    with pytest.warns(UserWarning, match="finding 3: present in all images of test or in none"):
        results = cpu_trainer().test(classifier, loader(image, label, batch_size), verbose=False)[0]
    said = ~label.isnan()
    expected = nn.functional.binary_cross_entropy_with_logits(logits[said], label[said])
    assert results["test/loss"] == pytest.approx(expected.item(), rel=1e-5)
    areas = []
    for finding in range(3):
        pair = label[said[:, finding], finding].tolist(), logits[said[:, finding], finding].tolist()
        areas.append(pairs_in_order(*pair))
        assert results[f"test/auroc/finding {finding}"] == pytest.approx(areas[-1], abs=1e-6)
        precision = results[f"test/average_precision/finding {finding}"]
        assert precision == pytest.approx(average_precision(*pair), abs=1e-6)
    assert results["test/auroc"] == pytest.approx(sum(areas) / 3, abs=1e-6)
    assert results["test/auroc/finding 3"] != results["test/auroc/finding 3"]


def test_one_finding_has_the_loss_of_a_binary_classifier() -> None:
    image, label = spots()
    label = label[:, :1].nan_to_num(0.0)
    network = linear(outputs=1)
    found = cpu_trainer().test(ImageClassifier(network, head="multi_label"), loader(image, label), verbose=False)[0]
    classes = loader(image, label[:, 0].long())
    binary = cpu_trainer().test(ImageClassifier(network), classes, verbose=False)[0]
    assert found["test/loss"] == pytest.approx(binary["test/loss"])
    assert found["test/auroc"] == found["test/auroc/finding 0"]


@pytest.mark.parametrize("flat", [True, False])
def test_a_network_with_one_output_learns_two_classes(flat: bool) -> None:
    seed_everything(0)
    image, findings = spots()
    label = findings[:, 0].nan_to_num(0.0).long()
    network = nn.Sequential(linear(outputs=1), nn.Flatten(0) if flat else nn.Identity())
    classifier = ImageClassifier(network, functools.partial(SGD, lr=0.05))
    trainer = cpu_trainer(max_epochs=6)
    trainer.fit(classifier, loader(image, label), loader(image, label))
    with torch.no_grad():
        logits = classifier(image)
    assert logits.shape == (32,)
    right = ((logits > 0) == label.bool()).float().mean().item()
    assert trainer.callback_metrics["val/accuracy"].item() == pytest.approx(right)
    assert right > 0.8
    assert 0 < trainer.callback_metrics["val/loss"] < 0.6


class Answer(nn.Module):
    """Returns a mapping and takes images by keyword."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = linear(channels)

    def forward(self, *, pixel_values: Tensor) -> dict[str, Tensor]:
        return {"features": pixel_values, "logits": self.inner(pixel_values)}


@pytest.mark.parametrize("length", [1, None])
@pytest.mark.parametrize("channels", [1, 10])
@pytest.mark.parametrize("build", [linear, Answer])
def test_other_channels_and_outputs_train(build: type[Answer], channels: int, length: int | None) -> None:
    image, label = spots(channels=channels)
    mean = (0.5,) * (length or channels)
    classifier = ImageClassifier(build(channels), mean=mean, std=mean, head="multi_label")
    before = [each.clone() for each in classifier.parameters()]
    trainer = cpu_trainer(max_epochs=1)
    trainer.fit(classifier, loader(image, label), loader(image, label))
    assert all(not torch.equal(*pair) for pair in zip(before, classifier.parameters(), strict=True))
    assert "val/auroc" in trainer.callback_metrics


def test_a_hugging_face_network_trains() -> None:
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4
    )
    config.num_labels = 4
    image, label = spots()
    classifier = ImageClassifier(ViTForImageClassification(config), head="multi_label", mean=(0.5,) * 3, std=(0.5,) * 3)
    trainer = cpu_trainer(max_epochs=1)
    trainer.fit(classifier, loader(image, label), loader(image, label))
    assert trainer.callback_metrics["val/loss"] > 0


@pytest.mark.parametrize(
    ("network", "head", "label", "message"),
    [
        (linear(), "multi_label", torch.zeros(8, dtype=torch.int64), "set `head` to single_label for classes"),
        (linear(outputs=3), "multi_label", torch.zeros(8, 4), "give the network 4 outputs"),
        (linear(), "multi_label", torch.full((8, 4), 0.5), r"to be 0, 1 or NaN, got 0\.5"),
        (linear(), "single_label", torch.zeros(8, 4), "set `head` to multi_label for several findings"),
        (linear(channels=10), "single_label", torch.zeros(8, dtype=torch.int64), "one for each channel of the images"),
        (nn.Conv2d(3, 4, 1), "multi_label", torch.zeros(8, 4), r"one logit for each finding, \(N, K\)"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(
    network: nn.Module, head: Head, label: Tensor, message: str
) -> None:
    image = torch.rand(8, 10 if message.startswith("one for each channel") else 3, 8, 8)
    for validation in (loader(image, label), None):
        classifier = ImageClassifier(network, head=head)
        trainer = cpu_trainer()
        with pytest.raises(ValueError, match=message):
            trainer.fit(classifier, loader(image, label), validation)
        assert trainer.global_step == 0


def test_names_that_do_not_fit_are_refused_before_training() -> None:
    trainer = cpu_trainer()
    with pytest.raises(ValueError, match="4 outputs, one for each of the data's findings, got 3"):
        trainer.fit(ImageClassifier(linear(outputs=3), head="multi_label"), datamodule=Named(torch.zeros(32, 3)))
    assert trainer.global_step == 0


def test_a_scalar_head_is_refused() -> None:
    with pytest.raises(ValueError, match="`head` of a classifier to be single_label or multi_label, got 'scalar'"):
        ImageClassifier(linear(), head="scalar")


def test_a_checkpoint_of_python_code_keeps_its_head(tmp_path: Path) -> None:
    classifier = ImageClassifier(linear(), functools.partial(SGD, lr=0.1), head="multi_label").eval()
    trainer = cpu_trainer(max_epochs=1)
    trainer.fit(classifier, loader(*spots()))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = ImageClassifier.load_from_checkpoint(tmp_path / "a.ckpt", network=linear()).eval()
    assert loaded.head == "multi_label"
    torch.testing.assert_close(loaded(spots()[0]), classifier.eval()(spots()[0]))


def test_a_checkpoint_of_the_command_line_loads_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])
    data = ["--data=SyntheticBirdsDataModule", "--data.attributes=true", "--data.num_train=40", "--data.num_test=12"]
    model = ["--model=ImageClassifier", "--model.network=SmallResNet", "--model.network.num_classes=3"]
    model += ["--model.network.width=4", "--model.head=multi_label"]
    quiet = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.logger=false"]
    main(["fit", *data, *model, *quiet, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"])
    (path,) = tmp_path.rglob("*.ckpt")
    loaded = ImageClassifier.load_from_checkpoint(path)
    assert (loaded.head, loaded(torch.rand(2, 3, 32, 32)).shape) == ("multi_label", (2, 3))
    main(["test", *data, *model, *quiet, f"--ckpt_path={path}"])


def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    seed_everything(0)
    classifier = ImageClassifier(
        SmallResNet(num_classes=3, width=4), functools.partial(SGD, lr=0.1), head="multi_label"
    )
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
    data = SyntheticBirdsDataModule(num_train=80, num_test=6, attributes=True, batch_size=4, val_fraction=0.4)
    trainer.fit(classifier, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = cpu_trainer().validate(classifier, data, verbose=False)[0]
    found = {name: float(trainer.callback_metrics[name]) for name in alone}
    assert found == pytest.approx(alone, rel=1e-4, nan_ok=True)
