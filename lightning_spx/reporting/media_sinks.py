"""Sends pictures, tables with pictures, and folders to the loggers that show them; files hold the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.reporting.delivery import deliver
from lightning_spx.reporting.safe_keys import safe_key


def log_picture(loggers: Sequence[Logger], name: str, picture: NDArray[np.uint8], step: int) -> None:
    """Send a picture (H, W, 3) to W&B, TensorBoard, MLflow and Comet; other loggers show none.

    Raises:
        TypeError: the picture is not uint8, for some loggers would cast 0.31 to 0 and show black.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_picture([CSVLogger(folder)], "maps", np.zeros((8, 8, 3), np.uint8), step=7)
    """
    _check_bytes("picture", picture)
    deliver(loggers, "pictures", lambda sink: sink.picture(safe_key(name), lambda: picture, step))


def log_segmented(
    loggers: Sequence[Logger],
    name: str,
    images: Tensor,
    segments: Mapping[str, Tensor],
    captions: Sequence[str],
    step: int,
) -> None:
    """Send photos with segments, to W&B as masks that a reader can switch, to others as a picture with their borders.

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
    deliver(loggers, "segments", lambda sink: sink.segmented(safe_key(name), images, segments, captions, step))


def log_map_table(
    loggers: Sequence[Logger], name: str, values: pd.DataFrame, pictures: Mapping[str, Sequence[NDArray[np.uint8]]]
) -> None:
    """Send values per image to W&B as a table with pictures in its cells; others get the values as `log_table` says.

    Args:
        loggers: loggers of any kind.
        name: of the table.
        values: a row for each image; a missing value is an empty cell.
        pictures: (H, W, 3) for each image, by column; these columns come first.

    Raises:
        TypeError: a picture is not uint8.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pictures = {"photo": [np.zeros((8, 8, 3), np.uint8)]}
        ...     log_map_table([CSVLogger(folder)], "maps", pd.DataFrame({"ssim": [0.5]}), pictures)
    """
    for heading, column in pictures.items():
        for picture in column:
            _check_bytes(f"pictures[{heading!r}]", picture)
    deliver(loggers, "tables of pictures", lambda sink: sink.map_table(safe_key(name), values, pictures))


def log_folder(loggers: Sequence[Logger], name: str, folder: Path) -> None:
    """Send a folder of results to W&B, MLflow and Comet; TensorBoard and others keep none.

    Args:
        loggers: loggers of any kind.
        name: of the artifact.
        folder: the folder of files.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_folder([CSVLogger(folder)], "results", Path(folder))
    """
    deliver(loggers, "folders", lambda sink: sink.folder(safe_key(name), folder))


def _check_bytes(name: str, picture: NDArray[np.uint8]) -> None:
    if picture.dtype != np.uint8:
        raise TypeError(f"Expected `{name}` to be uint8, got {picture.dtype}: round 255 times values in [0, 1].")
