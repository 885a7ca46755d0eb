"""Lists what a study of several findings explains: items, each an image and a finding, a sigmoid by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.evaluation.maps.shards import Shard

Targets = Literal["present", "predicted"] | Sequence[str]
# stands for a label that is not said: no prediction equals it, so both models of a pair count as wrong
UNSAID = -1
ADVICE = "raise `shard_size` or `num_images`, or set `targets` to names of findings"


@dataclass(frozen=True)
class Items:
    """The items that models explain on some images.

    Args:
        image: (I,) int64, the position of each item's image, sorted.
        finding: (I,) int64, the number of each item's finding, sorted within an image.
        findings: names of the findings by number, of those that are not explained, too.
        explained: (M, I) bool, which models an item counts for; None if it counts for all.
    """

    image: Tensor
    finding: Tensor
    findings: tuple[str, ...]
    explained: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.image)

    @property
    def num_images(self) -> int:
        """Return the number of images that have items; with fewer than two, none can be mismatched."""
        return len(np.unique(self.image.numpy()))

    def of(self, values: Tensor) -> Tensor:
        """Return the items' entries (..., I) of values (..., N, K) for all images and findings."""
        return values[..., self.image, self.finding]

    def labels(self, label: Tensor) -> Tensor:
        """Return the items' labels, (I,) int64: 0, 1, or `UNSAID` for a NaN.

        Args:
            label: (N, K) float.
        """
        own = self.of(label)
        return own.nan_to_num(UNSAID).long()

    def mismatched(self, permutation: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each item the item of another image that its map is compared with for the null.

        It has the same finding, so that the null differs from the value in the image alone, as far as the images allow:
        it belongs to the first image along the permutation's cycle that has the finding as well. If every image has the
        finding, this is the permutation itself. A finding that only one of the images has takes the first item of the
        next image that has any: a study of classes also mismatches an image with one of another class.

        Args:
            permutation: (N,) a derangement of the images in one cycle.

        Raises:
            ValueError: fewer than two images have items.
        """
        has = np.zeros((len(permutation), len(self.findings)), bool)
        image, finding = self.image.numpy(), self.finding.numpy()
        has[image, finding] = True
        # items are sorted, so the number of an item is the number of entries before it
        number = np.cumsum(has).reshape(has.shape) - 1
        if self.num_images < 2:
            raise ValueError(
                "Expected at least 2 images of a shard to have a finding to explain, so that they can be mismatched, "
                f"got {self.num_images}: {ADVICE}."
            )
        any_finding = _next(permutation, has.max(1))
        other = np.empty(len(image), np.int64)
        for each in np.unique(finding):
            same = _next(permutation, has[:, each])
            for one, then in same.items():
                alone = one == then
                there = any_finding[one] if alone else then
                other[number[one, each]] = number[there, has[there].argmax() if alone else each]
        return other


def _next(permutation: NDArray[np.int64], chosen: NDArray[np.bool_]) -> dict[int, int]:
    """Return the next chosen image along the cycle of each chosen image; its own if there is no other."""
    images = np.flatnonzero(chosen)
    other = permutation[images]
    # ends, because at the latest an image comes to itself
    while not chosen[other].all():
        other = np.where(chosen[other], other, permutation[other])
    return dict(zip(images.tolist(), other.tolist(), strict=True))


def list_items(label: Tensor, preds: Tensor, findings: Sequence[str], targets: Targets) -> Items:
    """List the items that models explain, image by image.

    With `predicted`, an item is listed if any model predicts it, and counts for the models that do.

    Args:
        label: (N, K) float, 0 or 1, or NaN where a finding is not said.
        preds: (M, N, K) int64, 1 where a model predicts a finding.
        findings: names of the K findings.
        targets: `present` for the findings that an image has, `predicted` for those that a model predicts, or names of
            findings, which are explained on every image.

    Raises:
        ValueError: the targets are none of these, or the labels do not fit the findings.

    Example:
        >>> label = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> items = list_items(label, torch.zeros(2, 2, 2, dtype=torch.long), ["wing", "crest"], "present")
        >>> items.image.tolist(), items.finding.tolist()
        ([0, 1, 1], [0, 0, 1])
    """
    check_targets(targets, findings)
    check_labels(label, findings)
    if targets == "predicted":
        image, finding = preds.bool().any(0).nonzero(as_tuple=True)
        return Items(image, finding, tuple(findings), preds.bool()[:, image, finding])
    image, finding = _wanted(label, findings, targets).nonzero(as_tuple=True)
    return Items(image, finding, tuple(findings))


def _wanted(label: Tensor, findings: Sequence[str], targets: Targets) -> Tensor:
    if targets == "present":
        return label == 1
    wanted = torch.zeros(label.shape, dtype=torch.bool)
    wanted[:, [list(findings).index(name) for name in targets]] = True
    return wanted


def check_targets(targets: Targets, findings: Sequence[str]) -> None:
    """Raise unless targets can be explained by models of some findings.

    Args:
        targets: as for `list_items`.
        findings: names of the findings.

    Raises:
        ValueError: a name is unknown, empty or given twice, or there is none.

    Example:
        >>> check_targets(["crest"], ["wing", "tail"])
        Traceback (most recent call last):
        ...
        ValueError: Expected `targets` to be present, predicted or a list of findings among wing, tail, got ['crest'].
    """
    if not findings or not all(findings) or len(set(findings)) < len(findings):
        raise ValueError(f"Expected `findings` to be different names, at least one, got {list(findings)}.")
    if isinstance(targets, str):
        fits = targets in ("present", "predicted")
    else:
        fits = bool(targets) and set(targets) <= set(findings) and len(set(targets)) == len(targets)
    if not fits:
        raise ValueError(
            f"Expected `targets` to be present, predicted or a list of findings among {', '.join(findings)}, "
            f"got {targets if isinstance(targets, str) else list(targets)}."
        )


def check_labels(label: Tensor, findings: Sequence[str]) -> None:
    """Raise unless labels say of each finding whether an image has it.

    Args:
        label: (N, K) float, 0 or 1, or NaN where a finding is not said.
        findings: names of the K findings.

    Raises:
        ValueError: the labels have another shape or hold another number.

    Example:
        >>> check_labels(torch.tensor([[2.0]]), ["wing"])
        Traceback (most recent call last):
        ...
        ValueError: Expected labels of findings to be 0, 1 or NaN, got 2.
    """
    if label.ndim != 2 or label.shape[1] != len(findings):
        shape = f"(N, {len(findings)})"
        raise ValueError(f"Expected labels of shape {shape}, one for each finding, got {tuple(label.shape)}.")
    other = label[~((label == 0) | (label == 1) | label.isnan())]
    if len(other):
        raise ValueError(f"Expected labels of findings to be 0, 1 or NaN, got {float(other[0]):g}.")


def check_items(label: Tensor, shards: Sequence[Shard], findings: Sequence[str], targets: Targets) -> None:
    """Raise before a study begins if its labels leave a shard without items to mismatch.

    Which findings models predict is known only later, so `predicted` is not checked here.

    Args:
        label: (N, K) float, the labels of the study's images.
        shards: the shards of these images.
        findings: names of the K findings.
        targets: as for `list_items`.

    Raises:
        ValueError: targets, labels and findings do not fit, or fewer than two images of a shard have items.
    """
    check_targets(targets, findings)
    check_labels(label, findings)
    if targets == "predicted":
        return
    having = _wanted(label, findings, targets).any(1).numpy()
    for shard in shards:
        count = int(having[shard.positions].sum())
        if count < 2:
            raise ValueError(
                f"Expected at least 2 images of shard {shard.number} to have a finding to explain, so that they can be "
                f"mismatched, got {count} of {len(shard.positions)}: {ADVICE}."
            )
