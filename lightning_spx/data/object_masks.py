"""Reads the mask of one photo's object from the file of any tool: a picture, a map of ids, or regions with labels."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.data.bird_images import read_mask
from lightning_spx.formats.label_map import ARRAYS, SCANS, TIFFS, read_flags, read_label_map
from lightning_spx.formats.once import warn_once
from lightning_spx.formats.regions import Regions, is_annotation, read_regions, union

SHOWN = 10


def has_frames(path: Path) -> bool:
    """Return whether a mask's file may hold one mask for each frame of an image: NIfTI, and TIFF of several pages.

    Example:
        >>> has_frames(Path("brain.nii.gz")), has_frames(Path("jay.png"))
        (True, False)
    """
    name = path.name.lower()
    if not name.endswith(TIFFS) or not path.is_file():
        return name.endswith(SCANS)
    try:
        with tifffile.TiffFile(path) as file:
            return len(file.pages) > 1
    except (OSError, ValueError, tifffile.TiffFileError):
        return False


def read_object_mask(
    path: Path, size: tuple[int, int], image: str, frame: int | None = None, labels: Sequence[str] | None = None
) -> Tensor:
    """Return the mask of a photo's object as fractions `(H, W)` in [0, 1], float32.

    Without `labels` a picture is read by `read_mask`, an array of truths as it is, and regions of one label are joined.
    With them, a file of regions (COCO, SAM, labelme, CVAT) is the object where a region of one of the labels is, and a
    map of ids (PNG of gray or palette, TIFF, NumPy's arrays, NIfTI) where it has one of the numbers. The void of VOC's
    palettes, 255, is no object unless it is named.

    Args:
        path: the file.
        size: height and width of the photo, upright.
        image: the photo's file name or path, which chooses in files for many photos.
        frame: the page of a TIFF or the slice of a NIfTI file that has several, from 0.
        labels: names of the regions, or numbers of the ids, that are the object.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it cannot be read, is of another size or photo, or does not clearly say what the object is: a map of
            ids, or regions of several labels, without `labels`; or a label that the file does not know.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "parts.npy")
        ...     np.save(path, np.array([[0, 3], [2**40, 3]]))
        ...     read_object_mask(path, (2, 2), "jay.jpg", labels=["3"]).tolist()
        [[0.0, 1.0], [0.0, 1.0]]
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a mask at {path}, found none.")
    with path.open("rb") as file:
        is_regions = is_annotation(file.read(64))
    name = path.name.lower()
    if is_regions:
        if frame is not None:
            raise ValueError(f"Expected no `frame` for the regions in {path}, got {frame}.")
        mask = _of_regions(path, read_regions(path, image, size), labels)
    elif labels is not None:
        mask = _of_ids(path, read_label_map(path, size, frame), labels)
    elif name.endswith(ARRAYS):
        mask = read_flags(path, size)
    elif name.endswith(SCANS) or (frame is not None and name.endswith(TIFFS)):
        raise ValueError(f"Expected `labels`, the numbers of the object in {path}, which holds ids, got none.")
    elif frame is not None:
        raise ValueError(f"Expected no `frame` for the picture {path}, got {frame}.")
    else:
        return read_mask(path, size)
    if labels is not None and not mask.any():
        said = ", ".join(map(str, labels))
        warn_once(f"without {said}", f"The mask {path} has no pixel of {said}: it is empty, as those of others may be.")
    return torch.from_numpy(mask).float()


def _of_regions(path: Path, regions: Regions, labels: Sequence[str] | None) -> NDArray[np.bool_]:
    named = list(regions.names or dict.fromkeys(each.label for each in regions))
    if labels is None and len(named) > 1:
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        raise ValueError(
            f"Expected `labels`, those of the object in {path}, which has {', '.join(named[:SHOWN])}{more}, got none."
        )
    try:
        return union(regions, None if labels is None else [str(label) for label in labels])
    except ValueError as error:
        raise ValueError(f"{str(error).removesuffix('.')}, in {path}.") from error


def _of_ids(path: Path, ids: NDArray[np.integer], labels: Sequence[str]) -> NDArray[np.bool_]:
    if not all(re.fullmatch(r"-?[0-9]+", str(label)) for label in labels):
        raise ValueError(f"Expected `labels` to be numbers for the map of ids {path}, got {list(labels)}.")
    numbers = [int(label) for label in labels]
    # numbers of the same type, because NumPy compares unsigned ids with other integers as floats
    least, most = np.iinfo(ids.dtype).min, np.iinfo(ids.dtype).max
    return np.isin(ids, np.array([number for number in numbers if least <= number <= most], ids.dtype))
