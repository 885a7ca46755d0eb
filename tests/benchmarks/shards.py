"""Memory of a study over its number of images: `python -m tests.benchmarks.shards [number ...]`.

Two untrained networks explain images that are made when they are read. Each number of images has a process of its own,
whose largest resident memory is printed beside that of the smallest study.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer
from torch import Tensor

from lightning_spx.attribution import Gradient
from lightning_spx.data import ImageDataModule
from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.evaluation import stability
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.superpixels import Grid

SIDE = 16
NUMBERS = (1_000, 10_000, 100_000)


class MadeImages(LabelledImages):
    """Coarse noise, a function of the image's number: nothing is kept."""

    def read(self, index: int) -> tuple[Tensor, None]:
        coarse = np.random.default_rng(index).random((3, SIDE // 4, SIDE // 4), dtype=np.float32)
        return torch.from_numpy(coarse.repeat(4, axis=1).repeat(4, axis=2)), None


class MadeDataModule(ImageDataModule):
    """Any number of made images in two classes."""

    def __init__(self, num_test: int) -> None:
        super().__init__(SIDE, 64, 0, "disjoint", 2, 0, 0, None, 0.0, False)
        self.num_test = num_test
        self.name = "Made"

    @property
    def class_names(self) -> list[str]:
        return ["even", "odd"]

    def load_pool(self) -> LabelledImages:
        return MadeImages(np.arange(8) % 2)

    def load_test(self) -> LabelledImages:
        return MadeImages(np.arange(self.num_test) % 2)

    def fingerprint(self) -> str:
        return f"made {self.num_test}"


def network() -> ImageClassifier:
    return ImageClassifier(SmallResNet(num_classes=2, width=4))


def run(num_images: int, connection: "multiprocessing.connection.Connection") -> None:
    """Run a study and send seconds and the process's largest resident memory in MiB."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number in range(2):
            torch.manual_seed(number)
            files.append(Path(folder) / f"{number}.ckpt")
            torch.save({"state_dict": network().state_dict()}, files[-1])
        stability(
            MadeDataModule(num_images),
            network,
            lambda: Trainer(accelerator="cpu", logger=False, enable_progress_bar=False),
            [Gradient()],
            [Grid(16)],
            ["after"],
            ["l2"],
            checkpoints=[str(file) for file in files],
            num_images=num_images,
            out=f"{folder}/run",
        )
        size = sum(path.stat().st_size for path in Path(folder, "run", "per_image").iterdir()) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    connection.send((time.perf_counter() - began, peak, size))


def main(numbers: list[int]) -> None:
    """Print one line for each number of images."""
    spawn = multiprocessing.get_context("spawn")
    first = 0.0
    for num_images in numbers:
        receiver, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=run, args=(num_images, sender))
        process.start()
        seconds, peak, size = receiver.recv()
        process.join()
        first = first or peak
        print(
            f"{num_images:7d} images: {seconds:7.1f} s, {1000 * seconds / num_images:6.2f} ms an image, "
            f"peak {peak:6.0f} MiB = {peak / first:.3f} of the first, {size:6.1f} MiB on disk",
            flush=True,
        )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(NUMBERS))
