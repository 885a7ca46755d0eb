"""Keeps segments on disk, so that they are computed once for all studies."""

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
from lightning_spx.superpixels.image_forms import of_any_form
from lightning_spx.superpixels.image_key import as_segmented, image_key, write_whole
from lightning_spx.superpixels.only_segments import refuse_filters
from lightning_spx.superpixels.segmenter import Segmenter, check_images, check_segments
from lightning_spx.superpixels.setting import check_at_least


@dataclass(frozen=True)
class Cached(Segmenter):
    """Keeps another segmenter's results in a folder, one file for each image.

    A file is named after the image's pixels or, by `of_index`, after its place in a data set; its folder is named after
    the segmenter's settings and the version of this package. An image of 8 bits is named and segmented with its 256
    levels, so that a file's content depends only on its name; one with more levels is named and segmented with all.

    Several threads, processes or machines may share a folder, and may be killed at any time: files appear whole or not
    at all, and damaged files are computed again.

    Args:
        segmenter: Computes the segments. It must be a dataclass, because its `repr` identifies its settings.
        root: Folder of the files. It is made when needed and may be deleted at any time.
        max_bytes: Total size that these files may have; beyond it the oldest of them are removed, and no other files.
            A file takes one or two bytes per pixel.

    Raises:
        TypeError: If `segmenter` is a filter or not a dataclass.
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
        refuse_filters(self.segmenter, "Cached")
        if not is_dataclass(type(self.segmenter)):
            raise TypeError(f"Expected `segmenter` to be a dataclass, got {type(self.segmenter).__name__}.")
        # it takes what its segmenter takes; as a frozen dataclass sets a value of its own
        object.__setattr__(self, "channels", self.segmenter.channels)

    @property
    def folder(self) -> Path:
        """Return the folder of the files for these settings."""
        settings = f"{__version__} {type(self.segmenter).__module__} {self.segmenter!r}"
        return Path(self.root) / _digest(settings)

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the segments of each image, read from the folder if they are known.

        Args:
            images: `(N, C, H, W)` in [0, 1], with the segmenter's number of channels.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` do not have that shape or leave [0, 1], or the segmenter breaks its contract.
        """
        check_images(images, self.channels)
        folder = self.folder
        # one image at a time, so that it stays in the processor's cache while it is rounded and hashed
        paths = [folder / f"{image_key(image)}{SUFFIX}" for image in images.cpu()]
        # the name identifies the pixels, so no checksum of the image is needed
        return self._found(images, paths, checksums=[0] * len(paths))

    def of_index(self, images: Tensor, data: str, index: Tensor) -> Tensor:
        """Return the segments of images that are identified by their place in a data set, without hashing pixels.

        A file also holds a checksum of every third row of its image; if it differs from the given image's, the
        segments are computed again.

        Args:
            images: `(N, C, H, W)` in [0, 1], with the segmenter's number of channels, not augmented.
            data: A text with everything that decides what an image shows: the data set's fingerprint and name, whether
                it is the test part, how images are cropped, what their background is, how bands became colors. The size
                and the number of channels may be left out.
            index: `(N,)` integers, the images' places in the data set.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If there is not one index for each image, and for the reasons of `__call__`.

        Example:
            >>> import tempfile
            >>> from lightning_spx.superpixels.slic import Slic
            >>> images = torch.rand(2, 3, 16, 16)
            >>> with tempfile.TemporaryDirectory() as root:
            ...     Cached(Slic(), root).of_index(images, "photos, test part", torch.tensor([7, 3])).shape
            torch.Size([2, 16, 16])
        """
        if not isinstance(images, Tensor) or not images.is_floating_point():
            kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"Expected `images` to be floating point in [0, 1], got {kind}.")
        if images.ndim != 4:
            advice = ". Give one image as a batch: images[None]" if images.ndim == 3 else ""
            raise ValueError(f"Expected `images` to have shape (N, C, H, W), got {tuple(images.shape)}{advice}.")
        index = torch.as_tensor(index)
        if index.shape != images.shape[:1]:
            raise ValueError(f"Expected `index` of shape ({len(images)},), got {tuple(index.shape)}.")
        channels, height, width = images.shape[1:]
        identity = data if channels == 3 else f"{data}, {channels} channels"
        folder = self.folder / f"{_digest(identity)}_{height}x{width}"
        paths = [folder / f"{number}{SUFFIX}" for number in index.tolist()]
        return self._found(images, paths, image_checksums(images))

    def _found(self, images: Tensor, paths: Sequence[Path], checksums: Sequence[int]) -> Tensor:
        height, width = images.shape[-2:]
        segments = np.empty((len(images), height, width), dtype=np.int64)
        # one entry for each unknown image, even if the batch contains it several times
        unknown: dict[Path, int] = {}
        for position, path in enumerate(paths):
            known = None if path in unknown else read_entry(path, (height, width), checksums[position])
            if known is None:
                unknown.setdefault(path, position)
            else:
                segments[position] = known
        if unknown:
            computed = self.segmenter(as_segmented(images[list(unknown.values())]))
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
