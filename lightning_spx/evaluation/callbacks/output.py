"""Writes outcomes to files of the result folder and mirrors them in the loggers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from lightning import Trainer
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from torch import Tensor

from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.agreement import ExplainedImages, pooled_maps, row_name
from lightning_spx.evaluation.callbacks.pipeline import Outcome
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.reporting import (
    log_folder,
    log_map_table,
    log_picture,
    log_segmented,
    log_summary,
    log_table,
    map_grid,
    outline_segments,
    picture_of,
    stability_table,
)
from lightning_spx.reporting.rows import without_controls
from lightning_spx.reporting.scalars import numbers_of
from lightning_spx.reporting.tables import print_table
from lightning_spx.reporting.trainer_folder import trainer_folder
from lightning_spx.runs.example_maps import spread_positions
from lightning_spx.runs.files import file_name, write_atomic, write_table

FOLDER = "saliency"
# those of a row that a summary logs
NUMBERS = ("value", "ci_low", "ci_high", "floor", "excess", "gain", "gain_low", "gain_high")


def result_folder(trainer: Trainer, out: str | Path | None) -> Path | None:
    """Return the folder for files: `out`, or `saliency` in the first logger's folder; None in a `fast_dev_run`.

    Without a logger it is `saliency` under the Trainer's root, or `saliency-v1` and so on if that exists.
    """
    if getattr(trainer, "fast_dev_run", False):
        return None
    if out is not None:
        return Path(out)
    own = trainer_folder(trainer)
    if own is not None:
        return own / FOLDER
    root = Path(trainer.default_root_dir)
    taken = (root / FOLDER, *(root / f"{FOLDER}-v{number}" for number in range(1, 10_000)))
    return next(path for path in taken if not path.exists())


def panels(outcome: Outcome, explained: ExplainedImages, magnitude: Magnitude) -> dict[str, NDArray[np.uint8]]:
    """Draw a few images for each method, with segments, this model's maps and those of the first other model."""
    chosen = spread_positions(len(explained.images))
    photos = explained.images[chosen]
    outlined = {name: outline_segments(photos, segments[chosen]) for name, segments in explained.segments.items()}
    pictures = {}
    for method, attribution in outcome.maps.attributions.items():
        columns: dict[str, Tensor] = {"image": photos, **outlined}
        own = pooled_maps(attribution, explained, magnitude)
        columns |= {row_name(method, name): maps[chosen] for name, maps in own.items()}
        for other, maps in list(outcome.others.items())[:1]:
            if method in maps.attributions:
                pooled = pooled_maps(maps.attributions[method], explained, magnitude)
                columns |= {f"{row_name(method, name)}, {other}": value[chosen] for name, value in pooled.items()}
        pictures[method] = map_grid(columns)
    return pictures


class Output:
    """Writes and logs the results of one run of a Trainer, on the first process only.

    Args:
        folder: receives the files; None writes none.
        loggers: of the Trainer.
        settings: of the callback.
    """

    def __init__(self, folder: Path | None, loggers: Sequence[Logger], settings: Settings) -> None:
        self.folder = folder
        self.loggers = loggers
        self.settings = settings

    def history(self, rows: Sequence[Mapping[str, float | str]]) -> None:
        """Write `history.csv`, a row for each evaluation."""
        if self.folder is not None:
            write_table(self.folder / "history.csv", pd.DataFrame(list(rows)))

    def panels(self, outcome: Outcome, explained: ExplainedImages, stage: str, epoch: int, step: int) -> None:
        """Write the panels to `panels/` and log them."""
        for method, picture in panels(outcome, explained, self.settings.magnitude).items():
            if self.folder is not None:
                path = self.folder / "panels" / f"{stage}_epoch{epoch:04d}_{file_name(method)}.png"
                write_atomic(path, Image.fromarray(picture).save)
            log_picture(self.loggers, f"{stage}/panels/{method}", picture, step)

    def segments(self, explained: ExplainedImages, class_of: Sequence[str], stage: str, step: int) -> None:
        """Log a few images with their segments, which stay the same in all evaluations."""
        chosen = spread_positions(len(explained.images))
        segments = {name: segments[chosen] for name, segments in explained.segments.items()}
        captions = [class_of[position] for position in chosen]
        log_segmented(self.loggers, f"{stage}/segments", explained.images[chosen], segments, captions, step)

    def summary(
        self,
        outcome: Outcome,
        per_image: pd.DataFrame,
        explained: ExplainedImages,
        stage: str,
        dataset: str,
        weights: str,
    ) -> None:
        """Write and log numbers with intervals and gains and the values per image, and print the table of SSIM.

        Args:
            outcome: of the evaluation.
            per_image: its rows, controls included.
            explained: the images.
            stage: `val` or `test`.
            dataset: name of the data in the table.
            weights: which weights of the model were explained, in a few words.
        """
        results = summarize(
            per_image,
            dataset=dataset,
            models=f"this model and {', '.join(outcome.others)}",
            num_resamples=self.settings.num_resamples,
            seed=self.settings.seed,
        ).assign(weights=weights)
        values = image_values(outcome, explained)
        if self.folder is not None:
            write_table(self.folder / f"{stage}_results.csv", results)
            write_table(self.folder / f"{stage}_per_image.csv", values)
        log_table(self.loggers, f"{stage}/results", results)
        log_map_table(self.loggers, f"{stage}/per_image", values, _cells(outcome, explained, self.settings.magnitude))
        scalars = numbers_of(
            results, lambda row: f"{stage}/{row['metric']}/{row_name(row['method'], row['superpixels'])}", NUMBERS
        )
        log_summary(self.loggers, scalars)
        print_table(Console(), stability_table(results, "saliency_ssim", ""))

    def finish(self, name: str) -> None:
        """Give the folder to the loggers that store folders, and print its path."""
        if self.folder is not None and self.folder.is_dir():
            log_folder(self.loggers, name, self.folder)
            Console().print(f"saliency: {self.folder}", markup=False, highlight=False, soft_wrap=True)


def image_values(outcome: Outcome, explained: ExplainedImages) -> pd.DataFrame:
    """Return a row for each image: its classes, the probability of the explained class, and its agreement values."""
    table = pd.DataFrame(
        {
            "position": range(len(outcome.maps.preds)),
            "label": explained.label.numpy(),
            "prediction": outcome.maps.preds.numpy(),
            "probability": outcome.maps.probability.numpy(),
        }
    )
    if outcome.per_image is not None:
        own = without_controls(outcome.per_image)
        for (pair, method, name, metric), rows in own.groupby(["pair", "method", "superpixels", "metric"], sort=False):
            column = f"{metric}/{row_name(str(method), str(name))}/{pair}"
            table[column] = rows.set_index("index")["value"].reindex(table["position"]).to_numpy()
    return table


def _cells(outcome: Outcome, explained: ExplainedImages, magnitude: Magnitude) -> dict[str, list[NDArray[np.uint8]]]:
    """Draw every image and each of its maps as separate pictures."""
    cells = {"image": [picture_of(photo) for photo in explained.images]}
    for name, segments in explained.segments.items():
        cells[name] = [picture_of(photo) for photo in outline_segments(explained.images, segments)]
    for method, attribution in outcome.maps.attributions.items():
        for name, maps in pooled_maps(attribution, explained, magnitude).items():
            cells[row_name(method, name)] = [picture_of(one) for one in maps]
    return cells
