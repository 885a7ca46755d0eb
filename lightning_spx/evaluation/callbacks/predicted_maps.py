"""Maps of predicted classes, beside the predictions and in files."""

from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningModule
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.callbacks.agreement import as_colours, row_name
from lightning_spx.evaluation.callbacks.named_batch import name_batch
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.maps.explained_model import ExplainedModel
from lightning_spx.evaluation.maps.model_maps import finite_logits
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.reporting.rows import PIXEL
from lightning_spx.runs.files import write_atomic


class PredictedMaps:
    """Explains the batches of a prediction loop.

    Args:
        settings: of the callback.
        folder: receives `predictions/batch_<loader>_<batch>_<process>.npz`, or None for no files.
        weights: which ones of the model are explained, in a few words; written beside the maps unless they are `own`.
    """

    def __init__(self, settings: Settings, folder: Path | None, weights: str = "own") -> None:
        self.settings = settings
        self.folder = folder
        self.weights = weights

    def add(self, module: LightningModule, outputs: object, batch: object, name: str) -> None:
        """Explain a batch's predicted classes, put the maps into its predictions and write them.

        Args:
            module: on its device.
            outputs: the module's predictions; a dict receives the maps, (N, H, W) by method, under `saliency`.
            batch: what the loader gave; needs no labels.
            name: of the file.
        """
        parts = batch if self.settings.batch_to_images is None else self.settings.batch_to_images(batch)
        # what a loader of images to predict has beside them, paths or numbers, is no matter here
        if isinstance(parts, list | tuple) and parts:
            parts = parts[0]
        images = self.settings.scale.restore(name_batch(parts).images)
        model = ExplainedModel(module, self.settings.scale)
        logits = finite_logits(model, images)
        target = None if logits.ndim == 1 else logits.argmax(1)
        coloured = as_colours(images)
        segments = {key: segmenter(coloured) for key, segmenter in self.settings.segmenters.items()}
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
            plain: dict[str, Any] = {key: value.cpu().numpy() for key, value in arrays.items()}
            if self.weights != "own":
                plain["weights"] = np.array(self.weights)

            def write(path: Path) -> None:
                np.savez_compressed(path, **plain)

            write_atomic(self.folder / "predictions" / f"batch_{name}.npz", write)
