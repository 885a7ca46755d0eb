"""Writes outcomes to files of the result folder and mirrors them in the loggers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from lightning import Trainer
from lightning.pytorch.loggers import Logger
from PIL import Image
from rich.console import Console

from lightning_spx.evaluation.callbacks.agreement import PREVIOUS, finding_ending, row_key, row_name
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.callbacks.map_pictures import panels, picture_cells
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
    stability_table,
)
from lightning_spx.reporting.rows import ALL_PAIRS, without_controls
from lightning_spx.reporting.scalars import numbers_of
from lightning_spx.reporting.tables import print_table
from lightning_spx.reporting.trainer_folder import trainer_folder
from lightning_spx.runs.example_maps import spread_positions
from lightning_spx.runs.files import file_name, write_atomic, write_table

FOLDER = "saliency"
# those of a row that a summary logs
NUMBERS = ("value", "ci_low", "ci_high", "floor", "excess", "gain", "gain_low", "gain_high")


def result_folder(trainer: Trainer, out: str | Path | None, folder: str = FOLDER) -> Path | None:
    """Return the folder for files: `out`, or one in the first logger's folder; None in a `fast_dev_run`.

    Without a logger it is a folder under the Trainer's root, such as `saliency`, or `saliency-v1` and so on if that
    exists.

    Args:
        trainer: of the run.
        out: the user's choice, or None.
        folder: its name if the user has not chosen.
    """
    if getattr(trainer, "fast_dev_run", False):
        return None
    if out is not None:
        return Path(out)
    own = trainer_folder(trainer)
    if own is not None:
        return own / folder
    root = Path(trainer.default_root_dir)
    taken = (root / folder, *(root / f"{folder}-v{number}" for number in range(1, 10_000)))
    return next(path for path in taken if not path.exists())


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
            log_picture(self.loggers, f"{self.settings.stage(stage)}/panels/{method}", picture, step)

    def segments(self, explained: ExplainedImages, stage: str, step: int) -> None:
        """Log a few images with their segments, which stay the same in all evaluations; nothing if all are filters."""
        if not explained.segments:
            return
        chosen = spread_positions(len(explained.images))
        segments = {name: segments[chosen] for name, segments in explained.segments.items()}
        every = explained.captions()
        captions = [every[position] for position in chosen]
        name = f"{self.settings.stage(stage)}/segments"
        log_segmented(self.loggers, name, explained.photos[chosen], segments, captions, step)

    def summary(
        self,
        outcome: Outcome,
        per_image: pd.DataFrame,
        explained: ExplainedImages,
        stage: str,
        dataset: str,
        weights: str,
        step: int,
    ) -> None:
        """Write and log numbers with intervals and gains and the values per image, and print the table of SSIM.

        Args:
            outcome: of the evaluation.
            per_image: its rows, controls included.
            explained: the images.
            stage: `val` or `test`.
            dataset: name of the data in the table.
            weights: which weights of the model were explained, in a few words.
            step: of the Trainer.
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
        key = self.settings.stage(stage)
        log_table(self.loggers, f"{key}/results", results)
        cells = picture_cells(outcome.maps, explained, self.settings.magnitude)
        log_map_table(self.loggers, f"{key}/per_image", values, cells)

        # the evaluations log references and the previous state apart, under the keys that one of them alone would have
        pairs = set(per_image["pair"])
        together = f"/{ALL_PAIRS}" if PREVIOUS in pairs and len(pairs) > 1 else ""

        def prefix(row: pd.Series) -> str:
            ending = together + finding_ending(row["setting"])
            return f"{key}/{row['metric']}/{row_key(row['method'], row['superpixels'])}{ending}"

        log_summary(self.loggers, numbers_of(results, prefix, NUMBERS), step)
        print_table(Console(), stability_table(results, "saliency_ssim", ""))

    def finish(self) -> None:
        """Give the folder to the loggers that store folders, and print its path."""
        if self.folder is not None and self.folder.is_dir():
            name = self.settings.word(FOLDER)
            log_folder(self.loggers, name, self.folder)
            Console().print(f"{name}: {self.folder}", markup=False, highlight=False, soft_wrap=True)


def image_values(outcome: Outcome, explained: ExplainedImages) -> pd.DataFrame:
    """Return a row for each map: its image, what the model says of it, and its agreement values.

    The model says a class, whose label, prediction and probability of the explained class are there; or whether the
    image has a finding, with a row for each finding that is explained; or one number.
    """
    maps = outcome.maps
    columns: dict[str, object] = {"position": range(len(maps.preds))}
    if maps.items is not None:
        names = [maps.items.findings[number] for number in maps.items.finding.tolist()]
        columns = {"position": maps.items.image.numpy(), "finding": names}
        columns |= {"label": maps.items.of(explained.label).numpy(), "prediction": maps.items.of(maps.preds).numpy()}
    elif explained.head == "single_label":
        columns |= {"label": explained.label.numpy(), "prediction": maps.preds.numpy()}
    columns["output" if explained.head == "scalar" else "probability"] = maps.probability.numpy()
    table = pd.DataFrame(columns)
    if outcome.per_image is not None:
        own = without_controls(outcome.per_image)
        keys, of_table = ["index"], ["position"]
        if maps.items is not None:
            keys, of_table = ["index", "finding"], ["position", "finding"]
        places = list(table[of_table].itertuples(index=False, name=None))
        for (pair, method, name, metric), rows in own.groupby(["pair", "method", "superpixels", "metric"], sort=False):
            column = f"{metric}/{row_name(str(method), str(name))}/{pair}"
            known = dict(zip(rows[keys].itertuples(index=False, name=None), rows["value"], strict=True))
            table[column] = [known.get(place, np.nan) for place in places]
    return table
