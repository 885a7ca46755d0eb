"""Sanity checks: how far does a map stay the same while its network is randomized, layer after layer?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lightning_spx.reporting.reasons import why_no_verdict
from lightning_spx.reporting.rows import ALL_PAIRS, EITHER, survives, without_controls

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lightning_spx.evaluation.maps.poolings import Pooling
    from lightning_spx.evaluation.statistics.comparison import ComparisonSettings
    from lightning_spx.evaluation.statistics.image_facts import ImageFacts

SANITY_SSIM = "sanity_ssim"
FULLY_RANDOMISED = "randomised=100%"
# a sanity check leaves these columns empty, because a map that changes is not better than a blurred one
GAIN = ["best_control", "gain", "gain_low", "gain_high"]


def sanity_values(
    networks: Mapping[int, nn.Module],
    attributions: Tensor,
    poolings: Sequence[Pooling],
    known: ImageFacts,
    settings: ComparisonSettings,
    num_stages: int,
    explain: Callable[[int, nn.Module], tuple[Tensor, Tensor | None]],
    mismatched: Tensor | None = None,
) -> pd.DataFrame:
    """Compare each network's maps with its maps after more and more of its layers are randomized.

    Args:
        networks: the models, by their numbers in the whole study.
        attributions: (M, N, 3, H, W) the attributions of the models as they are.
        poolings: poolings; each gets rows for every magnitude order.
        known: what the study knows about the images, or about their items.
        settings: how maps are pooled and nulls drawn; its seed also seeds the new weights.
        num_stages: number of stages in which the layers are randomized.
        explain: returns the attributions (N, 3, H, W) of a network that replaces the model at a position, and those of
            its mismatched images, if the models have some.
        mismatched: as for `compare`.

    Returns:
        Rows as `compare` gives them, for the metric `sanity_ssim`, with the model's number as the pair and the share of
        randomized layers as the setting.
    """
    # imported late: `spx report` says what these values mean, without torch
    import torch

    from lightning_spx.evaluation.statistics.comparison import compare
    from lightning_spx.models import cascading_randomisation

    frames = []
    for position, (number, network) in enumerate(networks.items()):
        own = known.of_models([position, position])
        for share, randomized in cascading_randomisation(network, num_stages, settings.seed + number):
            maps, others = explain(position, randomized.eval())
            both = None if mismatched is None or others is None else torch.stack([mismatched[position], others])
            values = compare(
                torch.stack([attributions[position], maps]),
                poolings,
                own,
                replace(settings, model_offset=2 * number),
                distances=[],
                mismatched=both,
            )
            values = values[values["metric"] == "saliency_ssim"]
            label = f"randomised={share:.0%}"
            frames.append(values.assign(metric=SANITY_SSIM, setting=label, pair=f"model {position}"))
    return pd.concat(frames, ignore_index=True)


def without_gain(results: pd.DataFrame) -> pd.DataFrame:
    """Clear the gain over controls in the rows of sanity checks.

    Example:
        >>> rows = pd.DataFrame({"metric": [SANITY_SSIM], "best_control": ["x"], "gain": [0.1]})
        >>> rows = rows.assign(gain_low=0.0, gain_high=0.2)
        >>> without_gain(rows)["gain"].tolist()
        [nan]
    """
    rows = results.copy()
    rows[GAIN[0]] = rows[GAIN[0]].astype(object)
    rows.loc[rows["metric"] == SANITY_SSIM, GAIN] = np.nan
    return rows


def sanity_sentences(results: pd.DataFrame) -> list[str]:
    """Say which maps survive when all layers are randomized; return nothing for a study without sanity checks.

    Example:
        >>> sanity_sentences(pd.DataFrame({"metric": ["mege"]}))
        []
    """
    checks = results[results["metric"] == SANITY_SSIM]
    if checks.empty:
        return []
    rows = without_controls(checks[(checks["setting"] == FULLY_RANDOMISED) & (checks["pair"] == ALL_PAIRS)])
    silent = [f"{_kind(row)} ({why})" for _, row in rows.iterrows() if (why := why_no_verdict(row))]
    said = [f"Sanity check: no verdict for {len(silent)} kinds of maps: {'; '.join(silent)}."] if silent else []
    rows = rows[[not why_no_verdict(row) for _, row in rows.iterrows()]]
    if rows.empty:
        return said
    names = [f"{_kind(row)} (excess {row['excess']:.2f})" for _, row in rows.iterrows() if survives(row)]
    if not names:
        return [f"Sanity check: none of {len(rows)} kinds of maps survives the randomisation of all layers.", *said]
    return [
        f"Sanity check: {len(names)} of {len(rows)} kinds of maps survive the randomisation of all layers; so much of "
        f"their agreement comes from the image alone: {'; '.join(names)}.",
        *said,
    ]


def _kind(row: pd.Series) -> str:
    order = "" if row["magnitude"] == EITHER else f", {row['magnitude']}"
    return f"{row['method']}, {row['superpixels']}{order}"
