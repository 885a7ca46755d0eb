"""Reads images of any number of bands from NumPy arrays and multi-band TIFF files."""

import logging
from pathlib import Path
from tokenize import TokenError

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.formats.image_file import UNREADABLE, check_size

NUMPY = b"\x93NUMPY"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# what tifffile and NumPy raise beyond Pillow's on damaged files, and where a compression needs another package
REFUSED = (*UNREADABLE, RuntimeError, ImportError, AssertionError, TokenError)
# its complaints are part of our errors; without a handler Python prints them, too
logging.getLogger("tifffile").addHandler(logging.NullHandler())
UPRIGHT = 1
WHITE_IS_ZERO = 0


def read_bands(path: Path, channels: int) -> Tensor:
    """Return the image of a file with a number of bands that no photo has, as the file stores it.

    Args:
        path: a NumPy file of an array (H, W, C) or (C, H, W), uint8 or floats in [0, 1], or a TIFF of 8 bits with C
            bands in one image or in C pages; its content decides, whatever its name ends with.
        channels: the number C of bands.

    Returns:
        `(C, H, W)`, uint8, or float32 in [0, 1] if the file holds floats.

    Raises:
        ValueError: if the file does not exist, cannot be read, is too large, or holds other numbers or bands.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "field.npy"
        ...     np.save(path, np.full((8, 6, 10), 0.5))
        ...     read_bands(path, 10).shape
        torch.Size([10, 8, 6])
    """
    try:
        # reading a pipe of that name would wait forever
        if not path.is_file():
            raise FileNotFoundError("there is no such file.")
        with path.open("rb") as file:
            beginning = file.read(len(NUMPY))
        if beginning == NUMPY:
            return torch.from_numpy(_from_numpy(path, channels))
        if beginning.startswith(TIFF):
            return torch.from_numpy(_from_tiff(path, channels))
        raise ValueError("it is neither a NumPy array nor a TIFF.")
    except REFUSED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Expected {path} to be a readable image of {channels} bands: {reason}") from error


def _from_numpy(path: Path, channels: int) -> NDArray[np.uint8 | np.float32]:
    # mapped, so that the header is checked before anything is read
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    if stored.dtype != np.uint8 and not np.issubdtype(stored.dtype, np.floating):
        raise ValueError(f"it holds {stored.dtype}, neither uint8 nor floats in [0, 1].")
    if stored.ndim == 3 and stored.shape[0] == stored.shape[2] == channels:
        raise ValueError(f"it has the shape {stored.shape}, of which the first or the last number may be its bands.")
    last = stored.ndim == 3 and stored.shape[2] == channels
    bands = _copied(np.moveaxis(stored, 2, 0) if last else stored, stored.shape, channels)
    if bands.dtype == np.uint8:
        return bands.astype(np.uint8, copy=False)
    if not (bands.min() >= 0 and bands.max() <= 1):  # false for a NaN
        raise ValueError(f"it holds floats from {bands.min():.4g} to {bands.max():.4g}, outside [0, 1].")
    return bands.astype(np.float32)


def _from_tiff(path: Path, channels: int) -> NDArray[np.uint8]:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        page = series.keyframe
        if series.dtype != np.uint8:
            raise ValueError(f"it holds {series.dtype}: save it with 8 bits, or as a NumPy array of floats in [0, 1].")
        turned = page.tags.valueof("Orientation", UPRIGHT)
        if turned != UPRIGHT or page.photometric == WHITE_IS_ZERO:
            raise ValueError("it is stored turned or inverted, which viewers undo: save it upright, white the highest.")
        check_size(page.imagewidth, page.imagelength)
        last = series.axes.endswith("S")
        if len(series.shape) != 3 or series.shape[2 if last else 0] != channels:
            raise ValueError(_other_shape(series.shape, channels))
        bands = series.asarray()
    return _copied(np.moveaxis(bands, 2, 0) if last else bands, bands.shape, channels).astype(np.uint8, copy=False)


def _copied(bands: np.ndarray, stored: tuple[int, ...], channels: int) -> np.ndarray:
    """Return bands (C, H, W) in memory, if they are that."""
    if bands.ndim != 3 or bands.shape[0] != channels or 0 in bands.shape:
        raise ValueError(_other_shape(stored, channels))
    check_size(bands.shape[2], bands.shape[1])
    return np.array(bands, order="C")


def _other_shape(shape: tuple[int, ...], channels: int) -> str:
    return f"it has the shape {shape}, neither (H, W, {channels}) nor ({channels}, H, W)."
