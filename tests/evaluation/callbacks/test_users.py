"""Three users with at most three lines for the callback, and the forms that their batches and modules have."""

from collections import UserDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import BatchFeature, ViTConfig, ViTForImageClassification
from transformers.utils.generic import ModelOutput

from lightning_spx.attribution import input_gradient, saliency_map
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.metrics import saliency_ssim
from lightning_spx.superpixels import Grid, ImagePooling, Slic, Watershed
from tests.evaluation.callbacks.evaluator_cases import QUIET

SIZE = 32


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


class Rows(Dataset[dict[str, Tensor]]):
    """Rows of tensors by their names."""

    def __init__(self, **columns: Tensor) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: column[index] for name, column in self.columns.items()}


def images(count: int = 8, channels: int = 3, size: int = SIZE) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def classes(count: int = 8) -> Tensor:
    return torch.arange(count) % 2


class Plain(LightningModule):
    """What the three users share: a step of training and no more."""

    steps = 0

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        raise NotImplementedError

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        self.steps += 1
        return self.loss(batch)

    def validation_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        self.log("loss", self.loss(batch))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.SGD(self.parameters(), lr=0.05)


class Timm(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.network = timm.create_model(
            "vit_tiny_patch16_224", img_size=SIZE, patch_size=8, depth=2, embed_dim=24, num_heads=2, num_classes=2
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(self(batch["image"]), batch["label"])


class Xray(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4)
        )

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        return {"findings": self.network(images)}

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(self(batch["img"])["findings"], batch["targets"])


def small_vit() -> ViTForImageClassification:
    config = ViTConfig(
        image_size=SIZE,
        patch_size=8,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return ViTForImageClassification(config)


class HuggingFace(Plain):
    """A model of Hugging Face, which says its loss and its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.network = small_vit()

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        loss: Tensor = self(**batch).loss
        return loss


class WholeBatch(HuggingFace):
    def forward(self, **batch: Tensor) -> ModelOutput:
        output: ModelOutput = self.network(**batch)
        return output


class NamedArguments(HuggingFace):
    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ModelOutput:
        output: ModelOutput = self.network(pixel_values=pixel_values, labels=labels)
        return output


class KeywordsOnly(HuggingFace):
    def forward(self, *, pixel_values: Tensor, labels: Tensor | None = None) -> ModelOutput:
        output: ModelOutput = self.network(pixel_values=pixel_values, labels=labels)
        return output


def fit(module: LightningModule, one: SaliencyEvaluator, data: DataLoader[Any]) -> Trainer:
    trainer = Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [one]})
    trainer.fit(module, data, data)
    return trainer


def test_a_user_of_timm() -> None:
    trainer = fit(Timm(), SaliencyEvaluator(), DataLoader(Rows(image=images(), label=classes()), 4))
    assert "val/saliency_ssim/S-Gradient/Slic/value" in trainer.callback_metrics


def test_a_user_of_one_channel_and_several_findings() -> None:
    findings = (torch.rand(8, 4, generator=torch.Generator().manual_seed(2)) > 0.4).float()
    evaluator = SaliencyEvaluator(
        head="multi_label", output="findings", findings=["edema", "mass", "nodule", "effusion"]
    )
    trainer = fit(Xray(), evaluator, DataLoader(Rows(img=images(channels=1), targets=findings), 4))
    assert {
        "val/saliency_ssim/Gradient/value",
        "val/saliency_ssim/Gradient/edema/value",
    } <= trainer.callback_metrics.keys()
    results = pd.read_csv("saliency/val_results.csv")
    assert results["setting"].astype(str).str.contains("finding=effusion").any()


def map_with(weights: Mapping[str, Tensor]) -> Tensor:
    network = small_vit()
    network.load_state_dict(weights)

    def logits(pixels: Tensor) -> Tensor:
        found: Tensor = network.train(False)(pixels).logits
        return found

    return saliency_map(input_gradient(logits, images(), classes()))


@pytest.mark.parametrize("kind", [WholeBatch, NamedArguments, KeywordsOnly])
def test_a_user_of_hugging_face(kind: Callable[[], HuggingFace]) -> None:
    module = kind()
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    keep = {}

    class Kept(SaliencyEvaluator):
        def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            super().on_validation_epoch_end(trainer, pl_module)
            keep[trainer.current_epoch] = {k: v.clone() for k, v in module.network.state_dict().items()}

    one = Kept()
    trainer = fit(module, one, DataLoader(Rows(pixel_values=images(), labels=classes()), 4))
    assert before.keys() == keep[1].keys()
    first, second = (map_with(keep[epoch]) for epoch in (0, 1))
    expected = saliency_ssim(first, second).mean().item()
    assert float(trainer.callback_metrics["val/saliency_ssim/Gradient/value"]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("to_rgb", [None, [7, 3, 0]])
def test_ten_bands_are_explained_and_shown(to_rgb: list[int] | None) -> None:
    class Bands(Timm):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(
                nn.Conv2d(10, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)
            )

    bands = images(channels=10)
    segmenters: list[ImagePooling] = [Slic(9), Grid(9), *[Watershed()] * (to_rgb is not None)]
    one = SaliencyEvaluator(to_rgb=to_rgb, superpixels=segmenters)
    trainer = fit(Bands(), one, DataLoader(Rows(image=bands, label=classes()), 4))
    assert "val/saliency_ssim/S-Gradient/Grid/value" in trainer.callback_metrics
    explained = one._pipeline.explained
    assert explained is not None
    seen = bands[:, to_rgb] if to_rgb else bands.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(explained.photos, seen)
    torch.testing.assert_close(explained.segments["Slic"], Slic(9)(bands))
    if to_rgb:
        torch.testing.assert_close(explained.segments["Watershed"], Watershed()(seen))
    assert Image.open("saliency/panels/val_epoch0001_Gradient.png").mode == "RGB"


@dataclass
class Sample:
    """A batch with the names of its parts."""

    inputs: Tensor
    y: Tensor


@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: {"images": x, "target": y},
        lambda x, y: UserDict({"x": x, "y": y}),
        lambda x, y: BatchFeature({"pixel_values": x, "labels": y}),
        lambda x, y: Sample(x, y),
        lambda x, y: {"image": x, "pixel_values": x, "label": y, "labels": y.clone()},
        lambda x, y: {"image": x, "x": torch.arange(len(x)), "label": y, "target": ["a", "b"]},
    ],
)
def test_usual_names_are_known(form: Callable[[Tensor, Tensor], object]) -> None:
    class First(Timm):
        def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
            return next(self.network.parameters()).sum()

    data = DataLoader(Rows(image=images(), label=classes()), 4, collate_fn=lambda rows: form(
        torch.stack([row["image"] for row in rows]), torch.stack([row["label"] for row in rows])))  # fmt: skip
    one = SaliencyEvaluator(superpixels=[Grid(9)])
    Trainer(**{**QUIET, "callbacks": [one]}).validate(First(), data, verbose=False)
    explained = one._pipeline.explained
    assert explained is not None
    torch.testing.assert_close(explained.images, images())
    assert torch.equal(explained.label, classes())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"image": images(), "pixel_values": images() / 2, "label": classes()},
            "one `image`, got both `image` and",
        ),
        (
            {"image": images(), "label": classes(), "labels": 1 - classes()},
            "one `label`, got both `label` and",
        ),
    ],
)
def test_two_parts_that_could_be_meant_are_refused_before_training(columns: dict[str, Tensor], message: str) -> None:
    module = Timm()
    with pytest.raises(ValueError, match=message) as error:
        fit(module, SaliencyEvaluator(), DataLoader(Rows(**columns), 4))
    assert "batch_to_images" in str(error.value)
    assert (module.steps, "\n" in str(error.value)) == (0, False)


def test_a_forward_of_keywords_reads_images_under_the_loaders_name() -> None:
    class OtherName(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.network = Timm().network

        def forward(self, **batch: Tensor) -> Tensor:
            # both names are usual, and one without images means nothing
            logits: Tensor = self.network(batch["img"] if "img" in batch else batch["image"] * 0)
            return logits

        def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
            return nn.functional.cross_entropy(self(**batch), batch["label"])

    one = SaliencyEvaluator(superpixels=[Grid(9)])
    module = OtherName()
    fit(module, one, DataLoader(Rows(img=images(), label=classes()), 4))
    previous = one._rounds.previous.outcome
    assert previous is not None
    assert bool(previous.maps.attributions["Gradient"].any())
