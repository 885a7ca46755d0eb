"""The images and the models between which a trade-off is measured."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass, replace

import numpy as np
import torch
from lightning import LightningModule
from scipy.stats import binomtest
from torch import Tensor

from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.drawn_images import draw_images
from lightning_spx.evaluation.input_images import find_images, read_images
from lightning_spx.superpixels import Segmenter

# the setting of a segmenter that decides how many segments there are
SIZE_SETTINGS = ("n_segments", "markers")
CHANCE_LEVEL = 0.05


@dataclass(frozen=True)
class TradeoffImages:
    """The images that are explained.

    Args:
        name: of the data set, in tables.
        images: (N, 3, H, W) in [0, 1].
        index: (N,) numbers in the data set.
        label: (N,), or None for photos without labels.
        num_classes: of the labels; 0 without.
        fingerprint: differs when the images do.
    """

    name: str
    images: Tensor
    index: Tensor
    label: Tensor | None
    num_classes: int
    fingerprint: str


def images_of(
    data: ImageDataModule, photos: Sequence[str] | None, image_size: int, num_images: int, seed: int
) -> TradeoffImages:
    """Read photos if there are any, else draw from the data.

    Raises:
        FileNotFoundError: a photo is not there.
        ValueError: there are fewer images than `num_images`, or fewer than two.
    """
    if photos:
        paths = find_images(photos)
        if len(paths) < num_images:
            raise ValueError(f"Expected `num_images` to be at most {len(paths)}, the photos found, got {num_images}.")
        # spread over the list, which is often sorted by class
        chosen = [paths[number * len(paths) // num_images] for number in range(num_images)]
        found = read_images(chosen, image_size)
        digest = hashlib.sha256(found.images.numpy().tobytes()).hexdigest()
        name = found.paths[0].parent.name
        return TradeoffImages(name, found.images, torch.arange(len(found.images)), None, 0, digest)
    drawn = draw_images(data, num_images, seed)
    return TradeoffImages(data.name, drawn.images, drawn.index, drawn.label, data.num_classes, data.fingerprint())


def weights_hash(models: Mapping[str, LightningModule]) -> dict[str, str]:
    """Return a SHA-256 of each model's state: other weights under the same name are another study."""
    hashes = {}
    for name, model in models.items():
        digest = hashlib.sha256()
        for key, value in model.state_dict().items():
            digest.update(key.encode())
            if isinstance(value, Tensor):
                digest.update(np.ascontiguousarray(value.detach().cpu().float().numpy()).tobytes())
        hashes[name] = digest.hexdigest()
    return hashes


def sized(segmenters: Sequence[Segmenter], sizes: Sequence[int] | None) -> list[Segmenter]:
    """Return each segmenter once for every size; one whose number of segments is no setting stays as it is.

    Example:
        >>> from lightning_spx.superpixels import Felzenszwalb, Grid
        >>> [getattr(each, "n_segments", None) for each in sized([Grid(), Felzenszwalb()], [16, 64])]
        [16, 64, None]
    """
    found: list[Segmenter] = []
    for segmenter in segmenters:
        name = _size_setting(segmenter)
        found += [_resized(segmenter, name, size) for size in sizes] if sizes and name else [segmenter]
    return found


def _size_setting(segmenter: Segmenter) -> str:
    # a segmenter of the user's own need not be a dataclass
    settings: tuple[Field[object], ...] = fields(segmenter) if is_dataclass(segmenter) else ()
    return next((field.name for field in settings if field.name in SIZE_SETTINGS), "")


def _resized(segmenter: Segmenter, name: str, size: int) -> Segmenter:
    return replace(segmenter, **{name: size}) if is_dataclass(segmenter) else segmenter


def at_chance(preds: Tensor, label: Tensor, num_classes: int) -> bool:
    """Whether a model's accuracy could be that of guessing (one-sided binomial test at 5 %).

    Example:
        >>> at_chance(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]), 2)
        True
    """
    right = int((preds == label).sum())
    return bool(binomtest(right, len(label), 1 / num_classes, alternative="greater").pvalue > CHANCE_LEVEL)
