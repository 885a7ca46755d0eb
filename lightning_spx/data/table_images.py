"""Images of a table's rows, with the masks or boxes of their objects, from memory or from their files."""

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from lightning_spx.data.held_pixels import IN_MEMORY_BYTES
from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.data.mask_survey import MaskSurvey
from lightning_spx.data.object_masks import has_frames, read_object_mask
from lightning_spx.data.resize import in_unit_range, resize_and_crop
from lightning_spx.data.table_boxes import box_object
from lightning_spx.data.table_rows import TableRows
from lightning_spx.formats.photo import read_photo
from lightning_spx.formats.stored_image import UnstatedRangeError
from lightning_spx.formats.window import Percentiles, Window

LONG_READ = 10_000


@dataclass(frozen=True)
class Shown:
    """How a table's images are shown.

    Args:
        image_size: side of the images in pixels.
        channels: number of channels.
        window: which numbers become black and white, as for `read_photo`.
        mask_labels: names or numbers of the objects in a mask's file that count; None for all.
    """

    image_size: int
    channels: int
    window: Window | Percentiles | None
    mask_labels: list[str] | None


class Fitted(NamedTuple):
    """Pixels (C, S, S) of 8 bits or as floats, and the mask (S, S) bool, or None."""

    pixels: Tensor
    mask: Tensor | None


