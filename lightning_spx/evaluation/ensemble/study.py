"""Runs an ensemble study: every model explains the images of a shard once, and groups of models are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.reseed import reseed
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.ensemble.assignments import Assignment
from lightning_spx.evaluation.ensemble.group_maps import compare_groups, rows_of
from lightning_spx.evaluation.maps.attributions import explain, predict
from lightning_spx.evaluation.maps.colors import ToRgb, shown
from lightning_spx.evaluation.maps.guides import guide_images
from lightning_spx.evaluation.maps.kept_examples import keep_examples
from lightning_spx.evaluation.maps.pooling_lists import control_kinds, make_poolings
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.sampled_images import SampledImages
from lightning_spx.evaluation.maps.shards import Shard
from lightning_spx.models.image_model import ImageModel
from lightning_spx.runs.blocks import VARIANTS, check_rows, read_rows, write_rows
from lightning_spx.runs.example_maps import Examples, spread_positions
from lightning_spx.runs.files import file_name
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import is_writer, num_processes, process_number, wait_for_all
from lightning_spx.runs.record import RunRecord
from lightning_spx.superpixels import ImagePooling

# columns that each file of values must have
COLUMNS = (
    *("method", "superpixels", "magnitude", "averaged", "left_out", "metric", "setting", "index"),
    *("num_segments", "constant", *VARIANTS),
)


@dataclass(frozen=True)
class EnsembleStudy:
    """An ensemble study whose images and models are known.

    Args:
        run: receives the per-image values and the examples.
        record: receives the seconds of each stage.
        name: text that identifies settings, data and weights, and is kept with the values.
        drawn: the images.
        shards: the shards of these images.
        models: models in evaluation mode on the device, by name.
        methods: attribution methods by their names in tables.
        superpixels: segmenters and filters by their names in tables.
        magnitudes: orders of pooling and taking magnitudes.
        assignments: of models to two groups, by the size of the groups.
        target: explain the label, each model's prediction, or the one output that each model has.
        batch_size: number of images explained at a time.
        device: the models' device.
        seed: seeds nulls and controls.
        to_rgb: what pictures show of images and segmenters of RGB get; None takes RGB and gray as they are.
    """

    run: RunFolder
    record: RunRecord
    name: str
    drawn: SampledImages
    shards: Sequence[Shard]
    models: Mapping[str, ImageModel]
    methods: Mapping[str, Attribution]
    superpixels: Mapping[str, ImagePooling]
    magnitudes: Sequence[Magnitude]
    assignments: Mapping[int, list[Assignment]]
    target: Literal["label", "prediction", "output"]
    batch_size: int
    device: torch.device
    seed: int
    to_rgb: ToRgb | None = None

    def measure(self) -> None:
        """Measure every method on every shard, divided among the processes; what is on disk is not measured again.

        Raises:
            ValueError: a file on disk is damaged, or belongs to other settings, data or weights; the error names it.
        """
        for method in self.methods:
            for path in self.files(method):
                if path.is_file():
                    self.record.add_environment(check_rows(path, self.name))
        own = self.shards[process_number() :: num_processes()]
        left = {shard.number: self._missing(shard) for shard in own}
        with _progress() as progress:
            steps = sum(len(shard.positions) * self._steps(name) for shard in own for name in left[shard.number])
            task = progress.add_task("explain and compare", total=steps)
            for shard in own:
                if left[shard.number]:
                    self._measure_shard(shard, left[shard.number], lambda count: progress.advance(task, count))
        wait_for_all()

    def files(self, method: str) -> list[Path]:
        """List the files of a method's values, shard by shard."""
        return [self._file(shard, method) for shard in self.shards]

    def values(self, method: str, metric: str, setting: str) -> pd.DataFrame:
        """Read the rows of `compare_groups` for one metric of one method."""
        return pd.concat(read_rows(self.files(method), metric, setting, COLUMNS), ignore_index=True)

    def _missing(self, shard: Shard) -> list[str]:
        return [name for name in self.methods if not self._file(shard, name).is_file()]

    def _steps(self, method: str) -> int:
        """Return the number of steps on each image: an explanation by every model, and all rows."""
        rows = 1 + sum(1 + len(control_kinds(each)) for each in self.superpixels.values())
        return len(self.models) + rows * (1 if self.methods[method].non_negative else len(self.magnitudes))

    def _measure_shard(self, shard: Shard, methods: Sequence[str], advance: Callable[[int], object]) -> None:
        positions = torch.from_numpy(shard.positions)
        index = self.drawn.index[positions]
        images, _ = self.drawn.read(shard.positions.tolist())
        numbers = index.tolist()
        preds = [predict(each, images, self.batch_size, self.device, numbers=numbers) for each in self.models.values()]
        guides = guide_images(
            self.superpixels, images, self.batch_size, self.device, self.drawn.source, index, self.to_rgb
        )
        poolings = make_poolings(guides, index, shard.permutation, self.seed)
        self.record.count("predict and segment")
        for name in methods:
            method = self.methods[name]
            attributions = torch.stack(
                [
                    self._explain(model, reseed(method, number), images, positions, preds[number], advance)
                    for number, model in enumerate(self.models.values())
                ]
            )
            self.record.count(f"explain {name}")
            rows = rows_of(poolings, self.magnitudes, method.non_negative)
            values = compare_groups(attributions, rows, index, shard.permutation, self.assignments, self.seed, advance)
            if shard.number == 0:
                self._keep_examples(name, images, attributions, poolings)
            write_rows(self._file(shard, name), values.assign(method=name), self.name, self.record.environment)
            self.record.lap(f"compare {name}")

    def _explain(
        self,
        model: ImageModel,
        method: Attribution,
        images: Tensor,
        positions: Tensor,
        preds: Tensor,
        advance: Callable[[int], object],
    ) -> Tensor:
        """Explain images with a model, whose random methods draw noise of their own."""
        of_class = self.drawn.labels(positions) if self.target == "label" else preds
        target = None if self.target == "output" else of_class
        return explain(model, method, images, target, batch_size=self.batch_size, device=self.device, advance=advance)

    def _keep_examples(self, method: str, images: Tensor, attributions: Tensor, poolings: Sequence[Pooling]) -> None:
        chosen = spread_positions(len(images))
        kept = keep_examples(shown(images[chosen], self.to_rgb), attributions[:, chosen], poolings, chosen)
        kept.save(Examples.path(self.run.path, method))

    def _file(self, shard: Shard, method: str) -> Path:
        return self.run.path / "per_image" / f"shard{shard.number:04d}_{file_name(method)}.parquet"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), transient=True, disable=not is_writer())
