"""Reads image files, and finds out which ones can be read."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from lightning_spx.data.bands import read_bands
from lightning_spx.data.image_file import decode
from lightning_spx.data.labelled_images import ArrayImages, LabelledImages
from lightning_spx.data.resize import resize_and_crop
from lightning_spx.data.splits import Indices

PHOTO_CHANNELS = (1, 3)
IN_MEMORY_BYTES = 2**30
LONG_READ = 10_000


def read_image(path: Path, image_size: int, channels: int = 3) -> Tensor:
    """Return the image of a file as `(C, image_size, image_size)`, upright, with the numbers of `read_pixels`.

    Args:
        path: an image file.
        image_size: side of the result in pixels; other sizes are resized and cropped to the center.
        channels: the number C of channels.

    Raises:
        ValueError: if the file cannot be read, or is too large to be decoded.
    """
    return resize_and_crop(read_pixels(path, channels), image_size)


def read_pixels(path: Path, channels: int = 3) -> Tensor:
    """Return the image of a file in its original size, `(C, H, W)`.

    Args:
        path: an image file.
        channels: 3 reads photos in RGB and 1 in gray, see `image_file.decode`; other numbers read arrays and multi-band
            TIFF files, see `bands.read_bands`.

    Returns:
        uint8, or float32 in [0, 1] if the file holds floats, which only arrays do.

    Raises:
        ValueError: if the file cannot be read, has another number of channels, or is too large to be decoded.
    """
    if channels in PHOTO_CHANNELS:
        return torch.from_numpy(decode(path, "L" if channels == 1 else "RGB")).permute(2, 0, 1)
    return read_bands(path, channels)


def in_unit_range(image: Tensor) -> Tensor:
    """Return an image of `read_image` as float32 in [0, 1].

    Example:
        >>> in_unit_range(torch.tensor([0, 255], dtype=torch.uint8)), in_unit_range(torch.tensor([0.25]))
        (tensor([0., 1.]), tensor([0.2500]))
    """
    # resizing floats overshoots by rounding errors
    return image.float().clamp(0, 1) if image.is_floating_point() else image.float() / 255


class FolderImages(LabelledImages):
    """Images that are read from their files at each access.

    Args:
        paths: the files.
        labels: class of each file, `(n,)` integers.
        image_size: side of the images in pixels.
        channels: number of channels, as for `read_pixels`.

    Raises:
        ValueError: at access, if the file cannot be read.
    """

    def __init__(self, paths: list[Path], labels: Indices, image_size: int, channels: int = 3) -> None:
        super().__init__(labels)
        self.paths: list[Path] = paths
        self.image_size = image_size
        self.channels = channels

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return the image at a position, without a mask."""
        return in_unit_range(read_image(self.paths[index], self.image_size, self.channels)), None


def read_all(
    groups: dict[int, list[Path]], image_size: int, channels: int = 3, *, strict: bool, verify: bool
) -> LabelledImages:
    """Return the readable images of all classes; photos that fit in 1 GiB are held in memory.

    Args:
        groups: the files of each label.
        image_size: side of the images in pixels.
        channels: number of channels, as for `read_pixels`.
        strict: fail on a file that cannot be read; otherwise skip it, with one warning for all.
        verify: if the images stay on disk, read each file once to find those that cannot be read.

    Raises:
        ValueError: if a file cannot be read and `strict` is set, or no file of a class can be read.
    """
    paths = [path for group in groups.values() for path in group]
    labels = np.repeat(np.array(list(groups), np.int64), [len(group) for group in groups.values()])
    # arrays may hold floats, which stay what they are
    in_memory = channels in PHOTO_CHANNELS and len(paths) * channels * image_size**2 <= IN_MEMORY_BYTES
    if not in_memory and not verify:
        return FolderImages(paths, labels, image_size, channels)
    pixels = np.empty((len(paths) if in_memory else 0, image_size, image_size, channels), np.uint8)
    refused: dict[int, ValueError] = {}
    # Pillow decodes outside the interpreter lock; for small images, contention for the lock costs more than threads
    # gain
    for index, result in enumerate(_read_each(paths, image_size, channels, in_threads=not in_memory)):
        if isinstance(result, ValueError):
            if strict:
                raise result
            refused[index] = result
        elif in_memory:
            pixels[index] = result
    kept = np.setdiff1d(np.arange(len(paths)), list(refused))
    if refused:
        first = next(iter(refused.values()))
        warnings.warn(f"Left out {len(refused)} of {len(paths)} images that cannot be read. {first}", stacklevel=2)
        lost = set(groups) - set(labels[kept].tolist())
        if lost:
            folder = groups[min(lost)][0].parent
            raise ValueError(f"Expected {folder} to hold a readable image, got {len(groups[min(lost)])} damaged ones.")
    if in_memory:
        images = ArrayImages(pixels[kept] if refused else pixels, labels[kept])
        images.paths = [paths[index] for index in kept]
        return images
    return FolderImages([paths[index] for index in kept], labels[kept], image_size, channels)


def _read_each(
    paths: list[Path], image_size: int, channels: int, *, in_threads: bool
) -> Iterator[NDArray[np.uint8] | ValueError]:
    """Yield, for each file in order, its pixels `(S, S, C)` or the error."""

    def read(path: Path) -> NDArray[np.uint8] | ValueError:
        try:
            return read_image(path, image_size, channels).permute(1, 2, 0).numpy()
        except ValueError as error:
            return error

    pool = ThreadPoolExecutor()
    results = pool.map(read, paths) if in_threads else map(read, paths)
    try:
        yield from track(results, "Reading images", total=len(paths), disable=len(paths) < LONG_READ, transient=True)
    finally:
        # a caller who stops at the first error does not wait for the other files
        pool.shutdown(cancel_futures=True)
