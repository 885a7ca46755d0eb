"""Sends pictures, tables with pictures, and folders to the loggers that show them; files hold the same."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.reporting.panels import map_grid, outline_segments, picture_of

# W&B stores masks as signed bytes and takes 0 for no class
NUM_MASK_CLASSES = 127


@rank_zero_only
def log_picture(loggers: Sequence[Logger], name: str, picture: NDArray[np.uint8], step: int) -> None:
    """Send a picture (H, W, 3) to W&B and TensorBoard; other loggers show none.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_picture([CSVLogger(folder)], "maps", np.zeros((8, 8, 3), np.uint8), step=7)
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(name, [picture], step)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, picture, step, dataformats="HWC")


@rank_zero_only
def log_segmented(
    loggers: Sequence[Logger],
    name: str,
    images: Tensor,
    segments: Mapping[str, Tensor],
    captions: Sequence[str],
    step: int,
) -> None:
    """Send photos with segments, to W&B as masks that a reader can switch, to TensorBoard with drawn borders.

    Args:
        loggers: loggers of any kind.
        name: of the pictures.
        images: (n, C, H, W) in [0, 1], shown as `as_photos` says.
        segments: (n, H, W) of each segmenter, by name.
        captions: of the n images.
        step: of the Trainer.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ids = {"Slic": torch.zeros(1, 8, 8, dtype=torch.int64)}
        ...     log_segmented([CSVLogger(folder)], "segments", torch.rand(1, 3, 8, 8), ids, ["owl"], step=7)
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            masks = [
                {partition: _mask(ids[position]) for partition, ids in segments.items()}
                for position in range(len(images))
            ]
            pictures = [picture_of(image) for image in images]
            logger.log_image(name, pictures, step, caption=list(captions), masks=masks)
        elif isinstance(logger, TensorBoardLogger):
            outlined = {partition: outline_segments(images, ids) for partition, ids in segments.items()}
            picture = map_grid({"image": images, **outlined})
            logger.experiment.add_image(name, picture, step, dataformats="HWC")


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


@rank_zero_only
def log_map_table(
    loggers: Sequence[Logger], name: str, values: pd.DataFrame, pictures: Mapping[str, Sequence[NDArray[np.uint8]]]
) -> None:
    """Send values per image to W&B as a table with pictures in its cells; other loggers show none.

    Args:
        loggers: loggers of any kind.
        name: of the table.
        values: a row for each image; a missing value is an empty cell.
        pictures: (H, W, 3) for each image, by column; these columns come first.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pictures = {"photo": [np.zeros((8, 8, 3), np.uint8)]}
        ...     log_map_table([CSVLogger(folder)], "maps", pd.DataFrame({"ssim": [0.5]}), pictures)
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            # imported here, because only a WandbLogger guarantees that it is installed
            import wandb

            columns = {heading: [wandb.Image(picture) for picture in column] for heading, column in pictures.items()}
            plain = values.astype(object).where(values.notna(), None)
            rows = [
                [*(column[row] for column in columns.values()), *plain.iloc[row].tolist()] for row in range(len(values))
            ]
            logger.log_table(name, columns=[*columns, *map(str, values.columns)], data=rows)


@rank_zero_only
def log_folder(loggers: Sequence[Logger], name: str, folder: Path) -> None:
    """Send a folder of results to W&B as an artifact; other loggers keep none.

    Args:
        loggers: loggers of any kind.
        name: of the artifact; characters that W&B does not allow become hyphens.
        folder: the folder of files.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_folder([CSVLogger(folder)], "results", Path(folder))
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            run = logger.experiment
            # W&B takes artifacts of the same name, even of several runs, for versions of one
            artifact = wandb.Artifact(re.sub(r"[^A-Za-z0-9_.-]", "-", f"{name}-{run.id}"), type="saliency")
            artifact.add_dir(str(folder))
            run.log_artifact(artifact)
