"""What a trade-off does for each method: every model explains once, every pooling is compared and removed by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from lightning import LightningModule
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.reseed import reseed
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.attributions import explain_together
from lightning_spx.evaluation.maps.poolings import make_poolings, segment_images
from lightning_spx.evaluation.maps.sampled_images import KnownImages
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ImageFacts, compare
from lightning_spx.evaluation.tradeoff.fidelity import FidelitySettings, fidelity_of
from lightning_spx.runs.blocks import COLUMNS
from lightning_spx.runs.example_maps import Examples, spread_positions
from lightning_spx.runs.files import file_name, write_atomic
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import is_writer
from lightning_spx.runs.reading import read_table
from lightning_spx.runs.record import RunRecord
from lightning_spx.superpixels import Segmenter

# of the files of values
FIDELITY_COLUMNS = (
    "method",
    "model",
    "superpixels",
    "magnitude",
    "metric",
    "setting",
    "index",
    "num_segments",
    "value",
)


@dataclass(frozen=True)
class TradeoffStudy:
    """A trade-off whose images and models are known.

    Args:
        run: receives the per-image values and the examples.
        record: receives the seconds of each stage.
        known: the images.
        models: in evaluation mode on the device, by name.
        preds: (M, N) their predictions.
        explained: (M, N) the class that each explains.
        methods: by their names in tables.
        segmenters: by their names in tables, each size one of its own.
        magnitudes: orders of pooling and taking magnitudes.
        settings: of the metrics that remove pixels.
        device: of the models.
        seed: of the nulls, controls and noise.
    """

    run: RunFolder
    record: RunRecord
    known: KnownImages
    models: Mapping[str, LightningModule]
    preds: Tensor
    explained: Tensor
    methods: Mapping[str, Attribution]
    segmenters: Mapping[str, Segmenter]
    magnitudes: Sequence[Magnitude]
    settings: FidelitySettings
    device: torch.device
    seed: int

    def measure(self) -> None:
        """Measure every method; what is on disk is not measured again."""
        missing = {
            name: method
            for name, method in self.methods.items()
            if not all(path.is_file() for path in [self._stability_file(name), *self._fidelity_files(name).values()])
        }
        if not missing:
            return
        known = self.known
        segments = segment_images(
            self.segmenters, known.images, self.settings.batch_size, self.device, known.source, known.index
        )
        permutation = derangement(len(known.images), self.seed)
        partitions = make_poolings(segments, known.index, permutation, self.seed)
        self.record.lap("segment")
        label = self.preds[0] if known.label is None else known.label
        images = ImageFacts(known.index, label, self.preds, None, permutation)
        for name, method in missing.items():
            # once for all partitions and sizes
            attributions = self._attributions(name, method)
            self.record.lap(f"explain {name}")
            if not self._stability_file(name).is_file():
                compared = compare(
                    attributions,
                    partitions,
                    images,
                    magnitudes=self.magnitudes,
                    distances=[],
                    non_negative=method.non_negative,
                    seed=self.seed,
                )
                self._keep_examples(name, segments, attributions)
                self._write(self._stability_file(name), compared.assign(method=name, repeat=0))
                self.record.lap(f"compare {name}")
            for number, (model_name, path) in enumerate(self._fidelity_files(name).items()):
                if not path.is_file():
                    values = fidelity_of(
                        self.models[model_name],
                        known.images,
                        self.explained[number],
                        attributions[number],
                        partitions,
                        magnitudes=self.magnitudes,
                        non_negative=method.non_negative,
                        settings=self.settings,
                        description=f"fidelity of {name}, {model_name}",
                    )
                    values["index"] = known.index.numpy()[values["position"]]
                    self._write(path, values.assign(method=name, model=model_name))
                    self.record.lap(f"fidelity {name}")

    def stability_values(self) -> pd.DataFrame:
        """Read the rows of `compare` of all methods, with the column `method`."""
        files = [self._stability_file(name) for name in self.methods]
        return pd.concat([read_table(path, COLUMNS) for path in files], ignore_index=True)

    def fidelity_values(self) -> pd.DataFrame:
        """Read the rows of `fidelity_of` of all methods, with the columns `method`, `model` and `index`."""
        paths = [path for name in self.methods for path in self._fidelity_files(name).values()]
        return pd.concat([read_table(path, FIDELITY_COLUMNS) for path in paths], ignore_index=True)

    def _attributions(self, name: str, method: Attribution) -> Tensor:
        """Explain every image with every model, (M, N, 3, H, W), each model with noise of its own."""
        return torch.stack(
            [
                explain_together(
                    model,
                    reseed(method, number),
                    self.known.images,
                    self.explained[number],
                    batch_size=self.settings.batch_size,
                    device=self.device,
                    description=f"{name}, {model_name}",
                )
                for number, (model_name, model) in enumerate(self.models.items())
            ]
        )

    def _stability_file(self, method: str) -> Path:
        return self.run.path / "per_image" / f"stability_{file_name(method)}.parquet"

    def _fidelity_files(self, method: str) -> dict[str, Path]:
        folder = self.run.path / "per_image"
        return {name: folder / f"fidelity_{file_name(f'{method}_{name}')}.parquet" for name in self.models}

    def _keep_examples(self, method: str, segments: Mapping[str, Tensor], attributions: Tensor) -> None:
        if is_writer():
            chosen = spread_positions(len(self.known.images))
            own = {name: ids[chosen] for name, ids in segments.items()}
            Examples(self.known.images[chosen], own, attributions[:, chosen]).save(Examples.path(self.run.path, method))

    @staticmethod
    def _write(path: Path, values: pd.DataFrame) -> None:
        if is_writer():
            write_atomic(path, partial(values.to_parquet, index=False))
