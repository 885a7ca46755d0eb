"""Time of one evaluation of the callback: `python -m tests.benchmarks.evaluator [--other CHECKOUT] [--turns N]`.

Each turn is a fit of a few epochs of each network, in a child process, with one reference and `previous`; the
validations after the first are timed in the callback's own hooks, so neither training nor the sanity check counts. With
another checkout of the package the two take turns, and the ratio is the median over turns of this one's time over the
other's.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18

from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.models import SmallResNet
from lightning_spx.superpixels import Slic

EPOCHS = 4
HERE = Path(__file__).parents[2]


class Module(LightningModule):
    """A classifier that learns as little as possible."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


class Timed(SaliencyEvaluator):
    """The callback, with a note of the seconds that each validation takes in it."""

    seconds: list[float]

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_start(trainer, pl_module)
        self.spent = 0.0

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        began = time.perf_counter()
        super().on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)
        self.spent += time.perf_counter() - began

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        began = time.perf_counter()
        super().on_validation_epoch_end(trainer, pl_module)
        self.seconds.append(self.spent + time.perf_counter() - began)


# network, its averages, images and their pixels
CASES: dict[str, tuple[Callable[[], nn.Module], bool, int, int]] = {
    "SmallResNet, 64 images of 32 px": (partial(SmallResNet, num_classes=4), False, 64, 32),
    "resnet18, 16 images of 64 px": (partial(resnet18, num_classes=4), False, 16, 64),
    "resnet18, 16 images of 64 px, averaged weights": (partial(resnet18, num_classes=4), True, 16, 64),
}


def measure(case: str) -> float:
    """Return the median of the seconds of the evaluations after the first, which chooses and segments images."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    network, averaged, num_images, side = CASES[case]
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(num_images, 3, side // 4, side // 4, generator=draw)
    images = nn.functional.interpolate(coarse, size=side, mode="bilinear")
    data = DataLoader(TensorDataset(images, torch.arange(num_images) % 4), num_images)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(1)
        torch.save({"state_dict": Module(network()).state_dict()}, f"{folder}/other.ckpt")
        one = Timed(
            superpixels=[Slic(n_segments=50)],
            references=[f"{folder}/other.ckpt", "previous"],
            num_images=num_images,
            num_resamples=10,
            out=f"{folder}/out",
        )
        one.seconds = []
        callbacks: list[Callback] = [*[EMAWeightAveraging(decay=0.9)] * averaged, one]
        torch.manual_seed(0)
        Trainer(
            accelerator="cpu",
            max_epochs=EPOCHS,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_train_batches=1,
        ).fit(Module(network()), data, data)
    return statistics.median(one.seconds[-EPOCHS + 1 :])


def in_a_child(checkout: Path) -> dict[str, float]:
    """Measure every case with the package of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--measure"]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def main(other: Path | None, turns: int) -> None:
    """Print a line for each case."""
    own: list[dict[str, float]] = []
    others: list[dict[str, float]] = []
    for turn in range(turns):
        # who comes first changes, too
        for checkout in (HERE, other) if turn % 2 == 0 else (other, HERE):
            if checkout is not None:
                (own if checkout is HERE else others).append(in_a_child(checkout))
    for case in CASES:
        line = f"{case}: {1000 * statistics.median(turn[case] for turn in own):8.1f} ms"
        if others:
            ratio = statistics.median(one[case] / two[case] for one, two in zip(own, others, strict=True))
            line += f", the other {1000 * statistics.median(turn[case] for turn in others):8.1f} ms, ratio {ratio:.3f}"
        print(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--other", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps({case: measure(case) for case in CASES}))
    else:
        main(given.other, given.turns)
