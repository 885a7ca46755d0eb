"""Measures the fidelity of one model's pooled attributions, image by image, by removing pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
from rich.progress import track
from torch import Tensor

from lightning_spx.attribution import magnitude
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.metrics import fidelity_error, removal_ranks
from lightning_spx.metrics.deletion import removal_area
from lightning_spx.metrics.removal import substrate_of
from lightning_spx.metrics.road import Order, probability_after_imputation
from lightning_spx.models.image_model import ImageModel
from lightning_spx.runs.processes import gather_images, is_writer, own_share

ORDERS: tuple[Order, ...] = ("morf", "lerf")
NOISE = 0.01  # noise that ROAD adds to imputed pixels


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


def fidelity_of(
    model: ImageModel,
    images: Tensor,
    target: Tensor,
    attribution: Tensor,
    rows: Sequence[tuple[Pooling, str]],
    settings: FidelitySettings,
    description: str,
) -> pd.DataFrame:
    """Measure every pooling of a model's attributions by what removing pixels does to the model.

    Pixels are ranked by un-normalized magnitudes, and ties are broken at random.

    Args:
        model: the model in evaluation mode, on its device.
        images: (N, C, H, W).
        target: (N,) the explained class.
        attribution: (N, C, H, W) the model's attributions by one method.
        rows: poolings, each in an order of pooling and taking magnitudes.
        settings: how pixels are removed.
        description: text beside the progress bar.

    Returns:
        One row for each (superpixels, magnitude, metric, setting, position of the image), with the columns `value` and
        `num_segments`.
    """
    here = own_share(len(images))
    unpooled = magnitude(attribution[here])
    frames = []
    for pooling, order in track(rows, description, disable=not is_writer(), transient=True):
        maps = magnitude(pooling.pool(attribution, order))[here]
        values = removal_values(model, images[here], target[here], maps, settings)
        values["fidelity_error", ""] = fidelity_error(maps, unpooled)
        for (metric, setting), value in values.items():
            frames.append(
                pd.DataFrame(
                    {
                        "superpixels": pooling.name,
                        "magnitude": order,
                        "metric": metric,
                        "setting": setting,
                        "position": range(len(images)),
                        "num_segments": pooling.num_segments().numpy(),
                        "value": gather_images(value, here).double().numpy(),
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def removal_values(
    model: ImageModel, images: Tensor, target: Tensor, maps: Tensor, settings: FidelitySettings
) -> dict[tuple[str, str], Tensor]:
    """Return the values of every metric that removes pixels, (n,) on the CPU."""
    device, size = model.device, settings.batch_size
    collected: dict[tuple[str, str], list[Tensor]] = {}
    for start in range(0, len(images), size):
        here = slice(start, start + size)
        photos, classes = images[here].to(device), target[here].to(device)
        # rank pixels once for all metrics
        ranks = removal_ranks(maps[here].to(device), photos, settings.seed)
        for substrate in settings.substrates:
            base = substrate_of(photos, substrate)
            for metric, (first, last) in {"deletion": (photos, base), "insertion": (base, photos)}.items():
                value = removal_area(model, first, last, classes, ranks, settings.num_steps, size)
                collected.setdefault((metric, f"substrate={substrate}"), []).append(value.cpu())
        morf, lerf = (_road(model, photos, classes, ranks, order, settings) for order in ORDERS)
        for name, value in {"morf": morf, "lerf": lerf, "combined": (lerf - morf) / 2}.items():
            collected.setdefault(("road", f"order={name}"), []).append(value.cpu())
    return {key: torch.cat(values) for key, values in collected.items()}


def _road(
    model: ImageModel, images: Tensor, target: Tensor, ranks: Tensor, order: Order, settings: FidelitySettings
) -> Tensor:
    """Return the probability after removal as its mean over the fractions, (n,)."""
    how = (order, NOISE, settings.seed, settings.batch_size)
    after = [probability_after_imputation(model, images, target, ranks, each, *how) for each in settings.fractions]
    return torch.stack(after).mean(0)
