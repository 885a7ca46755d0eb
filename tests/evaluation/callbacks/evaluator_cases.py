"""A stranger's module and loaders, with nothing of this package in them, and the callback as most tests want it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.superpixels import Grid

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = 12
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


class Stranger(LightningModule):
    """A plain classifier of tuple batches, with all that training may disturb: batch statistics, dropout, in-place."""

    def __init__(self, channels: int = 3, num_classes: int = 3, dropout: float = 0.3) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(54, num_classes),
        )
        self.last_loss: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.last_loss = loss  # its graph lives on: the module cannot be copied
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]), sync_dist=True)

    def test_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        self.log("test_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)]


def pictures(num_images: int = 24, channels: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] with a bright square whose place tells the class, and their labels."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(num_images, channels, SIZE, SIZE, generator=draw) * 0.5
    labels = torch.arange(num_images) % 3
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, 4 * label : 4 * label + 4, 3:9] += 0.5
    return images, labels


def normalized(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def loader(num_images: int = 24, shuffle: bool = False, batch_size: int = 6, normalize: bool = True) -> DataLoader[Any]:
    images, labels = pictures(num_images)
    return DataLoader(TensorDataset(normalized(images) if normalize else images, labels), batch_size, shuffle=shuffle)


def fit(
    callbacks: Sequence[Callback],
    module: LightningModule | None = None,
    ckpt_path: str | None = None,
    settings: dict[str, Any] | None = None,
) -> tuple[LightningModule, Trainer]:
    """Train for two epochs, the same at every call."""
    seed_everything(0, verbose=False)
    module = module or Stranger()
    trainer = Trainer(
        **{**QUIET, "max_epochs": 2, "callbacks": list(callbacks), "log_every_n_steps": 1, **(settings or {})}
    )
    trainer.fit(module, loader(shuffle=True), loader(shuffle=True), ckpt_path=ckpt_path)
    return module, trainer


def reference(folder: Path, name: str = "other", module: LightningModule | None = None) -> str:
    """A checkpoint of another model of the same architecture."""
    seed_everything(7, verbose=False)
    module = module or Stranger()
    trainer = Trainer(**{**QUIET, "max_epochs": 0})
    trainer.strategy.connect(module)
    path = f"{folder}/{name}.ckpt"
    trainer.save_checkpoint(path)
    return path


def evaluator(**changes: object) -> SaliencyEvaluator:
    settings: dict[str, Any] = {"superpixels": [Grid(9)], "num_images": 12, "mean": MEAN, "std": STD, **changes}
    return SaliencyEvaluator(**settings)
