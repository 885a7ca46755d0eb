"""Measures the maps of one method on a shard, in every way in which the method explains."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from torch import Tensor, nn

from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.localization import localization_values
from lightning_spx.evaluation.statistics.sanity import sanity_values
from lightning_spx.metrics import Distance
from lightning_spx.reporting.rows import PASSES


@dataclass(frozen=True)
class SeenMaps:
    """The maps of one way in which a method explains.

    Args:
        poolings: how they are seen.
        maps: (M, n, C, H, W) of M models.
        again: the same by other seeds, or None.
        explained: returns the maps (n, C, H, W) of a network that replaces the model at a position.
        passes: of a model, forward and backward, for each map.
    """

    poolings: Sequence[Pooling]
    maps: Tensor
    again: Tensor | None
    explained: Callable[[int, nn.Module], Tensor]
    passes: tuple[float, float]


def compared(
    seen: Sequence[SeenMaps], known: ImageFacts, settings: ComparisonSettings, distances: Sequence[Distance]
) -> pd.DataFrame:
    """Compare the models' maps, as `compare` does, in all ways; each row says what its map costs."""
    frames = [
        compare(each.maps, each.poolings, known, settings, distances, each.again).assign(
            **dict(zip(PASSES, each.passes, strict=True))
        )
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
        sanity_values(networks, each.maps, each.poolings, known, settings, num_stages, each.explained) for each in seen
    ]
    return pd.concat(frames, ignore_index=True)


def localized(
    seen: Sequence[SeenMaps], known: ImageFacts, mask: Tensor, settings: ComparisonSettings, row_setting: str
) -> pd.DataFrame:
    """Measure how much of the models' maps lies in the masks, as `localization_values` does, in all ways."""
    frames = [localization_values(each.maps, each.poolings, known, mask, settings, row_setting) for each in seen]
    return pd.concat(frames, ignore_index=True)
