"""`spx segment`: draws the segments of several algorithms side by side, with their counts, times and quality."""

import statistics
import time
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from rich.progress import track

from lightning_spx.data.photos import find_images, read_images
from lightning_spx.evaluation.commands.stored_maps import store_maps
from lightning_spx.evaluation.maps.colors import check_channels, chosen_colors, segmented_as, shown
from lightning_spx.evaluation.maps.guides import check_poolings
from lightning_spx.evaluation.publish import PAPER_DPI, save_figure
from lightning_spx.formats import Percentiles, Window
from lightning_spx.reporting import partitions_figure
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.files import write_arrays, write_table
from lightning_spx.runs.folder import default_folder, open_run_folder
from lightning_spx.runs.settings import plain
from lightning_spx.superpixels import (
    ImagePooling,
    Precomputed,
    Segmenter,
    explained_variation,
    global_regularity,
    num_segments,
)
from lightning_spx.superpixels.only_segments import refuse_filters

PHOTOS_ON_A_PAGE = 6


def segment_photos(
    images: list[str],
    superpixels: list[ImagePooling],
    image_size: int = 224,
    channels: int = 3,
    to_rgb: list[int] | str | None = None,
    window: Window | Percentiles | None = None,
    repeats: int = 3,
    formats: list[Literal["png", "pdf", "svg"]] | None = None,
    strict: bool = False,
    maps: str | None = None,
    out: str | None = None,
) -> Path:
    """Draw the super-pixels of photos by several algorithms side by side.

    Args:
        images: files, folders (only the images directly in them) and patterns such as 'birds/*.jpg'.
        superpixels: segmenters; filters have no segments to draw, and are refused.
        image_size: resize photos by their shorter side to this many pixels and crop the central square.
        channels: channels of the images: 3 for color photos, 1 for gray ones, other numbers for .npy and TIFF files.
        to_rgb: for images of other than one or three channels, the numbers of three bands, counted from 0, that
            pictures show and segmenters of RGB get, or the import path of a function from images to colors.
        window: the numbers of the files that become black and white, such as [0, 4095], or percentiles over each file;
            by default the range that a file states.
        repeats: how often each segmentation is timed, on one thread; the median is shown.
        formats: file formats of the pictures: png, pdf, svg; by default png.
        strict: fail on a file that cannot be read; otherwise it is skipped with a warning.
        maps: folder with another tool's label map of each photo in its original size, named after it: regions of SAM or
            labelme (`.json`), or ids as `.png`, `.tif`, `.npy`, `.npz` or `.nii`; or one file of COCO or CVAT. They are
            resized as the photos are, drawn too, and stored in the folder `maps` for `Precomputed`.
        out: folder. By default a folder under `runs/` that is named after the settings, so that the same command
            writes to the same place.

    Returns:
        The folder, with `partitions_page01.png` and so on, `segments.csv` (image, superpixels, num_segments,
        milliseconds, explained_variation, global_regularity) and `segments.npz` (the label maps, (N, S, S) of each
        segmenter). Explained variation is that of all channels, also for segmenters that get colors.

    Raises:
        FileNotFoundError: a file does not exist.
        TypeError: one of `superpixels` is a filter.
        ValueError: a setting is out of its range.
    """
    check_poolings(dict(enumerate(superpixels)))
    refuse_filters(superpixels, "`spx segment`")
    segmenters = unique_names([each for each in superpixels if isinstance(each, Segmenter)])
    if not segmenters or repeats < 1:
        raise ValueError(f"Expected `superpixels` to name at least one and `repeats` to be at least 1, got {repeats}.")
    colors = chosen_colors(to_rgb)
    check_channels(segmenters, channels, colors)
    photos = read_images(find_images(images, channels), image_size, strict, channels, window)
    settings = {
        "images": [str(path) for path in photos.paths],
        "superpixels": [repr(segmenter) for segmenter in superpixels],
        "image_size": image_size,
        "channels": channels,
        "to_rgb": plain(to_rgb),
        **({} if maps is None else {"maps": maps}),
    }
    if window is not None:
        settings["window"] = plain(list(window) if isinstance(window, tuple) else window)
    run = open_run_folder(Path(out) if out else default_folder("segment", photos.names[0], settings), settings)
    if maps is not None:
        root = run.path / "maps"
        store_maps(photos, maps, root, channels, window)
        segmenters = unique_names([*segmenters.values(), Precomputed(root)])
    labels: dict[str, list[np.ndarray]] = {name: [] for name in segmenters}
    rows: list[dict[str, object]] = []
    for position in track(range(len(photos.images)), "segment", transient=True):
        photo = photos.images[position : position + 1]
        for name, segmenter in segmenters.items():
            given = segmented_as(segmenter, photo, colors)
            milliseconds = statistics.median(_milliseconds(partial(segmenter, given)) for _ in range(repeats))
            segments = segmenter(given)
            labels[name].append(segments[0].numpy())
            rows.append(
                {
                    "image": photos.names[position],
                    "superpixels": name,
                    "num_segments": int(num_segments(segments)[0]),
                    "milliseconds": round(milliseconds, 2),
                    "explained_variation": round(explained_variation(segments, photo).item(), 4),
                    "global_regularity": round(global_regularity(segments).item(), 4),
                }
            )
    table = pd.DataFrame(rows)
    write_table(run.path / "segments.csv", table)
    write_arrays(run.path / "segments.npz", {name: np.stack(each).astype(np.int32) for name, each in labels.items()})
    for start in range(0, len(photos.images), PHOTOS_ON_A_PAGE):
        here = slice(start, start + PHOTOS_ON_A_PAGE)
        pictures = shown(photos.images[here], colors).permute(0, 2, 3, 1).numpy()
        figure = partitions_figure(
            photos.names[here], pictures, {name: each[here] for name, each in labels.items()}, table
        )
        page = f"partitions_page{start // PHOTOS_ON_A_PAGE + 1:02d}"
        save_figure(run.path, page, figure, formats or ["png"], dpi=PAPER_DPI)
    return run.path


def _milliseconds(call: partial[torch.Tensor]) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        began = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
