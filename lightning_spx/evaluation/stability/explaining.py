"""Explains the images of a shard with one network, in one of the ways in which a study sees a method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_spx.attribution.reseed import reseed
from lightning_spx.evaluation.maps.attributions import explain
from lightning_spx.evaluation.maps.ways import Way
from lightning_spx.evaluation.stability.settings import StudySettings
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.training.study_models import StudyModel

# added to a method's seeds for its second map; no study has so many models that one of them draws the same noise
OTHER_SEED = 2**20


@dataclass(frozen=True)
class Explaining:
    """What is explained of a shard's images, and by which models.

    Args:
        settings: the study's settings.
        target: as in `Study`.
        models: the models of a round.
        images: (n, C, H, W) in [0, 1].
        known: what the study knows about the images, or about their items.
        advance: called with numbers of images, which add up to n for each call of `maps`.
    """

    settings: StudySettings
    target: Literal["label", "prediction", "output"]
    models: Sequence[StudyModel]
    images: Tensor
    known: ImageFacts
    advance: Callable[[float], object]

    def maps(
        self, way: Way, position: int, network: nn.Module, *, other_seed: bool = False, mismatched: bool = False
    ) -> Tensor:
        """Explain every image, (n, C, H, W), or every item, (I, C, H, W), in one pass for all poolings of a way.

        Args:
            way: what is explained.
            position: of the model that the network is, or replaces.
            network: the network.
            other_seed: whether a random method draws other noise.
            mismatched: whether each image's segments stay, and the image that it is mismatched with is explained over
                them; for ways with segments.
        """
        settings, known, items = self.settings, self.known, self.known.items
        offset = (OTHER_SEED if other_seed else 0) + (0 if settings.shared_noise else self.models[position].number)
        image = torch.arange(len(self.images)) if items is None else items.image
        of_class = known.label if self.target == "label" else known.preds[position]
        target = items.finding if items is not None else None if self.target == "output" else of_class
        asked = torch.from_numpy(known.permutation) if mismatched else torch.arange(len(image))
        # progress counts images, because the number of items may follow from predictions
        share = len(self.images) / len(image)
        return explain(
            network,
            reseed(way.method, offset),
            self.images,
            None if target is None else target[asked],
            batch_size=settings.batch_size,
            device=settings.device,
            advance=lambda count: self.advance(count * share),
            image=image[asked],
            segments=None if way.segments is None else way.segments[image],
        )
