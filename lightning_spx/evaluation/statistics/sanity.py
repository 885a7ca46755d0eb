"""Sanity checks: how far a map stays the same while its network forgets what it has learnt, layer after layer."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.reseed import reseed
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.attributions import explain
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.statistics.comparison import ImageFacts, compare
from lightning_spx.models import cascading_randomisation
from lightning_spx.reporting import survives, why_no_verdict, without_controls
from lightning_spx.reporting.rows import ALL_PAIRS

SANITY_SSIM = "sanity_ssim"
FULLY_RANDOMISED = "randomised=100%"
# columns of the gain over controls, which a sanity check has not: a map that changes is not better than a blurred one
GAIN = ["best_control", "gain", "gain_low", "gain_high"]


def sanity_values(
    method: Attribution,
    networks: Mapping[int, nn.Module],
    attributions: Tensor,
    images: Tensor,
    target: Sequence[Tensor | None],
    partitions: Sequence[Pooling],
    known: ImageFacts,
    *,
    num_stages: int,
    magnitudes: Sequence[Magnitude],
    shared_noise: bool,
    batch_size: int,
    device: torch.device,
    seed: int,
    advance: Callable[[int], object],
) -> pd.DataFrame:
    """Compare each network's maps with those of the same network with ever more layers randomised.

    Args:
        method: the attribution method.
        networks: the models, by their numbers in the whole study.
        attributions: (M, N, 3, H, W) of the models as they are.
        images: (N, 3, H, W).
        target: (N,) the explained class for each model; None for models with one output.
        partitions: the poolings.
        known: the study's knowledge of the images.
        num_stages: of the cascade.
        magnitudes: orders of pooling and taking magnitudes.
        shared_noise: whether all models draw the same noise.
        batch_size: images at a time.
        device: of the models.
        seed: of the new weights.
        advance: is told the number of images of each batch that is done.

    Returns:
        Rows as `compare` gives them, of the metric `sanity_ssim`, with the model's number as the pair and the share of
        randomised layers as the setting.
    """
    frames = []
    for position, (number, network) in enumerate(networks.items()):
        own = method if shared_noise else reseed(method, number)
        for share, randomised in cascading_randomisation(network, num_stages, seed + number):
            label = f"randomised={share:.0%}"
            other = explain(
                randomised.eval(),
                own,
                images,
                target[position],
                batch_size=batch_size,
                device=device,
                advance=advance,
            )
            values = compare(
                torch.stack([attributions[position], other]),
                partitions,
                ImageFacts(known.index, known.label, known.preds[[position, position]], None, known.permutation),
                magnitudes=magnitudes,
                distances=[],
                non_negative=method.non_negative,
                seed=seed,
                model_offset=2 * number,
            )
            values = values[values["metric"] == "saliency_ssim"]
            frames.append(values.assign(metric=SANITY_SSIM, setting=label, pair=f"model {position}"))
    return pd.concat(frames, ignore_index=True)


def without_gain(results: pd.DataFrame) -> pd.DataFrame:
    """Leave the gain over controls out of the rows of sanity checks.

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
    """Say which maps survive the randomisation of all layers; nothing for a study without sanity checks.

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
    order = "" if row["magnitude"] == "either" else f", {row['magnitude']}"
    return f"{row['method']}, {row['superpixels']}{order}"
