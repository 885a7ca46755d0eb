"""Measures the maps of one method on a shard, in every way in which the method explains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import pandas as pd
import torch
from torch import Tensor, nn

from lightning_spx.evaluation.maps.costs import counted_passes
from lightning_spx.evaluation.maps.ways import Way
from lightning_spx.evaluation.stability.explaining import Explaining
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.localization import localization_values
from lightning_spx.evaluation.statistics.residuals import References
from lightning_spx.evaluation.statistics.sanity import sanity_values
from lightning_spx.metrics import Distance
from lightning_spx.reporting.rows import PASSES


@dataclass(frozen=True)
class ModelMaps:
    """The maps of one model, in one way.

    Args:
        maps: (n, C, H, W).
        again: the same by other seeds, or None.
        mismatched: those of the images that images are mismatched with, over the segments of these; None in a way
            without segments, where they are maps of `maps`.
        passes: forward and backward, for each map.
    """

    maps: Tensor
    again: Tensor | None
    mismatched: Tensor | None
    passes: tuple[float, float]


def maps_of_model(explaining: Explaining, way: Way, position: int, network: nn.Module, has_ceiling: bool) -> ModelMaps:
    """Explain a shard with one model."""
    maps, passes = counted_passes(lambda each: explaining.maps(way, position, each), network)
    again = explaining.maps(way, position, network, other_seed=True) if has_ceiling else None
    mismatched = None if way.segments is None else explaining.maps(way, position, network, mismatched=True)
    return ModelMaps(maps, again, mismatched, passes)


@dataclass(frozen=True)
class SeenMaps:
    """The maps of one way in which a method explains.

    Args:
        way: what is explained, and the poolings that see the maps.
        maps: (M, n, C, H, W) of M models.
        again: the same by other seeds, or None.
        mismatched: as in `ModelMaps`, of M models.
        passes: of a model, forward and backward, for each map.
        explaining: explains with networks that replace a model.
    """

    way: Way
    maps: Tensor
    again: Tensor | None
    mismatched: Tensor | None
    passes: tuple[float, float]
    explaining: Explaining

    @classmethod
    def of(cls, models: Sequence[ModelMaps], way: Way, explaining: Explaining) -> Self:
        """Put the maps of several models together."""

        def stacked(maps: Sequence[Tensor | None]) -> Tensor | None:
            known = [each for each in maps if each is not None]
            return torch.stack(known) if known else None

        return cls(
            way=way,
            maps=torch.stack([each.maps for each in models]),
            again=stacked([each.again for each in models]),
            mismatched=stacked([each.mismatched for each in models]),
            # models of one study may differ in architecture, but not in how often a method evaluates them
            passes=models[0].passes,
            explaining=explaining,
        )

    def of_randomized(self, position: int, network: nn.Module) -> tuple[Tensor, Tensor | None]:
        """Explain with a randomized network in the place of a model; also for the images of the null."""
        # with noise of its own, or equal noise would look like a map that survives
        explain = partial(
            self.explaining.maps, self.way, position, network, other_seed=not self.explaining.settings.shared_noise
        )
        return explain(), None if self.mismatched is None else explain(mismatched=True)


def compared(
    seen: Sequence[SeenMaps],
    known: ImageFacts,
    settings: ComparisonSettings,
    distances: Sequence[Distance],
    references: References,
) -> pd.DataFrame:
    """Compare the models' maps, as `compare` does, in all ways; each row says what its map costs."""
    frames = [
        compare(
            each.maps, each.way.poolings, known, settings, distances, each.again, each.mismatched, references
        ).assign(**dict(zip(PASSES, each.passes, strict=True)))
        for each in seen
    ]
    return pd.concat(frames, ignore_index=True)


def checked_for_sanity(
    seen: Sequence[SeenMaps],
    networks: Mapping[int, nn.Module],
    known: ImageFacts,
    settings: ComparisonSettings,
    num_stages: int,
) -> pd.DataFrame:
    """Compare the models' maps with those of randomized networks, as `sanity_values` does, in all ways."""
    frames = [
        sanity_values(
            networks, each.maps, each.way.poolings, known, settings, num_stages, each.of_randomized, each.mismatched
        )
        for each in seen
    ]
    return pd.concat(frames, ignore_index=True)


def localized(
    seen: Sequence[SeenMaps], known: ImageFacts, mask: Tensor, settings: ComparisonSettings, row_setting: str
) -> pd.DataFrame:
    """Measure how much of the models' maps lies in the masks, as `localization_values` does, in all ways."""
    frames = [
        localization_values(each.maps, each.way.poolings, known, mask, settings, row_setting, each.mismatched)
        for each in seen
    ]
    return pd.concat(frames, ignore_index=True)
