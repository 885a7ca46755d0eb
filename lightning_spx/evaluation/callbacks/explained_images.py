"""The images of all evaluations, with their segments, their colors and what is explained on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages
from lightning_spx.evaluation.maps.colors import ToRgb, shown
from lightning_spx.evaluation.maps.findings import Items, Targets, list_items
from lightning_spx.evaluation.maps.guides import Guidance, guide_images, segments_among
from lightning_spx.evaluation.maps.pooling_lists import make_poolings, pixel_pooling, pooling_of
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.models.image_model import Head
from lightning_spx.superpixels import ImagePooling


@dataclass(frozen=True)
class ExplainedImages:
    """The chosen images as they are segmented, explained and shown.

    Args:
        images: (N, C, H, W) in [0, 1].
        label: (N,) int64, or (N, K) float32 for K findings.
        mask: (N, H, W) bool, or None.
        guides: segments (N, H, W) int64 of each segmenter, and the guide of each filter, by name; not empty.
        photos: (N, 3, H, W) in [0, 1], the images as people see them.
        seed: of floors and controls.
        head: what the model's outputs mean.
        findings: names of the K findings; empty unless the head is `multi_label`.
        targets: which findings are explained.
    """

    images: Tensor
    label: Tensor
    mask: Tensor | None
    guides: Mapping[str, Guidance]
    photos: Tensor
    seed: int
    head: Head = "single_label"
    findings: tuple[str, ...] = ()
    targets: Targets = "present"

    @classmethod
    def segment(
        cls,
        chosen: ChosenImages,
        images: Tensor,
        superpixels: Mapping[str, ImagePooling],
        batch_size: int,
        seed: int,
        to_rgb: ToRgb | None = None,
        head: Head = "single_label",
    ) -> "ExplainedImages":
        """Segment the restored images.

        Args:
            chosen: the images with their labels and masks.
            images: (N, C, H, W) in [0, 1], the chosen ones restored.
            superpixels: segmenters and filters by name; not empty.
            batch_size: images segmented, and filtered, at a time.
            seed: of floors and controls.
            to_rgb: the colors of the images, for pictures and for segmenters and filters that need RGB.
            head: what the model's outputs mean.

        Raises:
            ValueError: a segmenter or a filter does not take that number of channels, or `to_rgb` gives no colors.
        """
        guides = guide_images(superpixels, images, batch_size, images.device, to_rgb=to_rgb)
        return cls(images, chosen.label, chosen.mask, guides, shown(images, to_rgb), seed, head)

    @property
    def segments(self) -> dict[str, Tensor]:
        """Return the segments (N, H, W) of each segmenter, by name; filters have none."""
        return segments_among(self.guides)

    def with_findings(self, findings: Sequence[str], targets: Targets) -> "ExplainedImages":
        """Return the images as those of a model of several findings."""
        return replace(self, findings=tuple(findings), targets=targets)

    def items(self, preds: Tensor) -> Items:
        """List the findings that a model explains on the images.

        Args:
            preds: (N, K) int64, 1 where the model predicts a finding.
        """
        # they are the model's own, so that all of them count
        return replace(list_items(self.label, preds[None], self.findings, self.targets), explained=None)

    def num_explained(self) -> int:
        """Count the images on which something is explained, whatever the model predicts."""
        if not self.findings or self.targets == "predicted":
            return len(self.images)
        return len(set(self.items(torch.zeros_like(self.label, dtype=torch.long)).image.tolist()))

    def poolings(self, controls: bool) -> list[Pooling]:
        """List the ways of pooling: by pixel, by every segmenter and filter, and with `controls` those of each."""
        if controls:
            index = torch.arange(len(self.images))
            return make_poolings(self.guides, index, derangement(len(self.images), self.seed), self.seed)
        own = [pooling_of(name, guidance) for name, guidance in self.guides.items()]
        return [pixel_pooling(own[0].segments), *own]

    def captions(self) -> list[str]:
        """Say in a few words what each image has: its class, or its findings."""
        if self.head == "scalar":
            return [f"image {position}" for position in range(len(self.images))]
        if not self.findings:
            return [f"class {label}" for label in self.label.tolist()]
        present = [[self.findings[number] for number in row.nonzero().flatten().tolist()] for row in self.label == 1]
        return [", ".join(names) or "no finding" for names in present]
