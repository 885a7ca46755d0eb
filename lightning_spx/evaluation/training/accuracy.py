"""Measures the accuracy of a classifier on the test images of its data, and what guessing would give."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor, nn

# level of the test against guessing
CHANCE_LEVEL = 0.05


@dataclass(frozen=True)
class Accuracy:
    """How many labels a classifier gets right.

    Args:
        value: fraction of the labels that are right.
        chance: fraction that is right if the most common answer is always given.
        num_labels: number of labels: images, or images times findings as far as these are said.

    Example:
        >>> Accuracy(value=0.55, chance=0.5, num_labels=100).is_near_chance
        True
    """

    value: float
    chance: float
    num_labels: int

    @property
    def is_near_chance(self) -> bool:
        """Return whether the accuracy could come from giving the most common answer."""
        return could_be_guessed(round(self.value * self.num_labels), self.num_labels, self.chance)


def could_be_guessed(num_right: int, num_labels: int, chance: float) -> bool:
    """Return whether so many labels can be right by guessing (one-sided binomial test at 5 %).

    Args:
        num_right: number of labels that are right.
        num_labels: number of labels, 1 or more.
        chance: probability that a guess is right, in [0, 1].

    Example:
        >>> could_be_guessed(2, 4, 0.5), could_be_guessed(40, 40, 0.5)
        (True, False)
    """
    return bool(binomtest(num_right, num_labels, chance, alternative="greater").pvalue > CHANCE_LEVEL)


@torch.no_grad()
def accuracy(model: nn.Module, batches: Iterable[dict[str, Any]], device: torch.device) -> Accuracy:
    """Return the fraction of test labels that a classifier, in evaluation mode, gives.

    Of several findings each counts, as far as it is said to be present or absent, and is given by a positive logit.
    Chance is then that of giving each finding's own most common answer. Logits that are not finite are wrong.

    Args:
        model: maps images (n, C, H, W) to logits (n, K), or (n,) of a binary classifier with one output.
        batches: batches with `image` and `label`, classes (n,) or findings (n, K), as test loaders give them.
        device: the model's device.

    Raises:
        ValueError: the logits do not fit the labels, or no label is said.

    Example:
        >>> batch = {"image": torch.eye(2), "label": torch.tensor([0, 0])}
        >>> accuracy(nn.Identity(), [batch], torch.device("cpu"))
        Accuracy(value=0.5, chance=1.0, num_labels=2)
    """
    found, wanted = [], []
    for batch in batches:
        logits, label = model(batch["image"].to(device)).cpu(), batch["label"]
        if logits.ndim not in (1, 2) or (label.ndim == 2 and logits.shape != label.shape) or len(logits) != len(label):
            raise ValueError(
                f"Expected logits for labels of shape {tuple(label.shape)}, got {tuple(logits.shape)}: `head` says "
                "whether the labels are classes (single_label) or findings (multi_label)."
            )
        found.append(_answers(logits, label))
        wanted.append(label)
    preds, labels = torch.cat(found), torch.cat(wanted)
    said = ~labels.isnan() if labels.is_floating_point() else torch.ones_like(labels, dtype=torch.bool)
    total = int(said.sum())
    if not total:
        raise ValueError("Expected test images with labels, got none.")
    columns = [each.reshape(len(labels), -1).unbind(1) for each in (labels, said)]
    most_common = sum(_most_common(column[known]) for column, known in zip(*columns, strict=True))
    return Accuracy(int((preds == labels)[said].sum()) / total, most_common / total, total)


def _most_common(labels: Tensor) -> int:
    """Return how often the most common of some labels occurs."""
    return int((labels == labels.mode().values).sum()) if len(labels) else 0


def _answers(logits: Tensor, label: Tensor) -> Tensor:
    """Return predicted classes or findings, -1 where the logits are not finite."""
    if label.ndim == 2 or logits.ndim == 1:
        return (logits > 0).to(label.dtype).where(logits.isfinite(), -1)
    return logits.argmax(1).where(logits.isfinite().all(1), -1)
