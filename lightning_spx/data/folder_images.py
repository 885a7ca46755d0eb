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

from lightning_spx.data.held_pixels import HeldPixels
from lightning_spx.data.labelled_images import ArrayImages, LabelledImages
from lightning_spx.data.resize import in_unit_range, resize_and_crop
from lightning_spx.data.splits import Indices
from lightning_spx.formats import Percentiles, Window
from lightning_spx.formats.photo import read_photo
from lightning_spx.formats.stored_image import UnstatedRangeError

LONG_READ = 10_000


def read_image(
    path: Path, image_size: int, channels: int = 3, window: Window | Percentiles | None = None, frame: int | None = None
) -> Tensor:
    """Return the image of a file as `(C, image_size, image_size)`, upright, with the numbers of `read_pixels`.

    Args:
        path: an image file.
        image_size: side of the result in pixels; other sizes are resized and cropped to the center.
        channels: the number C of channels.
        window: the numbers of the file that become black and white, as for `read_photo`.
        frame: number of a frame, page or slice, as for `read_photo`.

    Raises:
        ValueError: if the file cannot be read, or is too large to be decoded.
    """
    return resize_and_crop(read_pixels(path, channels, window, frame), image_size)


def read_pixels(
    path: Path, channels: int = 3, window: Window | Percentiles | None = None, frame: int | None = None
) -> Tensor:
    """Return the image of a file in its original size, `(C, H, W)`.

    Args:
        path: an image file.
        channels: 3 reads photos in RGB and 1 in gray; other numbers read arrays and multi-band TIFF files.
        window: the numbers of the file that become black and white, as for `read_photo`.
        frame: number of a frame, page or slice, as for `read_photo`.

    Returns:
        uint8, or float32 in [0, 1] if the file has more than 8 bits or there is a window.

    Raises:
        ValueError: if the file cannot be read, has another number of channels, or is too large to be decoded.
    """
    return torch.from_numpy(read_photo(path, channels, window, frame)).permute(2, 0, 1)


class FolderImages(LabelledImages):
    """Images that are read from their files at each access.

    Args:
        paths: the files.
        labels: class of each file, `(n,)` integers.
        image_size: side of the images in pixels.
        channels: number of channels, as for `read_pixels`.
        window: the numbers of a file that become black and white, as for `read_pixels`.

    Raises:
        ValueError: at access, if the file cannot be read.
    """

    def __init__(
        self,
        paths: list[Path],
        labels: Indices,
        image_size: int,
        channels: int = 3,
        window: Window | Percentiles | None = None,
    ) -> None:
        super().__init__(labels)
        self.paths: list[Path] = paths
        self.image_size = image_size
        self.channels = channels
        self.window = window

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return the image at a position, without a mask."""
        return in_unit_range(read_image(self.paths[index], self.image_size, self.channels, self.window)), None


def read_all(
    groups: dict[int, list[Path]],
    image_size: int,
    channels: int = 3,
    *,
    strict: bool,
    verify: bool,
    window: Window | Percentiles | None = None,
) -> LabelledImages:
    """Return the readable images of all classes; photos that fit in 1 GiB are held in memory.

    Photos of 8 bits are held as such. As soon as one has more, all are held as float32.

    Args:
        groups: the files of each label.
        image_size: side of the images in pixels.
        channels: number of channels, as for `read_pixels`.
        strict: fail on a file that cannot be read; otherwise skip it, with one warning for all.
        verify: if the images stay on disk, read each file once to find those that cannot be read.
        window: the numbers of a file that become black and white, as for `read_pixels`.

    Raises:
        ValueError: if a file cannot be read and `strict` is set, or no file of a class can be read.
    """
    paths = [path for group in groups.values() for path in group]
    labels = np.repeat(np.array(list(groups), np.int64), [len(group) for group in groups.values()])
    kept_pixels = HeldPixels(len(paths), image_size, channels)
    # a window makes floats of all photos
    if window is not None:
        kept_pixels.hold_floats()
    if kept_pixels.pixels is None and not verify:
        return FolderImages(paths, labels, image_size, channels, window)
    refused: dict[int, ValueError] = {}
    # Pillow decodes outside the interpreter lock; for small images, contention for the lock costs more than threads
    # gain
    in_threads = kept_pixels.pixels is None
    for index, result in enumerate(_read_each(paths, image_size, channels, window, in_threads=in_threads)):
        if isinstance(result, ValueError):
            if strict:
                raise result
            refused[index] = result
        else:
            kept_pixels.put(index, result)
        if kept_pixels.pixels is None and not verify:
            break
    kept = np.setdiff1d(np.arange(len(paths)), list(refused))
    if refused:
        first = next(iter(refused.values()))
        warnings.warn(f"Left out {len(refused)} of {len(paths)} images that cannot be read. {first}", stacklevel=2)
        lost = set(groups) - set(labels[kept].tolist())
        if lost:
            folder = groups[min(lost)][0].parent
            raise ValueError(f"Expected {folder} to hold a readable image, got {len(groups[min(lost)])} damaged ones.")
    if kept_pixels.pixels is not None:
        images = ArrayImages(kept_pixels.pixels[kept] if refused else kept_pixels.pixels, labels[kept])
        images.paths = [paths[index] for index in kept]
        return images
    return FolderImages([paths[index] for index in kept], labels[kept], image_size, channels, window)


def _read_each(
    paths: list[Path], image_size: int, channels: int, window: Window | Percentiles | None, *, in_threads: bool
) -> Iterator[NDArray[np.uint8 | np.float32] | ValueError]:
    """Yield, for each file in order, its pixels `(S, S, C)` or the error."""

    def read(path: Path) -> NDArray[np.uint8 | np.float32] | ValueError:
        try:
            image = read_image(path, image_size, channels, window)
            return (in_unit_range(image) if image.is_floating_point() else image).permute(1, 2, 0).numpy()
        except UnstatedRangeError:
            raise
        except ValueError as error:
            return error

    pool = ThreadPoolExecutor()
    results = pool.map(read, paths) if in_threads else map(read, paths)
    try:
        yield from track(results, "Reading images", total=len(paths), disable=len(paths) < LONG_READ, transient=True)
    finally:
        # a caller who stops at the first error does not wait for the other files
        pool.shutdown(cancel_futures=True)
