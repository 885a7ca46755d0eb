"""Reads segments from files, so that any other tool can make them."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lightning_spx.formats.label_map import read_label_map
from lightning_spx.formats.once import warn_once
from lightning_spx.superpixels.image_forms import Images, as_batch, of_any_form
from lightning_spx.superpixels.image_key import image_key, write_whole
from lightning_spx.superpixels.per_image import without_gaps
from lightning_spx.superpixels.segmenter import Segmenter, check_images

SUFFIXES = (".npz", ".npy", ".png", ".tif", ".tiff", ".json", ".nii", ".nii.gz")


@dataclass(frozen=True)
class Precomputed(Segmenter):
    """Reads each image's segments from a file named after the image.

    The file of an image is `<root>/<image_key(image)>` with the suffix `.npz` (one array), `.npy`, `.png` (gray or
    palette, rotated as its EXIF data says), `.tif`, `.tiff`, `.json` (of SAM or labelme), `.nii` or `.nii.gz`, searched
    in this order. It holds an `(H, W)` map of any integer ids, which are renumbered without gaps. Of regions in
    `.json`, the smallest lies on top, and what none covers is one segment, of which a warning tells the share. The key
    identifies the image as it reaches the segmenter, after resizing and cropping, so make the maps from the batches of
    the data module and store them with `write`; `spx segment PHOTOS --maps FOLDER` stores maps that are named after
    photos. A gray image has the key of the RGB image that repeats its channel.

    Args:
        root: Folder of the files.

    Example:
        >>> import tempfile
        >>> images = torch.rand(1, 3, 2, 2)
        >>> with tempfile.TemporaryDirectory() as root:
        ...     precomputed = Precomputed(root)
        ...     paths = precomputed.write(images, torch.tensor([[[7, 7], [3, 9]]]))
        ...     precomputed(images)
        tensor([[[1, 1],
                 [0, 2]]])
    """

    channels: ClassVar[int | None] = None

    root: str | Path

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the segments of each image from its file.

        Args:
            images: `(N, C, H, W)` in [0, 1], of any number of channels.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` leave [0, 1], or a file holds no label map of the image's size.
            FileNotFoundError: If an image has no file.
        """
        check_images(images, self.channels)
        num_images, _, height, width = images.shape
        segments = torch.empty(num_images, height, width, dtype=torch.int64)
        for position, image in enumerate(images):
            path = self._find(image)
            labels = read_label_map(path, (height, width))
            if path.suffix == ".json" and (labels == 0).any():
                share = (labels == 0).mean()
                warn_once(
                    f"rest of {self.root}",
                    f"{share:.1%} of the image of {path} lies in no region and is one segment, as in others there.",
                )
            segments[position] = torch.from_numpy(without_gaps(labels))
        return segments.to(images.device)

    def write(self, images: Images, label_maps: Tensor) -> list[Path]:
        """Store label maps where `__call__` finds them.

        Args:
            images: `(N, C, H, W)` in [0, 1], of any number of channels, or what else `__call__` takes.
            label_maps: `(N, H, W)` integers, any ids; `(H, W)` for one image without a batch axis.

        Returns:
            The file of each image.

        Raises:
            TypeError: If `images` is not floating point or `label_maps` does not hold integers.
            ValueError: If `images` leave [0, 1] or the shapes do not fit.
        """
        images, is_one = as_batch(images, self.channels)
        check_images(images, self.channels)
        if not isinstance(label_maps, Tensor) or label_maps.is_floating_point() or label_maps.is_complex():
            kind = label_maps.dtype if isinstance(label_maps, Tensor) else type(label_maps).__name__
            raise TypeError(
                f"Expected `label_maps` to be a tensor of integers, got {kind}: give as_segments(label_maps)."
            )
        if is_one:
            label_maps = label_maps[None]
        if label_maps.shape != (len(images), *images.shape[2:]):
            raise ValueError(
                f"Expected `label_maps` to have the (N, H, W) of `images`, "
                f"got {tuple(label_maps.shape)} for {tuple(images.shape)}."
            )
        paths = [self._stem(image).with_suffix(SUFFIXES[0]) for image in images]
        for path, labels in zip(paths, label_maps.cpu().numpy(), strict=True):
            content = io.BytesIO()
            np.savez_compressed(content, labels=without_gaps(labels).astype(np.int32))
            write_whole(path, content.getvalue())
        return paths

    def _stem(self, image: Tensor) -> Path:
        return Path(self.root) / image_key(image.expand(3, -1, -1) if len(image) == 1 else image)

    def _find(self, image: Tensor) -> Path:
        stem = self._stem(image)
        for suffix in SUFFIXES:
            path = stem.with_suffix(suffix)
            if path.is_file():
                return path
        raise FileNotFoundError(
            f"No label map {stem}{{{','.join(SUFFIXES)}}}. "
            f"Store one for each image by Precomputed({str(self.root)!r}).write(images, label_maps)."
        )
