"""Made images of any number of channels, as data and as files, and a tiny classifier of them."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_spx.data import ImageDataModule
from lightning_spx.data.labelled_images import ArrayImages, LabelledImages
from lightning_spx.models import ImageClassifier

SIDE = 16


class MadeImages(ImageDataModule):
    """Random images of two classes."""

    name = "made"

    def __init__(self, channels: int, num_train: int = 24, num_test: int = 8, num_parts: int = 2) -> None:
        super().__init__(SIDE, 8, 0, "disjoint", num_parts, 0, 0, None, 0.0, False)
        self.channels = channels
        self.counts = {"pool": num_train, "test": num_test}

    @property
    def class_names(self) -> list[str]:
        return ["zero", "one"]

    def arrays(self, kind: str) -> NDArray[np.uint8]:
        generator = np.random.default_rng(len(kind) + self.counts[kind])
        coarse = generator.integers(0, 256, (self.counts[kind], SIDE // 4, SIDE // 4, self.channels), dtype=np.uint8)
        large = coarse.repeat(4, 1).repeat(4, 2) // 2
        return large + generator.integers(0, 128, large.shape, dtype=np.uint8)

    def load_pool(self) -> LabelledImages:
        return ArrayImages(self.arrays("pool"), np.arange(self.counts["pool"]) % 2)

    def load_test(self) -> LabelledImages:
        return ArrayImages(self.arrays("test"), np.arange(self.counts["test"]) % 2)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.arrays("pool").tobytes() + self.arrays("test").tobytes()).hexdigest()


FINDINGS = ["wing", "tail"]


class Findings(MadeImages):
    """The same images with two findings each."""

    findings = FINDINGS

    def load_test(self) -> LabelledImages:
        pixels = self.arrays("test")
        return ArrayImages(pixels, np.tile(np.array([[0.0, 1.0], [1.0, 0.0]], np.float32), (len(pixels) // 2, 1)))


def network(channels: int, num_outputs: int = 2, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(64, num_outputs),
    )


def classifier(channels: int, seed: int = 0) -> ImageClassifier:
    return ImageClassifier(network(channels, seed=seed), mean=(0.5,), std=(0.25,))


def checkpoint(path: Path, module: nn.Module) -> str:
    torch.save(module.state_dict(), path)
    return str(path)


def images_and_labels(data: MadeImages, index: list[int]) -> tuple[Tensor, Tensor]:
    items = [data.test()[position] for position in index]
    return torch.stack([item["image"] for item in items]), torch.stack([item["label"] for item in items])


def band_files(folder: Path, count: int, channels: int) -> list[str]:
    """Write arrays (H, W, C) as files."""
    folder.mkdir(exist_ok=True)
    data = MadeImages(channels, num_test=count)
    for number, image in enumerate(data.arrays("test")):
        np.save(folder / f"{number}.npy", image)
    return [str(folder)]
