"""Segments kept on disk, so that a study computes each partition once."""

import hashlib
import zlib
from dataclasses import dataclass, is_dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_spx import __version__
from lightning_spx.superpixels.image_file import eight_bit, image_key, write_whole
from lightning_spx.superpixels.segmenter import Segmenter, check_segments

DIGEST_SIZE = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Cached(Segmenter):
    """Keeps another segmenter's results in a folder, one file for each image.

    A file's name comes from the image's pixels at 8 bits, its folder's name from the segmenter's settings and the
    version of this package. The segmenter is given the image rounded to 8 bits, so that what a file holds depends on
    its name alone; for images that were read from files and not resized this changes nothing.

    Several threads or processes may share a folder. A damaged file is computed anew.

    Args:
        segmenter: What computes the segments: a dataclass, because its `repr` stands for its settings.
        root: Folder of the files; made when needed, may be deleted at any time.

    Raises:
        TypeError: If `segmenter` is not a dataclass.

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

    def __post_init__(self) -> None:
        """Check the settings."""
        if not is_dataclass(self.segmenter):
            raise TypeError(f"Expected `segmenter` to be a dataclass, got {type(self.segmenter).__name__}.")

    @property
    def folder(self) -> Path:
        """Folder of the files for these settings."""
        settings = f"{__version__} {type(self.segmenter).__module__} {self.segmenter!r}"
        return Path(self.root) / hashlib.sha256(settings.encode()).hexdigest()[:16]

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
        rounded = eight_bit(images).float() / 255
        num_images, _, height, width = images.shape
        paths = [self.folder / image_key(image) for image in rounded.cpu()]
        known = {path: labels for path in set(paths) if (labels := read_entry(path, (height, width))) is not None}
        # One position for each unknown image, however often the batch holds it
        unknown = {path: position for position, path in enumerate(paths) if path not in known}
        if unknown:
            computed = self.segmenter(rounded[list(unknown.values())])
            check_segments(computed)
            for path, labels in zip(unknown, computed.cpu(), strict=True):
                known[path] = labels
                write_whole(path, entry(labels))
        segments = torch.empty(num_images, height, width, dtype=torch.int64)
        for position, path in enumerate(paths):
            segments[position] = known[path]
        return segments.to(images.device)


def entry(labels: Tensor) -> bytes:
    """Return what a file holds: a digest that shows any damage, then the compressed ids.

    Args:
        labels: `(H, W)` int64, one image's segments.

    Example:
        >>> len(entry(torch.zeros(64, 64, dtype=torch.int64))) < 100
        True
    """
    content = zlib.compress(labels.numpy().astype("<i4").tobytes())
    return hashlib.sha256(content).digest() + content


def read_entry(path: Path, size: tuple[int, int]) -> Tensor | None:
    """Return one image's segments from its file, or None if the file is missing or damaged.

    Args:
        path: The file.
        size: `(H, W)` of the image.

    Returns:
        `(H, W)` int64.

    Example:
        >>> read_entry(Path("missing"), (2, 2)) is None
        True
    """
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, content = stored[:DIGEST_SIZE], stored[DIGEST_SIZE:]
    if hashlib.sha256(content).digest() != digest:
        return None
    return torch.from_numpy(np.frombuffer(zlib.decompress(content), "<i4").reshape(size).astype(np.int64))
