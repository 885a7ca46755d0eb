"""Segments kept on disk, so that each partition is computed once for all studies."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_spx import __version__
from lightning_spx.superpixels.cache_entry import SUFFIX, entry, image_checksums, read_entry
from lightning_spx.superpixels.cache_space import space_of
from lightning_spx.superpixels.image_key import eight_bit, image_key, write_whole
from lightning_spx.superpixels.segmenter import Segmenter, check_images, check_segments
from lightning_spx.superpixels.setting import check_at_least


@dataclass(frozen=True)
class Cached(Segmenter):
    """Keeps another segmenter's results in a folder, one file for each image.

    A file's name comes from the image's pixels at 8 bits or, by `of_index`, from its place in a data set; its folder's
    name from the segmenter's settings and the version of this package. The segmenter is given the image rounded to 8
    bits, so that what a file holds depends on its name alone; for images that were read from files and not resized this
    changes nothing.

    Several threads, processes or machines may share a folder, and be killed in it: files appear whole or not at all,
    and a damaged one is computed anew.

    Args:
        segmenter: What computes the segments: a dataclass, because its `repr` stands for its settings.
        root: Folder of the files; made when needed, may be deleted at any time.
        max_bytes: Size that these files may have; beyond it those that were written first are removed, and no others. A
            file takes one or two bytes for each pixel.

    Raises:
        TypeError: If `segmenter` is not a dataclass.
        ValueError: If `max_bytes` is below 1.

    Example:
        >>> import tempfile
        >>> from lightning_spx.superpixels.slic import Slic
        >>> images = torch.rand(2, 3, 16, 16)
        >>> with tempfile.TemporaryDirectory() as root:
        ...     cached = Cached(Slic(n_segments=10), root)
        ...     torch.equal(cached(images), cached(images))
        True
    """

    segmenter: Segmenter
    root: str | Path
    max_bytes: int = 2**34

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("max_bytes", self.max_bytes, minimum=1)
        if not is_dataclass(self.segmenter):
            raise TypeError(f"Expected `segmenter` to be a dataclass, got {type(self.segmenter).__name__}.")

    @property
    def folder(self) -> Path:
        """Folder of the files for these settings."""
        settings = f"{__version__} {type(self.segmenter).__module__} {self.segmenter!r}"
        return Path(self.root) / _digest(settings)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the segments of each image, from the folder where they are known.

        Args:
            images: `(N, 3, H, W)`, RGB in [0, 1].

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` are not RGB in [0, 1] or the segmenter breaks its contract.
        """
        check_images(images)
        folder = self.folder
        # one image after the other: rounded and hashed while it is in the processor's cache
        paths = [folder / f"{image_key(image)}{SUFFIX}" for image in images.cpu()]
        # the name says all
        return self._found(images, paths, checksums=[0] * len(paths))

    def of_index(self, images: Tensor, data: str, index: Tensor) -> Tensor:
        """Return the segments of images that are known by their places in a data set, without hashing their pixels.

        A file also holds a checksum of every third row of its image; where it is another than the given image's, the
        segments are computed anew.

        Args:
            images: `(N, 3, H, W)`, RGB in [0, 1], not augmented.
            data: All that decides what an image shows: the data set's fingerprint and name, whether it is the test
                part, how images are cut, what their background is. The size need not be in it.
            index: `(N,)` integers, the images' places.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If there is not one index for each image, or as for a call.

        Example:
            >>> import tempfile
            >>> from lightning_spx.superpixels.slic import Slic
            >>> images = torch.rand(2, 3, 16, 16)
            >>> with tempfile.TemporaryDirectory() as root:
            ...     Cached(Slic(), root).of_index(images, "photos, test part", torch.tensor([7, 3])).shape
            torch.Size([2, 16, 16])
        """
        if not images.is_floating_point():
            raise TypeError(f"Expected `images` to be floating point in [0, 1], got {images.dtype}.")
        if index.shape != images.shape[:1]:
            raise ValueError(f"Expected `index` of shape ({len(images)},), got {tuple(index.shape)}.")
        height, width = images.shape[-2:]
        folder = self.folder / f"{_digest(data)}_{height}x{width}"
        paths = [folder / f"{number}{SUFFIX}" for number in index.tolist()]
        return self._found(images, paths, image_checksums(images))

    def _found(self, images: Tensor, paths: Sequence[Path], checksums: Sequence[int]) -> Tensor:
        height, width = images.shape[-2:]
        segments = np.empty((len(images), height, width), dtype=np.int64)
        # one position for each unknown image, however often the batch holds it
        unknown: dict[Path, int] = {}
        for position, path in enumerate(paths):
            known = None if path in unknown else read_entry(path, (height, width), checksums[position])
            if known is None:
                unknown.setdefault(path, position)
            else:
                segments[position] = known
        if unknown:
            rounded = eight_bit(images[list(unknown.values())]).float() / 255
            computed = self.segmenter(rounded)
            check_segments(computed)
            space = space_of(Path(self.root).absolute(), self.max_bytes)
            labels_of = dict(zip(unknown, computed.cpu().numpy(), strict=True))
            for path, labels in labels_of.items():
                content = entry(labels, checksums[unknown[path]])
                write_whole(path, content)
                space.added(len(content))
            for position, path in enumerate(paths):
                if path in labels_of:
                    segments[position] = labels_of[path]
        return torch.from_numpy(segments).to(images.device)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
