"""Small data sets in the forms that configurations read."""

import pickle
from pathlib import Path

import numpy as np
from PIL import Image


def make_cifar10(root: Path, per_file: int) -> None:
    """Write batches in the official format."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = generator.integers(0, 256, (per_file, 3072), dtype=np.uint8)
        labels = (np.arange(per_file) % 10).tolist()
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": labels}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))


def make_folders(root: Path, num_classes: int) -> None:
    """Write a few images of every class."""
    generator = np.random.default_rng(0)
    for stage, count in (("train", 8), ("test", 2)):
        for name in (f"class{number}" for number in range(num_classes)):
            folder = root / stage / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")


def make_cells(root: Path) -> Path:
    """Write a table of a few images as that of `elpv-dataset`: no header, and columns apart by spaces."""
    generator = np.random.default_rng(0)
    (root / "images").mkdir()
    lines = []
    for number in range(100):
        name = f"images/cell{number:04d}.png"
        Image.fromarray(generator.integers(0, 256, (32, 32), dtype=np.uint8)).save(root / name)
        lines.append(f"{name}  {('0.0', '0.3333333333333333', '1.0')[number % 3]:20}{('mono', 'poly')[number % 2]}\n")
    (root / "labels.csv").write_text("".join(lines))
    return root / "labels.csv"
