"""All that a logger can be sent, for tests that read back what it kept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure

from lightning_spx.reporting import (
    finish,
    log_config,
    log_figure,
    log_folder,
    log_map_table,
    log_picture,
    log_scalars,
    log_segmented,
    log_summary,
    log_table,
    log_text,
    picture_of,
)

NAN = float("nan")
IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
SEGMENTS = {"Slic": torch.arange(64).view(1, 8, 8).expand(2, -1, -1) // 16, "Grid": torch.arange(128).view(2, 8, 8) % 5}
PICTURE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
VALUES = pd.DataFrame({"ssim": [0.5, NAN], "class": ["<b>owl</b>", "jay"]})
CAPTIONS = ["<script>alert(1)</script>", "jay"]
CONFIG = {"seed": 3, "data": {"class_path": "SyntheticBirdsDataModule", "init_args": {"plan": "disjoint"}}}
# keys as a user's classes make them, and what they are in every logger
SCALARS = {
    "val/ssim/Gradient/value": 0.5,
    "val/ssim/Gradient/floor": 0.125,
    "val/ssim/S-SmoothGrad(num_samples=4)/Slic/value": 0.375,
    "val/ssim/Gradient/50%; 肺炎/value": -0.25,
}
KEPT = {
    "val/ssim/Gradient/value": 0.5,
    "val/ssim/Gradient/floor": 0.125,
    "val/ssim/S-SmoothGrad-num_samples-4/Slic/value": 0.375,
    "val/ssim/Gradient/50-x25-- -x80ba--x708e/value": -0.25,
}
SENTENCE = "Partly: the maps agree best by “S-Gradient”, excess 0.43 [0.41, 0.45]."


def results_in(folder: Path) -> Path:
    """A folder of results with a file and a picture."""
    (folder / "panels").mkdir(parents=True)
    (folder / "history.csv").write_text("epoch\n0\n")
    (folder / "panels" / "0.png").write_bytes(b"picture")
    return folder


def send_everything(loggers: Sequence[Logger], folder: Path) -> None:
    log_config(loggers, CONFIG)
    log_scalars(loggers, SCALARS, 7)
    log_picture(loggers, "val/panels/S(k=1)", PICTURE, 7)
    log_segmented(loggers, "val/segments", IMAGES, SEGMENTS, CAPTIONS, 7)
    log_map_table(loggers, "val/per_image", VALUES, {"image": [picture_of(image) for image in IMAGES]})
    log_table(loggers, "stability/results", VALUES)
    log_summary(loggers, {"val/ssim/Gradient/gain": 0.25}, 8)
    log_figure(loggers, "stability/bars", Figure((4, 2), facecolor="red"))
    log_text(loggers, "stability/answer", SENTENCE)
    log_folder(loggers, "saliency", folder)
    finish(loggers)
