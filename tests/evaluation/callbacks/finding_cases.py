"""A plain module of several findings, its loader, and the callback as most tests of findings want it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_spx.evaluation import SaliencyEvaluator
from tests.evaluation.callbacks.evaluator_cases import QUIET, SIZE, evaluator

FINDINGS = ["wing", "crest", "beak/bill"]


class Several(LightningModule):
    """A plain module of K findings, or of one number."""

    def __init__(self, num_findings: int = 3, channels: int = 1, flat: bool = False) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(54, num_findings),
            *([nn.Flatten(0)] if flat else []),
        )
        self.steps = 0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        self.steps += 1
        logits = self(batch[0])
        known = ~batch[1].isnan() if batch[1].is_floating_point() else torch.ones_like(batch[1], dtype=torch.bool)
        target = batch[1].float().nan_to_num(0).reshape(logits.shape)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return loss[known.reshape(logits.shape)].mean()

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        pass

    def test_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        pass

    def predict_step(self, batch: Sequence[Tensor], batch_idx: int) -> dict[str, Tensor]:
        return {"logits": self(batch[0])}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.SGD(self.parameters(), lr=0.5)


def pictures(num_images: int = 18, num_findings: int = 3, channels: int = 1) -> tuple[Tensor, Tensor]:
    """Images with a bright band for each finding; every third image lacks each finding in turn, and one is not said."""
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(num_images, channels, SIZE, SIZE, generator=draw) * 0.5
    label = (torch.rand(num_images, num_findings, generator=draw) > 0.5).float()
    for image, row in zip(images, label, strict=True):
        for number in row.nonzero().flatten().tolist():
            image[:, 4 * (number % 3) : 4 * (number % 3) + 4, 3:9] += 0.5
    return images, label


def loader(label: Tensor | None = None, images: Tensor | None = None) -> DataLoader[Any]:
    known = pictures()
    return DataLoader(
        TensorDataset(known[0] if images is None else images, known[1] if label is None else label), batch_size=6
    )


def plain(**settings: object) -> SaliencyEvaluator:
    few = {"mean": None, "std": None, "head": "multi_label", "num_images": 10, "num_resamples": 20, "out": "results"}
    return evaluator(**{**few, **settings})


def checkpoint(path: Path, module: LightningModule) -> str:
    trainer = Trainer(**{**QUIET, "max_epochs": 0})
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)
    return str(path)


def validate(one: SaliencyEvaluator, module: LightningModule, data: DataLoader[Any]) -> dict[str, float]:
    logged = Trainer(**{**QUIET, "callbacks": [one]}).validate(module, data, verbose=False)[0]
    return {name: float(value) for name, value in logged.items()}
