"""The images that are explained at every evaluation: chosen once, spread over the classes, shared by all processes."""

import hashlib
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from lightning_spx.evaluation.evaluator.batches import ADVICE, NamedBatch, describe
from lightning_spx.evaluation.maps import num_processes


@dataclass(frozen=True)
class ChosenImages:
    """The chosen images, on the CPU.

    Args:
        images: (N, C, H, W) as the model takes them.
        label: (N,) int64.
        mask: (N, H, W) bool, or None.
        num_other_sizes: images that were passed over because their size is not the first one's.
    """

    images: Tensor
    label: Tensor
    mask: Tensor | None
    num_other_sizes: int = 0


class ImageChooser:
    """Chooses images from a loader's batches while they pass: the first ones, evenly over the classes.

    A loader that is sorted by class would else give images of one class only. An image replaces the last one of the
    most frequent class for as long as that evens out the classes.

    Args:
        num_images: at most.

    Example:
        >>> chooser = ImageChooser(num_images=2)
        >>> chooser.add(NamedBatch(torch.rand(3, 3, 8, 8), torch.tensor([0, 0, 1]), None))
        >>> chooser.chosen().label.tolist()
        [0, 1]
    """

    def __init__(self, num_images: int) -> None:
        self.num_images = num_images
        self.num_other_sizes = 0
        self._shape: torch.Size | None = None
        # by place in the loader, which the order of insertion is not
        self._kept: dict[int, tuple[int, Tensor, Tensor | None]] = {}
        self._counts: Counter[int] = Counter()
        self._most = 0
        self._seen = 0

    def add(self, batch: NamedBatch) -> None:
        """Look at the next batch.

        Raises:
            ValueError: it has no labels.
        """
        if batch.label is None:
            raise ValueError(f"Expected a batch with labels, got images {describe(batch.images)} alone. {ADVICE}")
        if self._shape is None:
            self._shape = batch.images.shape[1:]
        if batch.images.shape[1:] != self._shape:
            self.num_other_sizes += len(batch.images)
            return
        accepted: dict[int, int] = {}
        for row, label in enumerate(batch.label.tolist()):
            place = self._seen + row
            if self._make_room(label, accepted):
                accepted[place] = row
                self._counts[label] += 1
                self._kept[place] = (label, batch.images[row], None)
        self._seen += len(batch.images)
        if accepted:
            rows = list(accepted.values())
            # one copy for the batch; a view of it would keep the loader's whole batch alive
            images = batch.images[rows].cpu()
            masks = None if batch.mask is None else batch.mask[rows].cpu()
            for position, place in enumerate(accepted):
                mask = None if masks is None else masks[position].clone()
                self._kept[place] = (self._kept[place][0], images[position].clone(), mask)

    def _make_room(self, label: int, accepted: dict[int, int]) -> bool:
        if len(self._kept) < self.num_images:
            self._most = max(self._most, self._counts[label] + 1)
            return True
        if self._counts[label] + 1 >= self._most:
            return False
        crowded = next(name for name, count in self._counts.items() if count == self._most)
        place = max(place for place, (own, *_) in self._kept.items() if own == crowded)
        del self._kept[place]
        accepted.pop(place, None)
        self._counts[crowded] -= 1
        self._most = max(self._counts.values())
        return True

    def chosen(self) -> ChosenImages | None:
        """Return what was chosen in the order of the loader, of all processes, each picture once; None for none.

        Every process must call this, and all get the same.
        """
        own = [self._kept[place] for place in sorted(self._kept)]
        shares = [(own, self.num_other_sizes)] * num_processes()
        if num_processes() > 1:
            # distributed samplers deal the images out in turns: taking turns again restores their order
            distributed.all_gather_object(shares, (own, self.num_other_sizes))
        longest = max(len(share) for share, _ in shares)
        dealt = [share[turn] for turn in range(longest) for share, _ in shares if turn < len(share)]
        others = sum(count for _, count in shares)
        alike = [entry for entry in dealt if entry[1].shape == dealt[0][1].shape]
        # a sampler that evens out the processes repeats images; so may a data set
        distinct: dict[str, tuple[int, Tensor, Tensor | None]] = {}
        for entry in alike:
            distinct.setdefault(_fingerprint(entry[1]), entry)
        if not distinct:
            return None
        labels, images, masks = zip(*distinct.values(), strict=True)
        present = [mask for mask in masks if mask is not None]
        return ChosenImages(
            torch.stack(images),
            torch.tensor(labels),
            torch.stack(present) if len(present) == len(images) else None,
            others + len(dealt) - len(alike),
        )


def _fingerprint(image: Tensor) -> str:
    return hashlib.sha256(image.float().contiguous().numpy().tobytes()).hexdigest()
