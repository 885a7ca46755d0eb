"""Explains predicted classes; the maps go into the predictions and into files."""

from pathlib import Path

import numpy as np
from lightning import LightningModule
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.callbacks.agreement import as_colors, row_name
from lightning_spx.evaluation.callbacks.named_batch import name_batch
from lightning_spx.evaluation.callbacks.restored_images import restore
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.maps.model_maps import finite_logits
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.reporting.rows import PIXEL
from lightning_spx.runs.files import write_arrays


class PredictedMaps:
    """Explains the batches of a prediction loop.

    Args:
        settings: of the callback.
        folder: receives `predictions/batch_<loader>_<batch>_<process>.npz`; None writes no files.
        weights: which weights of the model are explained, in a few words; the files name them unless they are `own`.
    """

    def __init__(self, settings: Settings, folder: Path | None, weights: str = "own") -> None:
        self.settings = settings
        self.folder = folder
        self.weights = weights

    def add(self, module: LightningModule, outputs: object, batch: object, name: str) -> None:
        """Explain the predicted classes of a batch, add the maps to its predictions and write them.

        Args:
            module: on its device.
            outputs: the module's predictions; a dict receives the maps, (N, H, W) by method, under `saliency`.
            batch: what the loader returned; it needs no labels.
            name: of the file.
        """
        parts = batch if self.settings.batch_to_images is None else self.settings.batch_to_images(batch)
        # a loader for prediction may return more than images, such as paths or numbers, which are ignored
        if isinstance(parts, list | tuple) and parts:
            parts = parts[0]
        images = restore(name_batch(parts).images, self.settings.preprocess_layer())
        model = self.settings.model(module)
        logits = finite_logits(model, images)
        target = None if logits.ndim == 1 else logits.argmax(1)
        colored = as_colors(images)
        segments = {key: segmenter(colored) for key, segmenter in self.settings.segmenters.items()}
        maps: dict[str, Tensor] = {}
        for key, method in self.settings.methods.items():
            attribution = method.attribute(model, images, target)
            maps[row_name(key, PIXEL)] = saliency_map(attribution)
            for superpixels, cells in segments.items():
                pooled = Pooling(superpixels, "segments", cells).pool(attribution, self.settings.magnitude)
                maps[row_name(key, superpixels)] = saliency_map(pooled)
        if isinstance(outputs, dict):
            outputs["saliency"] = maps
        if self.folder is not None:
            arrays = {"logits": logits, **maps, **{f"segments/{key}": value for key, value in segments.items()}}
            plain: dict[str, NDArray[np.generic]] = {key: value.cpu().numpy() for key, value in arrays.items()}
            if self.weights != "own":
                plain["weights"] = np.array(self.weights)
            write_arrays(self.folder / "predictions" / f"batch_{name}.npz", plain)
