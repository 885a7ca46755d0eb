"""Runs a trade-off: each method explains every model once, and every pooling is scored for stability and fidelity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.reseed import reseed
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.attributions import explain_together
from lightning_spx.evaluation.maps.colors import ToRgb, shown
from lightning_spx.evaluation.maps.costs import counted_passes
from lightning_spx.evaluation.maps.kept_examples import keep_examples
from lightning_spx.evaluation.maps.model_free import baselines_of
from lightning_spx.evaluation.maps.pooling_lists import (
    blurs_of_all_widths,
    in_orders,
    make_poolings,
    reference_poolings,
)
from lightning_spx.evaluation.maps.poolings import EVERY_IMAGE, Pooling
from lightning_spx.evaluation.maps.sampled_images import SampledImages
from lightning_spx.evaluation.maps.segmented_images import SegmentedImages
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.maps.ways import Way, has_one_order, ways_of
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.residuals import References
from lightning_spx.evaluation.tradeoff.fidelity import fidelity_of
from lightning_spx.evaluation.tradeoff.partitions import COLUMNS, measure_partitions
from lightning_spx.evaluation.tradeoff.removals import FidelitySettings
from lightning_spx.models.image_model import ImageModel
from lightning_spx.reporting.rows import PASSES
from lightning_spx.runs.blocks import check_rows, in_all, read_rows, write_rows
from lightning_spx.runs.example_maps import Examples, spread_positions
from lightning_spx.runs.files import file_name
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import is_writer, own_share
from lightning_spx.runs.record import RunRecord
from lightning_spx.superpixels import ImagePooling

# columns that each file of fidelity values must have
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
        name: text that identifies settings, data and weights, and is kept with the values.
        known: the images.
        models: models in evaluation mode on the device, by name.
        preds: (M, N) the models' predictions.
        explained: (M, N) the class that each model explains.
        methods: attribution methods by their names in tables.
        segmenters: segmenters by their names in tables; each size is a segmenter of its own.
        magnitudes: orders of pooling and taking magnitudes.
        settings: how pixels are removed.
        device: the models' device.
        seed: seeds nulls and controls.
        to_rgb: what pictures show of images and segmenters of RGB get; None takes RGB and gray as they are.
    """

    run: RunFolder
    record: RunRecord
    name: str
    known: SampledImages
    models: Mapping[str, ImageModel]
    preds: Tensor
    explained: Tensor
    methods: Mapping[str, Attribution]
    superpixels: Mapping[str, ImagePooling]
    magnitudes: Sequence[Magnitude]
    settings: FidelitySettings
    device: torch.device
    seed: int
    to_rgb: ToRgb | None = None

    def measure(self) -> None:
        """Measure every method; values that are on disk are not measured again.

        Raises:
            ValueError: a file on disk is damaged, or belongs to other settings, data or weights; the error names it.
        """
        of_method = {name: [self._stability_file(name), *self._fidelity_files(name).values()] for name in self.methods}
        for path in [*chain.from_iterable(of_method.values()), self._partition_file()]:
            if path.is_file():
                self.record.add_environment(check_rows(path, self.name))
        missing = [name for name, paths in of_method.items() if not all(path.is_file() for path in paths)]
        if not missing:
            return
        known = self.known
        permutation = derangement(len(known.images), self.seed)
        segmented = SegmentedImages(
            known.images,
            known.index,
            permutation,
            self.seed,
            batch_size=self.settings.batch_size,
            device=self.device,
            source=known.source,
            to_rgb=self.to_rgb,
        )
        guides = segmented.guides(self.superpixels)
        poolings = make_poolings(guides, known.index, permutation, self.seed)
        # methods with segments of their own have no pixel map to blur, and do not see these poolings
        poolings += [*reference_poolings(known.images), *blurs_of_all_widths(known.images[:, 0])]
        self.record.lap("segment")
        if not self._partition_file().is_file():
            self._write(self._partition_file(), measure_partitions(poolings, known.images, known.index))
            self.record.lap("partitions")
        label = self.preds[0] if known.label is None else known.label
        images = ImageFacts(known.index, label, self.preds, None, permutation)
        for name in missing:
            # explain once for all poolings and sizes
            ways = ways_of(self.methods[name], poolings, segmented)
            explained = [self._attributions(name, way) for way in ways]
            attributions = [maps for maps, _ in explained]
            self.record.lap(f"explain {name}")
            if not self._stability_file(name).is_file():
                other = torch.from_numpy(permutation)
                # over the segments of the images that they are mismatched with
                mismatched = [None if way.segments is None else self._attributions(name, way, other)[0] for way in ways]
                settings = ComparisonSettings(self.magnitudes, has_one_order(self.methods[name]), self.seed)
                references = References.of(known.images, baselines_of(self.methods[name]))
                compared = [
                    compare(
                        maps, way.poolings, images, settings, distances=[], mismatched=others, references=references
                    ).assign(**dict(zip(PASSES, passes, strict=True)))
                    for (maps, passes), others, way in zip(explained, mismatched, ways, strict=True)
                ]
                self._keep_examples(name, attributions[0], ways[0].poolings)
                values = pd.concat(compared, ignore_index=True)
                self._write(self._stability_file(name), values.assign(method=name, repeat=0))
                self.record.lap(f"compare {name}")
            self._measure_fidelity(name, attributions, ways)

    def _measure_fidelity(self, name: str, attributions: Sequence[Tensor], ways: Sequence[Way]) -> None:
        for number, (model_name, path) in enumerate(self._fidelity_files(name).items()):
            if not path.is_file():
                of_ways = [
                    fidelity_of(
                        self.models[model_name],
                        self.known.images,
                        self.explained[number],
                        maps[number],
                        in_orders(way.poolings, self.magnitudes, has_one_order(self.methods[name])),
                        self.settings,
                        f"fidelity of {name}, {model_name}",
                    )
                    for maps, way in zip(attributions, ways, strict=True)
                ]
                values = pd.concat(of_ways, ignore_index=True)
                values["index"] = self.known.index.numpy()[values["position"]]
                self._write(path, values.assign(method=name, model=model_name))
                self.record.lap(f"fidelity {name}")

    def stability_values(self) -> pd.DataFrame:
        """Read the rows of `compare` for all methods, with the column `method`."""
        files = [self._stability_file(name) for name in self.methods]
        return pd.concat(read_rows(files), ignore_index=True)

    def fidelity_values(self) -> pd.DataFrame:
        """Read the rows of `fidelity_of` for all methods, with the columns `method`, `model` and `index`."""
        parts = []
        for name in self.methods:
            paths = list(self._fidelity_files(name).values())
            # a file of an earlier version may lack rows, which then are not of all models
            names = {superpixels for (superpixels,) in in_all(paths, ["superpixels"])}
            parts += [rows[rows["superpixels"].isin(names)] for rows in read_rows(paths, columns=FIDELITY_COLUMNS)]
        return pd.concat(parts, ignore_index=True)

    def partition_values(self) -> pd.DataFrame:
        """Read the rows of `measure_partitions`; none if an earlier version measured all methods."""
        path = self._partition_file()
        return next(read_rows([path], columns=COLUMNS)) if path.is_file() else pd.DataFrame(columns=[*COLUMNS])

    def _attributions(
        self, name: str, way: Way, order: slice | Tensor = EVERY_IMAGE
    ) -> tuple[Tensor, tuple[float, float]]:
        """Explain every image with every model, (M, N, C, H, W), and count the first one's passes for an image.

        Each model draws its own noise. With an order, images are explained over the segments of others.
        """
        own = len(own_share(len(self.known.images)))
        explained = [
            counted_passes(
                partial(
                    explain_together,
                    method=reseed(way.method, number),
                    images=self.known.images[order],
                    target=self.explained[number][order],
                    batch_size=self.settings.batch_size,
                    device=self.device,
                    description=f"{name}, {model_name}",
                    segments=way.segments,
                ),
                model,
                own,
            )
            for number, (model_name, model) in enumerate(self.models.items())
        ]
        return torch.stack([maps for maps, _ in explained]), explained[0][1]

    def _stability_file(self, method: str) -> Path:
        return self.run.path / "per_image" / f"stability_{file_name(method)}.parquet"

    def _fidelity_files(self, method: str) -> dict[str, Path]:
        folder = self.run.path / "per_image"
        return {name: folder / f"fidelity_{file_name(f'{method}_{name}')}.parquet" for name in self.models}

    def _partition_file(self) -> Path:
        return self.run.path / "per_image" / "partitions.parquet"

    def _keep_examples(self, method: str, attributions: Tensor, poolings: Sequence[Pooling]) -> None:
        if is_writer():
            chosen = spread_positions(len(self.known.images))
            pictures = shown(self.known.images[chosen], self.to_rgb)
            kept = keep_examples(pictures, attributions[:, chosen], poolings, chosen)
            kept.save(Examples.path(self.run.path, method))

    def _write(self, path: Path, values: pd.DataFrame) -> None:
        if is_writer():
            write_rows(path, values, self.name, self.record.environment)
