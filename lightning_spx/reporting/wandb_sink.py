"""What W&B takes: tables with pictures, segments as masks, folders as artifacts, and a summary."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import WandbLogger
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.reporting.panels import picture_of
from lightning_spx.reporting.sink import Picture, Sink, without_gaps

# W&B stores masks as signed bytes and takes 0 for no class
NUM_MASK_CLASSES = 127


class WandbSink(Sink[WandbLogger]):
    """Sends everything to W&B, which has a place for each."""

    def summary(self, values: Mapping[str, float], step: int | None) -> None:
        """Put the numbers into the run's summary."""
        self.logger.experiment.summary.update(dict(values))

    def text(self, name: str, text: str) -> None:
        """Put the sentence into the run's summary."""
        self.logger.experiment.summary[name] = text

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Send the table; a missing value is an empty cell."""
        self.logger.log_table(name, dataframe=without_gaps(table))

    def map_table(self, name: str, values: pd.DataFrame, pictures: Mapping[str, Sequence[Picture]]) -> None:
        """Send the table with its pictures first."""
        # imported here, because only a WandbLogger guarantees that it is installed
        import wandb

        columns = {heading: [wandb.Image(picture) for picture in column] for heading, column in pictures.items()}
        plain = without_gaps(values)
        rows = [
            [*(column[row] for column in columns.values()), *plain.iloc[row].tolist()] for row in range(len(values))
        ]
        self.logger.log_table(name, columns=[*columns, *map(str, values.columns)], data=rows)

    def picture(self, name: str, draw: Callable[[], Picture], step: int | None) -> None:
        """Send the picture."""
        import wandb

        if step is None:
            self.logger.experiment.log({name: wandb.Image(draw())})
        else:
            self.logger.log_image(name, [draw()], step)

    def segmented(
        self, name: str, images: Tensor, segments: Mapping[str, Tensor], captions: Sequence[str], step: int
    ) -> None:
        """Send the photos with masks that a reader can switch."""
        masks = [
            {partition: _mask(ids[position]) for partition, ids in segments.items()} for position in range(len(images))
        ]
        pictures = [picture_of(image) for image in images]
        self.logger.log_image(name, pictures, step, caption=list(captions), masks=masks)

    def folder(self, name: str, folder: Path) -> None:
        """Send the folder as an artifact; characters that W&B does not allow in its name become hyphens."""
        import wandb

        run = self.logger.experiment
        # W&B takes artifacts of the same name, even of several runs, for versions of one
        artifact = wandb.Artifact(re.sub(r"[^A-Za-z0-9_.-]", "-", f"{name}-{run.id}"), type="saliency")
        artifact.add_dir(str(folder))
        run.log_artifact(artifact)


def _mask(segments: Tensor) -> dict[str, object]:
    classes = mask_classes(segments.cpu().numpy())
    members: dict[int, list[int]] = {}
    for segment, chosen in sorted(set(zip(segments.flatten().tolist(), classes.flatten().tolist(), strict=True))):
        members.setdefault(chosen, []).append(segment)
    labels = {chosen: f"segment {', '.join(map(str, own))}" for chosen, own in members.items()}
    return {"mask_data": classes, "class_labels": labels}


def mask_classes(segments: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Number the segments of one image from 1 to 127, the highest number in a mask of W&B.

    If there are more segments, some share a number, but preferably none that touch, so that the picture separates them.

    Args:
        segments: (H, W) ids from 0.

    Returns:
        (H, W) uint8.

    Example:
        >>> mask_classes(np.array([[0, 0, 1, 127]])).tolist()
        [[1, 1, 2, 1]]
    """
    if segments.max() < NUM_MASK_CLASSES:
        return (segments + 1).astype(np.uint8)
    sides = [
        np.stack([first.ravel(), second.ravel()])
        for first, second in ((segments[:, 1:], segments[:, :-1]), (segments[1:], segments[:-1]))
    ]
    neighbors: dict[int, set[int]] = {}
    for first, second in np.unique(np.concatenate(sides, axis=1), axis=1).T.tolist():
        if first != second:
            neighbors.setdefault(first, set()).add(second)
            neighbors.setdefault(second, set()).add(first)
    chosen = np.zeros(segments.max() + 1, dtype=np.uint8)
    for segment in range(len(chosen)):
        taken = {int(chosen[other]) for other in neighbors.get(segment, ())}
        preferred = segment % NUM_MASK_CLASSES + 1
        chosen[segment] = next(
            (number for number in (preferred, *range(1, NUM_MASK_CLASSES + 1)) if number not in taken), preferred
        )
    return chosen[segments]
