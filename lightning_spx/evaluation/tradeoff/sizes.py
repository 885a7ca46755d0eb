"""Gives segmenters the sizes that a trade-off compares, and says whether a model is worth measuring."""

from collections.abc import Sequence
from dataclasses import Field, fields, is_dataclass, replace

from torch import Tensor

from lightning_spx.evaluation.training.accuracy import could_be_guessed
from lightning_spx.superpixels import ImagePooling

# settings of segmenters that decide how many segments there are
SIZE_SETTINGS = ("n_segments", "markers")


def sized(segmenters: Sequence[ImagePooling], sizes: Sequence[int] | None) -> list[ImagePooling]:
    """Return each segmenter once for every size; a segmenter without a setting for its size stays as it is.

    Example:
        >>> from lightning_spx.superpixels import Felzenszwalb, Grid
        >>> [getattr(each, "n_segments", None) for each in sized([Grid(), Felzenszwalb()], [16, 64])]
        [16, 64, None]
    """
    found: list[ImagePooling] = []
    for segmenter in segmenters:
        name = _size_setting(segmenter)
        found += [_resized(segmenter, name, size) for size in sizes] if sizes and name else [segmenter]
    return found


def _size_setting(segmenter: ImagePooling) -> str:
    # a user's own segmenter need not be a dataclass
    settings: tuple[Field[object], ...] = fields(segmenter) if is_dataclass(segmenter) else ()
    return next((field.name for field in settings if field.name in SIZE_SETTINGS), "")


def _resized(segmenter: ImagePooling, name: str, size: int) -> ImagePooling:
    return replace(segmenter, **{name: size}) if is_dataclass(segmenter) else segmenter


def at_chance(preds: Tensor, label: Tensor, num_classes: int) -> bool:
    """Return whether a model's accuracy could come from guessing (one-sided binomial test at 5 %).

    Example:
        >>> import torch
        >>> at_chance(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]), 2)
        True
    """
    return could_be_guessed(int((preds == label).sum()), len(label), 1 / num_classes)
