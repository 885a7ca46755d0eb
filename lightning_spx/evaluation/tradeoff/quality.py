"""Compares segments with the borders that people drew on the images of BSDS500, each by several annotators."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import torch
from rich.progress import track
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from torch import Tensor

from lightning_spx.data.folder_images import read_pixels
from lightning_spx.superpixels import (
    Segmenter,
    achievable_accuracy,
    boundary_recall,
    compactness,
    explained_variation,
    global_regularity,
    num_segments,
    undersegmentation_error,
)


def read_bsds500(root: Path) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield name, image `(3, H, W)` in [0, 1] and regions `(annotators, H, W)` of each test image of BSDS500.

    Args:
        root: folder with `images/test/*.jpg` and `groundTruth/test/*.mat`, as published, or a folder above it.

    Raises:
        FileNotFoundError: there are no such images, or one has no ground truth.
        ValueError: a file is damaged.
    """
    folder = bsds500_folder(root)
    for path in sorted((folder / "images" / "test").glob("*.jpg")):
        truth = folder / "groundTruth" / "test" / f"{path.stem}.mat"
        if not truth.is_file():
            raise FileNotFoundError(f"Expected the ground truth of {path} at {truth}, found none.")
        try:
            cells = loadmat(truth)["groundTruth"][0]
            regions = [torch.from_numpy(cell["Segmentation"][0, 0].astype("int64")) for cell in cells]
        except (MatReadError, KeyError, IndexError, ValueError, TypeError) as error:
            raise ValueError(f"Expected the ground truth of BSDS500 in {truth}, got {error!r}.") from error
        yield path.stem, read_pixels(path).float() / 255, torch.stack(regions)


def bsds500_folder(root: Path) -> Path:
    """Return the folder that holds `images/test`: the given one, or one below it.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    places = [root, root / "data", root / "BSDS500" / "data"]
    folder = next((place for place in places if (place / "images" / "test").is_dir()), None)
    if folder is None:
        raise FileNotFoundError(f"Expected `bsds500` to hold images/test and groundTruth/test, found none in {root}.")
    return folder


def partition_quality(segmenters: Mapping[str, Segmenter], root: Path, num_images: int) -> pd.DataFrame:
    """Measure every segmenter on test images of BSDS500; an image's number is the mean over its annotators.

    Args:
        segmenters: segmenters by name.
        root: folder of the data set, as for `read_bsds500`.
        num_images: number of images to measure, from the first one on; there are 200.

    Returns:
        One row for each segmenter: means over images, with the actual numbers of segments and images.
    """
    rows = []
    photos = list(zip(range(num_images), read_bsds500(root), strict=False))
    for name, segmenter in segmenters.items():
        for _, (photo, image, truth) in track(photos, f"BSDS500, {name}", transient=True):
            segments = segmenter(image[None]).cpu()
            repeated = segments.expand(len(truth), -1, -1)
            rows.append(
                {
                    "superpixels": name,
                    "image": photo,
                    "boundary_recall": boundary_recall(repeated, truth).nanmean().item(),
                    "undersegmentation_error": undersegmentation_error(repeated, truth).mean().item(),
                    "achievable_accuracy": achievable_accuracy(repeated, truth).mean().item(),
                    "compactness": compactness(segments).item(),
                    "explained_variation": explained_variation(segments, image[None]).item(),
                    "global_regularity": global_regularity(segments).item(),
                    "mean_segments": float(num_segments(segments)),
                }
            )
    table = pd.DataFrame(rows)
    means = table.drop(columns="image").groupby("superpixels", sort=False).mean().reset_index()
    return means.assign(num_images=len(photos))
