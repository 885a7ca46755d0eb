"""Removes pixels of photos by many maps for all metrics at once, and shows the model each distinct image once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lightning_spx.metrics.deletion import step_counts
from lightning_spx.metrics.distinct_masks import distinct_masks
from lightning_spx.metrics.removal import substrate_of
from lightning_spx.metrics.road import Order, impute_noisily, noise_of, removed_in

ORDERS: tuple[Order, ...] = ("morf", "lerf")
NOISE = 0.01  # noise that ROAD adds to imputed pixels
# so many values of images are made at a time: preparing the model takes as long for a few images as for many
CHUNK_ELEMENTS = 2**21


@dataclass(frozen=True)
class FidelitySettings:
    """How pixels are removed.

    Args:
        num_steps: number of removal steps in deletion and insertion.
        substrates: what replaces removed pixels in deletion and insertion.
        fractions: fractions of the pixels that ROAD removes.
        batch_size: number of images at a time.
        seed: seeds ties and ROAD's noise.
    """

    num_steps: int
    substrates: Sequence[Literal["black", "blur"]]
    fractions: Sequence[float]
    batch_size: int
    seed: int


class Removals:
    """All removals from some photos, by K maps of each.

    Args:
        ranks: ranks of pixels, shape (K,N,H,W) int64; 0 is the most salient.
        settings: how pixels are removed.

    Attributes:
        num_images: number of images that `images` gives.
    """

    def __init__(self, ranks: Tensor, settings: FidelitySettings) -> None:
        self.settings = settings
        num_maps, num_photos, height, width = ranks.shape
        counts = step_counts(torch.tensor([height * width]), settings.num_steps)[:, 0]
        self._changed = counts.double() / (height * width)
        steps = torch.cat([ranks < int(count) for count in counts])
        self._masks, self._photo, place = distinct_masks(steps)
        self._place = place.view(len(counts), num_maps, num_photos)
        removed = torch.cat([removed_in(ranks, each, order) for order in ORDERS for each in settings.fractions])
        self._holes, self._photo_of_hole, place = distinct_masks(removed)
        self._place_of_hole = place.view(len(ORDERS), len(settings.fractions), num_maps, num_photos)
        self._curves = 2 * len(settings.substrates), len(self._masks)
        self.num_images = self._curves[0] * self._curves[1] + len(self._holes)

    def images(self, photos: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and their target classes in chunks of some batches; the masks are then forgotten.

        Args:
            photos: the photos, shape (N,C,H,W), on the device of the ranks.
            target: their target classes, shape (N,).
        """
        size = self.settings.batch_size
        size *= max(1, CHUNK_ELEMENTS // (size * photos[0].numel()))
        for substrate in self.settings.substrates:
            base = substrate_of(photos, substrate)
            # deletion, then insertion
            for start, end in ((photos, base), (base, photos)):
                for mask, photo in zip(torch.split(self._masks, size), torch.split(self._photo, size), strict=True):
                    yield torch.where(mask[:, None], end[photo], start[photo]), target[photo]
        noise = NOISE * noise_of(photos, self.settings.seed)
        for mask, photo in zip(torch.split(self._holes, size), torch.split(self._photo_of_hole, size), strict=True):
            yield impute_noisily(photos[photo], mask, noise[photo]), target[photo]
        del self._masks, self._holes

    def values(self, probability: Tensor) -> dict[tuple[str, str], Tensor]:
        """Return the values (K,N) of every metric and setting.

        Args:
            probability: the target's probability for all `images`, shape (num_images,), on the CPU.
        """
        found: dict[tuple[str, str], Tensor] = {}
        num_curves, num_masks = self._curves
        curves, after = torch.split(probability, [num_curves * num_masks, self.num_images - num_curves * num_masks])
        each_curve = iter(curves.view(num_curves, num_masks))
        for substrate in self.settings.substrates:
            for metric in ("deletion", "insertion"):
                curve = next(each_curve)[self._place].double()
                found[metric, f"substrate={substrate}"] = torch.trapezoid(curve, self._changed, dim=0).float()
        morf, lerf = after[self._place_of_hole].mean(1)
        return found | {
            ("road", "order=morf"): morf,
            ("road", "order=lerf"): lerf,
            ("road", "order=combined"): (lerf - morf) / 2,
        }
