"""A study of three tiny networks on a few drawn birds: seconds from start to end."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient, SmoothGrad, saliency_map
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.data.splits import Plan
from lightning_spx.evaluation import stability
from lightning_spx.evaluation.maps.sampled_images import SampledImages
from lightning_spx.evaluation.training.study_plans import StudyPlan
from lightning_spx.metrics import saliency_ssim
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.runs.launch import Launcher
from lightning_spx.superpixels import Grid, Segmenter

NUM_IMAGES, BATCH_SIZE, NUM_MODELS = 10, 4, 3
PASSES_PER_MODEL = 3  # of 10 images, 4 at a time
PASSES: list[int] = []  # the seed of each call of the counted method


@dataclass(frozen=True)
class CountedGradient(Attribution):
    """The gradient, writing down each call; with a seed, as a random method has one."""

    seed: int = 0

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        PASSES.append(self.seed)
        return Gradient().attribute(model, inputs, target)


class TrainedOn(Callback):
    """Write down, model after model, the first weight before training and the images of every batch."""

    def __init__(self) -> None:
        self.weights: list[float] = []
        self.images: list[set[int]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.weights.append(next(pl_module.parameters()).flatten()[0].item())
        self.images.append(set())

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: dict[str, Tensor], batch_idx: int
    ) -> None:
        self.images[-1].update(batch["index"].tolist())


METHODS = (CountedGradient(), SmoothGrad(num_samples=2))


def birds(plan: Plan = "disjoint", num_parts: int = NUM_MODELS, data_seed: int = 0) -> SyntheticBirdsDataModule:
    return SyntheticBirdsDataModule(
        num_train=60, num_test=24, num_classes=2, data_seed=data_seed, batch_size=10, plan=plan, num_parts=num_parts
    )


def classifier() -> ImageClassifier:
    return ImageClassifier(SmallResNet(num_classes=2, width=4))


def quiet_trainer(callback: Callback | None = None) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=callback,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def study(
    out: Path,
    data: SyntheticBirdsDataModule | None = None,
    methods: Sequence[Attribution] = METHODS,
    superpixels: Sequence[Segmenter] = (Grid(16),),
    *,
    magnitudes: Sequence[Magnitude] = ("after", "before"),
    plans: Sequence[StudyPlan] = (),
    architectures: Sequence[ModelFactory] = (),
    checkpoints: Sequence[Path] = (),
    num_images: int = NUM_IMAGES,
    repeats: int = 1,
    target: Literal["label", "prediction"] = "label",
    noise: Literal["own", "shared"] = "own",
    ceiling: bool = False,
    batch_size: int = BATCH_SIZE,
    shard_size: int = 64,
    unit: str | None = None,
    launcher: Launcher = "local",
    callback: Callback | None = None,
) -> Path:
    def trainer() -> Trainer:
        # its name is the same whatever the callback, as a study that is taken up again compares its settings
        return quiet_trainer(callback)

    return stability(
        data or birds(),
        classifier,
        trainer,
        list(methods),
        list(superpixels),
        list(magnitudes),
        ["l2"],
        plans=list(plans) or None,
        architectures=list(architectures) or None,
        checkpoints=[str(path) for path in checkpoints] or None,
        num_images=num_images,
        repeats=repeats,
        target=target,
        noise=noise,
        ceiling=ceiling,
        num_resamples=50,
        batch_size=batch_size,
        shard_size=shard_size,
        unit=unit,
        launcher=launcher,
        out=str(out),
    )


def all_images(drawn: SampledImages) -> Tensor:
    return drawn.read(range(len(drawn)))[0]


def all_labels(drawn: SampledImages) -> Tensor:
    return drawn.labels(torch.arange(len(drawn)))


def results_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "results.csv")


def checkpoints_of(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("*.ckpt"))


def pixel_value(folder: Path, method: str, metric: str = "saliency_ssim", setting: str = "") -> float:
    results = results_of(folder).fillna({"setting": ""})
    rows = results.query(
        "method == @method and superpixels == 'pixel' and metric == @metric and setting == @setting and pair == 'all' "
        "and condition == 'all'"
    )
    return float(rows["value"].item())


def mean_ssim(maps: Sequence[Tensor]) -> float:
    pairs = [saliency_ssim(saliency_map(first), saliency_map(second)) for first, second in combinations(maps, 2)]
    return float(torch.cat(pairs).double().mean())
