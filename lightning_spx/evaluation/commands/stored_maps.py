"""Stores label maps that lie beside photos, named after them, where `Precomputed` finds them."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from lightning_spx.data.folder_images import read_pixels
from lightning_spx.data.found_images import stem_of
from lightning_spx.data.photos import InputImages
from lightning_spx.data.resize import resize_labels
from lightning_spx.formats import Percentiles, Window
from lightning_spx.formats.label_map import read_label_map
from lightning_spx.formats.regions import Regions, label_map, read_regions
from lightning_spx.superpixels import Precomputed
from lightning_spx.superpixels.precomputed import SUFFIXES


def store_maps(
    photos: InputImages,
    maps: str | Path,
    root: str | Path,
    channels: int = 3,
    window: Window | Percentiles | None = None,
) -> Tensor:
    """Store the label map of each photo under its key, resized and cropped as the photo was.

    Regions (SAM, labelme, COCO, CVAT) become a map with the smaller ones on top, and what none of them covers is one
    segment, of which a warning tells the share.

    Args:
        photos: photos that were read by `read_images`.
        maps: folder with the map of `birds/jay/1.jpg` at `<maps>/jay/1.json` or `<maps>/1.json`, or in another format
            that `Precomputed` reads, of the photo's original size; or one file of COCO or CVAT for all of them.
        root: folder of a `Precomputed`.
        channels: number of channels of the photos.
        window: the numbers of their files that are black and white, as they were read.

    Returns:
        (N, S, S) int64, the maps with their own ids.

    Raises:
        FileNotFoundError: a photo has no map.
        ValueError: a photo has several maps, that of another photo, or one that cannot be read or is of another size.
    """
    place = Path(maps)
    if not place.exists():
        raise FileNotFoundError(f"Expected `maps` to be a folder or a file, found nothing at {place}.")
    stored: list[Tensor] = []
    rest = pixels = 0
    photo_of: dict[Path, Path] = {}
    for path in photos.paths:
        _, height, width = read_pixels(path, channels, window).shape
        size = int(height), int(width)
        file = place if place.is_file() else _map_file(path, place)
        if not place.is_file() and photo_of.setdefault(file, path) != path:
            raise ValueError(f"Expected a map for each photo, got {file} for {photo_of[file]} and {path}.")
        regions = _regions(file, path, size, is_for_all=place.is_file())
        labels = torch.from_numpy(
            (read_label_map(file, size) if regions is None else label_map(regions)).astype("int64")
        )
        resized = resize_labels(labels, photos.images.shape[-1])
        if regions is not None:
            rest, pixels = rest + int((resized == 0).sum()), pixels + resized.numel()
        stored.append(resized)
    if rest:
        warnings.warn(
            f"{rest / pixels:.1%} of the pixels of {len(stored)} photos lie in no region of {place}: in each photo "
            "they are one segment.",
            stacklevel=2,
        )
    result = torch.stack(stored)
    Precomputed(root).write(photos.images, result)
    return result


def _regions(file: Path, photo: Path, size: tuple[int, int], is_for_all: bool) -> Regions | None:
    if is_for_all:
        return read_regions(file, photo.as_posix(), size)
    return read_regions(file, photo.name, size) if file.suffix.lower() in (".json", ".xml") else None


def _map_file(photo: Path, maps: Path) -> Path:
    for folder in (maps / photo.parent.name, maps):
        found = [folder / f"{stem_of(photo)}{suffix}" for suffix in (*SUFFIXES, ".xml")]
        # maps may lie beside the photos; the photo itself is no map
        found = [path for path in found if path.is_file() and not path.samefile(photo)]
        if len(found) > 1:
            raise ValueError(f"Expected one map of {photo}, got {' and '.join(map(str, found))}.")
        if found:
            return found[0]
    raise FileNotFoundError(
        f"Expected the map of {photo} at {maps / stem_of(photo)}{{{','.join(SUFFIXES)}}}, found none."
    )
