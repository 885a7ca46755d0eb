"""Reads images from NumPy files."""

from pathlib import Path

import numpy as np

from lightning_spx.formats.plane_size import check_size
from lightning_spx.formats.stated_range import in_stated_range
from lightning_spx.formats.stored_image import StoredImage

BEGINNING = b"\x93NUMPY"
PHOTO_CHANNELS = (1, 3)


def read_array(path: Path, channels: int) -> StoredImage:
    """Return the image of a NumPy file (`.npy`), of any real numbers.

    Args:
        path: a file of an array (H, W, C) or (C, H, W); of a photo, (H, W) is gray.
        channels: the number C of bands. Of a photo, 1 or 3, both numbers are taken.

    Raises:
        ValueError: the array has another shape, is too large or holds something else; whatever NumPy raises on damaged
            files.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "field.npy"
        ...     np.save(path, np.full((10, 8, 6), 0.5))
        ...     read_array(path, 10).values.shape
        (8, 6, 10)
    """
    # mapped, so that the header is checked before anything is read
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    counts = PHOTO_CHANNELS if channels in PHOTO_CHANNELS else (channels,)
    if stored.ndim == 2 and channels in PHOTO_CHANNELS:
        stored = stored[..., None]
    elif stored.ndim == 3 and stored.shape[0] in counts and stored.shape[2] in counts:
        raise ValueError(f"it has the shape {stored.shape}, of which the first or the last number may be its bands.")
    elif stored.ndim == 3 and stored.shape[0] in counts:
        stored = np.moveaxis(stored, 0, 2)
    if stored.ndim != 3 or stored.shape[2] not in counts or 0 in stored.shape:
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
        raise ValueError(other_shape(shape, channels))
    check_size(stored.shape[1], stored.shape[0])
    values = np.array(stored, dtype=stored.dtype.newbyteorder("="), order="C")
    return in_stated_range(values)


def other_shape(shape: tuple[int, ...], channels: int) -> str:
    """Return what is wrong with the shape of an array.

    Example:
        >>> other_shape((4, 8, 8), 10)
        'it has the shape (4, 8, 8), neither (H, W, 10) nor (10, H, W).'
    """
    return f"it has the shape {shape}, neither (H, W, {channels}) nor ({channels}, H, W)."