class _Paths(Sequence[Path]):
    """The files of rows, made when they are asked for, because a hundred thousand paths take much memory."""

    def __init__(self, rows: TableRows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Path: ...

    @overload
    def __getitem__(self, place: slice) -> list[Path]: ...

    def __getitem__(self, place: int | slice) -> Path | list[Path]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        return self.rows.root / self.rows.paths.iloc[place]


class TableImages(LabelledImages):
    """Images and masks without augmentation, resized and cropped alike.

    Args:
        rows: the images, their labels, groups, masks and boxes.
        shown: how they are shown.
        kept: pixels and masks of all rows, if they are in memory.
    """

    def __init__(self, rows: TableRows, shown: Shown, kept: list[Fitted] | None = None) -> None:
        super().__init__(rows.labels.labels)
        self.rows = rows
        self.shown = shown
        self.kept = kept
        self.groups = rows.groups
        self.paths: Sequence[Path] = _Paths(rows)
        self.in_memory = kept is not None
        self.numbers, self.num_listed = rows.numbers, rows.num_listed

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return image and mask at a position.

        Raises:
            ValueError: a file cannot be read, or mask and image have different sizes.
        """
        pixels, mask = self.fit(index, self.pixels(index)) if self.kept is None else self.kept[index]
        return in_unit_range(pixels), mask

    def pixels(self, index: int) -> NDArray[np.uint8 | np.float32]:
        """Read an image in its original size, (H, W, C)."""
        return read_photo(self.paths[index], self.shown.channels, self.shown.window, self._frame(index))

    def fit(self, index: int, pixels: NDArray[np.uint8 | np.float32]) -> Fitted:
        """Resize and crop an image and its mask."""
        image = resize_and_crop(torch.from_numpy(pixels).permute(2, 0, 1), self.shown.image_size)
        mask = self._mask(index, (pixels.shape[0], pixels.shape[1]))
        if mask is None:
            return Fitted(image, None)
        return Fitted(image, resize_and_crop(mask[None], self.shown.image_size)[0] >= 0.5)

    def _mask(self, index: int, size: tuple[int, int]) -> Tensor | None:
        name = self.rows.paths[index]
        if self.rows.masks is not None and self.rows.masks[index]:
            file = self.rows.root / self.rows.masks[index]
            # a picture or a file of regions is the mask of all frames, or of the one in its row
            frame = self._frame(index) if has_frames(file) else None
            return read_object_mask(file, size, name, frame, self.shown.mask_labels)
        if self.rows.boxes is not None and not np.isnan(self.rows.boxes[index, 0]):
            return box_object(self.rows.boxes[index], size, name)
        return None

    def _frame(self, index: int) -> int | None:
        return None if self.rows.frames is None or self.rows.frames[index] < 0 else int(self.rows.frames[index])


def load_images(rows: TableRows, shown: Shown, *, kind: str, strict: bool, verify: bool) -> TableImages:
    """Return the images that can be read, with the masks of their objects; those that fit in 1 GiB stay in memory.

    Args:
        rows: the images.
        shown: how they are shown.
        kind: the name of the set, for messages.
        strict: fail on an image that cannot be read; otherwise skip it, with one warning for all.
        verify: if the images stay on disk, read each file once to find those that cannot be read.

    Raises:
        ValueError: an image cannot be read and `strict` is set, no image of a class can, a mask cannot be read, or some
            images have a mask and others have none.
    """
    _check_masks(rows, kind)
    images = TableImages(rows, shown)
    # images of 8 bits; others become too large while they are read
    in_memory = len(rows) * (shown.channels + 1) * shown.image_size**2 <= IN_MEMORY_BYTES
    if not in_memory and not verify:
        return images
    kept: list[Fitted] = []
    good: list[int] = []
    refused: list[ValueError] = []
    num_bytes = 0
    survey = MaskSurvey()
    # decoding leaves the interpreter lock; for small images, contention for the lock costs more than threads gain
    for index, result in enumerate(_fit_each(images, in_threads=not in_memory)):
        if isinstance(result, ValueError):
            if strict:
                raise result
            refused.append(result)
            continue
        good.append(index)
        if result.mask is not None:
            survey.add(str(images.paths[index]), result.mask)
        if in_memory:
            kept.append(result)
            num_bytes += result.pixels.nbytes + (0 if result.mask is None else result.mask.nbytes)
            if num_bytes > IN_MEMORY_BYTES:
                in_memory, kept = False, []
    survey.warn()
    if refused:
        warnings.warn(f"Left out {len(refused)} of {len(rows)} images that cannot be read. {refused[0]}", stacklevel=2)
        rows = _readable(rows, np.array(good, np.int64), kind, refused[0])
    return TableImages(rows, shown, kept if in_memory else None)


def _readable(rows: TableRows, good: NDArray[np.int64], kind: str, refused: ValueError) -> TableRows:
    """Return the rows whose images can be read, of which there must be some of every class."""
    found = rows.take(good)
    if rows.labels.labels.ndim == 1:
        lost = set(rows.labels.labels.tolist()) - set(found.labels.labels.tolist())
        if lost:
            raise ValueError(
                f"Expected a readable {kind} image of {rows.labels.names[min(lost)]!r}, got none. {refused}"
            )
    elif not good.size:
        raise ValueError(f"Expected a readable {kind} image, got none. {refused}")
    return found


def _check_masks(rows: TableRows, kind: str) -> None:
    has_mask = np.zeros(len(rows), bool)
    if rows.masks is not None:
        has_mask |= (rows.masks != "").to_numpy(bool)
    if rows.boxes is not None:
        has_mask |= ~np.isnan(rows.boxes[:, 0])
    if has_mask.any() and not has_mask.all():
        raise ValueError(
            f"Expected a mask or box of all {kind} images or of none, got {has_mask.sum()} of {len(rows)}, none for "
            f"{rows.paths[int(has_mask.argmin())]}: a black mask says that there is no object."
        )


def _fit_each(images: TableImages, *, in_threads: bool) -> Iterator[Fitted | ValueError]:
    """Yield, for each image in order, its pixels and mask, or why its file cannot be read."""

    def fit(index: int) -> Fitted | ValueError:
        try:
            pixels = images.pixels(index)
        except UnstatedRangeError:
            raise
        except ValueError as error:
            return error
        # not skipped like a damaged image: a mask that does not fit is a mistake of the data set
        return images.fit(index, pixels)

    pool = ThreadPoolExecutor()
    places = range(len(images))
    results = pool.map(fit, places) if in_threads else map(fit, places)
    try:
        yield from track(results, "Reading images", total=len(images), disable=len(images) < LONG_READ, transient=True)
    finally:
        # a caller who stops at the first error does not wait for the other images
        pool.shutdown(cancel_futures=True)
