"""Chooses the images that every evaluation explains: once, spread over the classes, the same on all processes."""

import hashlib
from bisect import insort
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from lightning_spx.evaluation.callbacks.named_batch import ADVICE, NamedBatch, describe
from lightning_spx.runs.processes import num_processes


@dataclass(frozen=True)
class ChosenImages:
    """The chosen images, on the CPU.

    Args:
        images: (N, C, H, W) as the model takes them.
        label: (N,) int64, or (N, K) float32 for several findings.
        mask: (N, H, W) bool; None unless all images have one.
        num_other_sizes: number of images that were skipped because their size differs from the first one's.
    """

    images: Tensor
    label: Tensor
    mask: Tensor | None
    num_other_sizes: int = 0


class EvenPlaces:
    """Chooses places in a stream of labels evenly over the classes: the first of every class before any second one.

    The choice is the same as if the whole stream were known, and the same if it is made again from the choices of
    several shares of the stream.

    Args:
        num_places: number of places to choose at most.

    Example:
        >>> even = EvenPlaces(num_places=3)
        >>> [even.offer(label, place) for place, label in enumerate([7, 7, 7, 5, 5])], even.places()
        ([True, True, True, True, False], [0, 1, 3])
    """

    def __init__(self, num_places: int) -> None:
        self.num_places = num_places
        self._occurrences: Counter[Hashable] = Counter()
        self._ranks: list[tuple[int, int]] = []  # (how many of its class came first, place), sorted

    def offer(self, label: Hashable, place: int) -> bool:
        """Look at the next label; return whether its place is chosen for now, perhaps instead of another.

        Args:
            label: class, or set of findings.
            place: position in the stream, larger than all before.
        """
        rank = (self._occurrences[label], place)
        self._occurrences[label] += 1
        if len(self._ranks) == self.num_places and rank > self._ranks[-1]:
            return False
        insort(self._ranks, rank)
        del self._ranks[self.num_places :]
        return True

    def places(self) -> list[int]:
        """Return the places chosen so far, in order."""
        return sorted(place for _, place in self._ranks)


@dataclass(frozen=True)
class _Candidate:
    """An image on the CPU, (C, H, W), in memory of its own."""

    place: int
    group: Hashable
    label: Tensor
    image: Tensor
    mask: Tensor | None


class ImageChooser:
    """Chooses images from a loader's batches while they pass: the first ones, evenly over the classes.

    Images with several findings are chosen evenly over the sets of findings that images have.

    Without regard to classes, a loader that is sorted by class would give images of one class. The choice depends
    neither on the batch size nor, under Lightning's distributed sampler, on the number of processes. The chooser holds
    `num_images` images in memory.

    Args:
        num_images: number of images to choose at most.

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
        self._even = EvenPlaces(num_images)
        self._candidates: dict[int, _Candidate] = {}  # by place
        self._num_seen = 0

    def add(self, batch: NamedBatch) -> None:
        """Look at the next batch.

        Raises:
            ValueError: the batch has no labels.
        """
        if batch.label is None:
            raise ValueError(f"Expected a batch with labels, got images {describe(batch.images)} alone. {ADVICE}")
        start = self._num_seen
        self._num_seen += len(batch.images)
        if self._shape is None:
            self._shape = batch.images.shape[1:]
        if batch.images.shape[1:] != self._shape:
            self.num_other_sizes += len(batch.images)
            return
        groups, labels = _groups(batch.label), batch.label.tolist()
        offered = [self._even.offer(group, start + row) for row, group in enumerate(groups)]
        if not any(offered):
            return
        places = self._even.places()
        for place in self._candidates.keys() - set(places):
            del self._candidates[place]
        rows = [place - start for place in places if place >= start]
        # one transfer for the batch, then a copy of each image, because a view would keep the whole batch in memory
        images = batch.images[rows].cpu()
        masks = None if batch.mask is None else batch.mask[rows].cpu()
        for position, row in enumerate(rows):
            mask = None if masks is None else masks[position].clone()
            candidate = _Candidate(
                start + row,
                groups[row],
                torch.tensor(labels[row], dtype=batch.label.dtype),
                images[position].clone(),
                mask,
            )
            self._candidates[candidate.place] = candidate

    def chosen(self) -> ChosenImages | None:
        """Return the images chosen by all processes, in the order of the loader and without repetitions.

        Every process must call this, and all get the same images; None if there are none.
        """
        own = ([self._candidates[place] for place in sorted(self._candidates)], self.num_other_sizes)
        shares = [own] * num_processes()
        if len(shares) > 1:
            distributed.all_gather_object(shares, own)
        # Distributed samplers give images to the processes in turns, so equal places are of the same turn; a stable
        # sort keeps the processes in order.
        candidates = sorted((each for share, _ in shares for each in share), key=lambda each: each.place)
        alike = [each for each in candidates if each.image.shape == candidates[0].image.shape]
        distinct = _each_once(alike)
        if not distinct:
            return None
        even = EvenPlaces(self.num_images)
        for position, candidate in enumerate(distinct):
            even.offer(candidate.group, position)
        final = [distinct[position] for position in even.places()]
        masks = [each.mask for each in final if each.mask is not None]
        return ChosenImages(
            torch.stack([each.image for each in final]),
            torch.stack([each.label for each in final]),
            torch.stack(masks) if len(masks) == len(final) else None,
            sum(num_other_sizes for _, num_other_sizes in shares) + len(candidates) - len(alike),
        )


def _groups(label: Tensor) -> list[Hashable]:
    """Return what images are spread over: the class of each, or the set of findings that it has."""
    if label.ndim == 1:
        return list(label.tolist())
    return [tuple(row.nonzero().flatten().tolist()) for row in (label == 1).cpu()]


def _each_once(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Drop repeated pictures; a sampler repeats some to give all processes equally many, and so may a data set."""
    distinct: dict[bytes, _Candidate] = {}
    for candidate in candidates:
        pixels = candidate.image.float().contiguous().numpy()  # NumPy has no bfloat16
        distinct.setdefault(hashlib.sha256(pixels.data).digest(), candidate)
    return list(distinct.values())
