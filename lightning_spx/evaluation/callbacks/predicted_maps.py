"""Explains predicted classes; the maps go into the predictions and into files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from lightning import LightningModule
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.callbacks.agreement import row_name
from lightning_spx.evaluation.callbacks.finding_names import name_findings, name_targets
from lightning_spx.evaluation.callbacks.named_batch import name_images
from lightning_spx.evaluation.callbacks.restored_images import restore
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.maps.findings import Items, list_items
from lightning_spx.evaluation.maps.guides import guide_images, segments_among
from lightning_spx.evaluation.maps.model_maps import finite_logits
from lightning_spx.evaluation.maps.pooling_lists import pooling_of
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.readings import predicted
from lightning_spx.models.image_model import ImageModel
from lightning_spx.reporting.rows import PIXEL
from lightning_spx.runs.files import write_arrays


class PredictedMaps:
    """Explains the batches of a prediction loop.

    Args:
        settings: of the callback.
        folder: receives `predictions/batch_<loader>_<batch>_<process>.npz`; None writes no files.
        weights: which weights of the model are explained, in a few words; the files name them unless they are `own`.
        findings: names of the findings that the DataModule says; the settings' own come first.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | None,
        weights: str = "own",
        findings: Sequence[str] | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.weights = weights
        self.findings = findings if settings.findings is None else settings.findings

    def add(self, module: LightningModule, outputs: object, batch: object, name: str) -> None:
        """Explain the predicted classes of a batch, add the maps to its predictions and write them.

        Of a model of several findings the maps are of I items: the findings that `targets` name on every image, or else
        those that the model predicts. `image` and `finding` then say which image of the batch and which finding each is
        of.

        Args:
            module: on its device.
            outputs: the module's predictions; a dict receives the maps, (N, H, W) or (I, H, W) by method, under
                `saliency`, or `saliency-<name>` of an evaluator with a name.
            batch: what the loader returned; it needs no labels.
            name: of the file.
        """
        settings = self.settings
        named = name_images(batch, settings.batch_to_images)
        images = restore(named.images, settings.preprocess_layer())
        guides = guide_images(settings.superpixels, images, settings.batch_size, images.device, to_rgb=settings.to_rgb)
        poolings = [pooling_of(key, guidance) for key, guidance in guides.items()]
        segments = segments_among(guides)
        model = settings.model(module, image_name=named.image_name)
        logits = finite_logits(model, images)
        entries: dict[str, Tensor] = {}
        if settings.head == "multi_label":
            items = self._items(logits)
            entries |= {"image": items.image, "finding": items.finding}
            here, target = items.image.to(images.device), items.finding.to(images.device)
            maps = self._maps(model, images, target, poolings, here)
            segments = {key: value[items.image] for key, value in segments.items()}
        else:
            every = torch.arange(len(images), device=images.device)
            maps = self._maps(model, images, None if logits.ndim == 1 else logits.argmax(1), poolings, every)
        if isinstance(outputs, dict):
            outputs[settings.word("saliency")] = maps | entries
        if self.folder is not None:
            arrays = {
                "logits": logits,
                **maps,
                **entries,
                **{f"segments/{key}": value for key, value in segments.items()},
            }
            plain: dict[str, NDArray[np.generic]] = {key: value.cpu().numpy() for key, value in arrays.items()}
            if settings.head == "multi_label":
                plain["findings"] = np.array(name_findings(self.findings, logits.shape[1]))
            if self.weights != "own":
                plain["weights"] = np.array(self.weights)
            write_arrays(self.folder / "predictions" / f"batch_{name}.npz", plain)

    def _items(self, logits: Tensor) -> Items:
        preds = predicted(logits.cpu(), given=False, head="multi_label")
        findings = name_findings(self.findings, preds.shape[1])
        targets = name_targets(self.settings.targets, findings)
        # no label says what is present
        targets = "predicted" if targets == "present" else targets
        return list_items(preds.float(), preds[None], findings, targets)

    def _maps(
        self, model: ImageModel, images: Tensor, target: Tensor | None, poolings: Sequence[Pooling], here: Tensor
    ) -> dict[str, Tensor]:
        """Explain some of the images, and pool the maps.

        Args:
            model: to explain.
            images: (N, C, H, W) of the batch.
            target: (n,) what is explained.
            poolings: of these images.
            here: (n,) which images are explained; one may be there several times, for several findings.
        """
        explained = images[here]
        maps: dict[str, Tensor] = {}
        for key, method in self.settings.methods.items():
            # methods expect images
            attribution = method.attribute(model, explained, target) if len(explained) else explained
            maps[row_name(key, PIXEL)] = saliency_map(attribution)
            for pooling in poolings:
                pooled = attribution
                if len(explained):
                    pooled = pooling.pool(attribution, self.settings.magnitude, here.cpu())
                maps[row_name(key, pooling.name)] = saliency_map(pooled)
        return maps
