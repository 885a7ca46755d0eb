"""Which images a study explains, and on which none or only some of its models were trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from lightning_spx.data import ImageDataModule, Split, load_splits, save_splits, stratified_draw
from lightning_spx.data.labelled_images import Sample
from lightning_spx.evaluation.maps import is_writer


@dataclass(frozen=True)
class DrawnImages:
    """The images that every model of a study explains.

    Args:
        images: (N, 3, H, W) in [0, 1].
        label: (N,).
        index: (N,) numbers in the test set, or under `folds` in the training pool.
        mask: (N, H, W) bool of the object, or None.
        source: says what the images were taken from, so that segments can be kept by their numbers; empty: not known.
    """

    images: Tensor
    label: Tensor
    index: Tensor
    mask: Tensor | None = None
    source: str = ""

    def held_out(self, split: Split, num_models: int) -> Tensor | None:
        """Which model did not train on which image, (M, N) bool; None where no model saw any of them."""
        if split.plan != "folds":
            return None
        index = self.index.numpy()
        folds = [np.isin(index, split.held_out_indices(part)) for part in range(num_models)]
        return torch.from_numpy(np.stack(folds))


def draw_images(data: ImageDataModule, num_images: int, seed: int) -> DrawnImages:
    """Draw the images to explain, class by class: of the test set, or under `folds` of the training pool.

    Raises:
        ValueError: there are fewer images, or an image is not in [0, 1].
    """
    kind, source = ("pool", data.pool()) if data.plan == "folds" else ("test", data.test())
    positions = stratified_draw(source.labels, num_images, seed).tolist()
    items = [source[position] for position in track(positions, "images", disable=not is_writer(), transient=True)]
    images, mask = stacked(items)
    label = torch.stack([item["label"] for item in items])
    name = f"{type(data).__name__} {data.fingerprint()} {kind}"
    return DrawnImages(images, label, torch.tensor(positions), mask, name)


def stacked(items: Sequence[Sample]) -> tuple[Tensor, Tensor | None]:
    """Stack the images of samples, and their masks where all have one.

    Raises:
        ValueError: an image is not in [0, 1].
    """
    images = torch.stack([item["image"] for item in items])
    if not (images.min() >= 0 and images.max() <= 1):  # a NaN is neither
        raise ValueError(
            f"Expected images in [0, 1], got {images.min():.3g} to {images.max():.3g}: normalise inside the model."
        )
    masks = [item["mask"] for item in items if "mask" in item]
    return images, torch.stack(masks) if len(masks) == len(items) else None


def keep_splits(path: Path, splits: list[Split], data: ImageDataModule) -> None:
    """Keep the splits of all repeats, or compare them with those that an earlier start has kept.

    Raises:
        ValueError: the file was edited, or holds other splits.
    """
    if path.exists():
        if load_splits(path, data.pool().labels) != splits:
            raise ValueError(f"Expected the splits in {path} to be those of these settings, got others.")
    elif is_writer():
        save_splits(splits, path)
