"""Measures the fidelity of one model's pooled attributions by removing pixels, photo by photo for all poolings."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from rich.progress import track
from torch import Tensor

from lightning_spx.attribution import magnitude
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.tradeoff.removals import FidelitySettings, Removals
from lightning_spx.metrics import fidelity_error, removal_ranks
from lightning_spx.metrics.probability import target_probabilities
from lightning_spx.models.image_model import ImageModel
from lightning_spx.runs.processes import gather_images, is_writer, own_share

# so many pixels of maps are ranked at a time, over all poolings; bounds memory at a hundred MiB
CHUNK_PIXELS = 2**19


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
    here = torch.tensor(own_share(len(images)))
    removals: list[Removals] = []
    errors: list[Tensor] = []

    def removed() -> Iterator[tuple[Tensor, Tensor]]:
        size = max(1, CHUNK_PIXELS // (len(rows) * images[0, 0].numel()))
        for some in track(torch.split(here, size), description, disable=not is_writer(), transient=True):
            photos, own = images[some].to(model.device), attribution[some]
            maps = [magnitude(pooling.pool(own, order, some)) for pooling, order in rows]
            errors.append(torch.stack([fidelity_error(each, magnitude(own)) for each in maps]))
            ranks = [removal_ranks(each.to(photos.device), photos, settings.seed) for each in maps]
            removals.append(Removals(torch.stack(ranks), settings))
            yield from removals[-1].images(photos, target[some].to(photos.device))

    probability = torch.cat(target_probabilities(model, removed(), settings.batch_size)).cpu()
    parts = torch.split(probability, [each.num_images for each in removals])
    found = [each.values(part) for each, part in zip(removals, parts, strict=True)]
    values = {key: torch.cat([each[key] for each in found], 1) for key in found[0]}
    values["fidelity_error", ""] = torch.cat(errors, 1)
    gathered = {key: gather_images(value.T, here.tolist()).T.double().numpy() for key, value in values.items()}
    num_values, num_images = len(rows) * len(gathered), len(images)
    names = [(pooling.name, order, *key) for pooling, order in rows for key in gathered]
    columns = dict(zip(("superpixels", "magnitude", "metric", "setting"), zip(*names, strict=True), strict=True))
    sizes = np.repeat([pooling.num_segments().numpy() for pooling, _ in rows], len(gathered), axis=0)
    return pd.DataFrame(
        {
            **{name: np.repeat(entries, num_images) for name, entries in columns.items()},
            "position": np.tile(np.arange(num_images), num_values),
            "num_segments": sizes.ravel(),
            "value": np.stack(list(gathered.values()), axis=1).ravel(),
        }
    )
