"""Measures how much of each model's maps lies in the object's mask, beside chance and the controls."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, each_pooling
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.metrics import mask_auc, mask_auprc, mass_accuracy, pointing_game
from lightning_spx.runs.blocks import VARIANTS

LOCALIZATION = {
    "mass_accuracy": mass_accuracy,
    "pointing_game": pointing_game,
    "mask_auc": mask_auc,
    "mask_auprc": mask_auprc,
}


def localization_values(
    attributions: Tensor,
    poolings: Sequence[Pooling],
    images: ImageFacts,
    mask: Tensor,
    settings: ComparisonSettings,
    row_setting: str,
    mismatched: Tensor | None = None,
) -> pd.DataFrame:
    """Measure how much of every map lies in the mask of its image.

    The nulls are those of `compare`: a map whose values were permuted over the pixels, and the map of another image,
    pooled with this image's segments. The latter keeps the center bias that photos of objects have. In place of the
    former, `mask_auprc` has the object's share of the image's pixels, the precision of a map that knows nothing: it is
    exact, where the value of a permuted map is a draw.

    Args:
        attributions: (M, N, C, H, W) the attributions of one method.
        poolings: poolings; each gets rows for every magnitude order.
        images: the numbers and derangement of the images, or of their items.
        mask: (N, H, W) bool, the masks of the images' objects, of each image once.
        settings: how maps are pooled and nulls drawn.
        row_setting: the rows' entry in the column `setting`.
        mismatched: as for `compare`.

    Returns:
        Rows as `compare` gives them, for the metrics of `LOCALIZATION`, with the model's number as the pair; NaN where
        an image has no value. `agree` and `same` are of all models: all are right, or all predict the same.
    """
    values: dict[tuple[str, str, int, str], list[NDArray[np.float64]]] = {}
    constant: dict[tuple[str, str, int], list[NDArray[np.bool_]]] = {}
    num_models = len(attributions)
    for compared in each_pooling(attributions, poolings, images, settings, mismatched=mismatched):
        superpixels, order = compared.pooling.name, compared.order
        inside = mask[compared.images]
        for model in range(num_models):
            # the model's map as it is, and that of each null
            maps = compared.maps.on_pixels(compared.maps.saliency[model::num_models])
            constant.setdefault((superpixels, order, model), []).append((maps[0].flatten(1).amax(1) == 0).numpy())
            for metric in LOCALIZATION:
                measured = [_measured(metric, name, each, inside) for name, each in zip(VARIANTS, maps, strict=True)]
                key = (superpixels, order, model, metric)
                values.setdefault(key, []).append(torch.stack(measured).numpy())
    sizes = {pooling.name: pooling.num_segments()[images.pooled_as(slice(None))].numpy() for pooling in poolings}
    explained = None if images.items is None else images.items.explained
    counts = torch.ones(attributions.shape[:2], dtype=torch.bool) if explained is None else explained
    # maps of all models are conditioned on the same images, so that models can be compared
    right, same = (images.preds == images.label).all(0), (images.preds == images.preds[:1]).all(0)
    frames = [
        pd.DataFrame(
            {
                "pair": f"model {model}",
                "superpixels": superpixels,
                "magnitude": order,
                "metric": metric,
                "setting": row_setting,
                **images.columns(),
                "agree": right.numpy(),
                "differ": False,
                "same": same.numpy(),
                "num_segments": sizes[superpixels],
                "constant": np.concatenate(constant[superpixels, order, model]),
                **dict(zip(VARIANTS, np.where(counts[model], np.concatenate(chunks, axis=1), np.nan), strict=True)),
            }
        )
        for (superpixels, order, model, metric), chunks in values.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _measured(metric: str, variant: str, saliency: Tensor, inside: Tensor) -> Tensor:
    """Return the values of one variant's maps; the object's share where that is what chance gives."""
    if metric == "mask_auprc" and variant == "permuted":
        share = inside.double().mean(dim=(1, 2))
        return share.masked_fill((share == 0) | (share == 1), torch.nan)  # where `mask_auprc` has no value either
    return LOCALIZATION[metric](saliency, inside).double()
