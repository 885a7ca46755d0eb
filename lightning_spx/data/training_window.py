"""Measures the window of a whole set of training images, in little memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from rich.progress import track

from lightning_spx.formats import Percentiles, Window
from lightning_spx.formats.photo import stored_photo

# percentiles of a few million numbers are known to a thousandth of a percent; together they take 32 MiB
MOST_NUMBERS = 2**22
MOST_OF_A_FILE = 2**14
MOST_FILES = 10_000
LONG_READ = 1_000
# its multiples, without their whole parts, fill [0, 1] evenly (Weyl's sequence)
GOLDEN = (5**0.5 - 1) / 2


def training_window(paths: Sequence[Path], percentiles: Percentiles, channels: int = 3) -> Window:
    """Return the numbers below which two percentages of the values of training images lie.

    A file gives at most 16,384 numbers, spread evenly over its pixels; of more than 10,000 files, 10,000 spread evenly
    over the list are read. Nothing is drawn at random, so all processes find the same window. Files that cannot be read
    are left out, as they are from the images.

    Args:
        paths: the files of the training images.
        percentiles: the two percentages.
        channels: number of channels, as for `read_photo`.

    Raises:
        ValueError: no file can be read, or both numbers are the same.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.npy"
        ...     np.save(path, np.arange(121).reshape(11, 11))
        ...     training_window([path], Percentiles(10, 50), channels=1)
        (12.0, 60.0)
    """
    if not paths:
        raise ValueError("Expected training images in which `window` could be measured, got none.")
    step = max(1, len(paths) / MOST_FILES)
    chosen = [paths[int(number * step)] for number in range(min(len(paths), MOST_FILES))]
    each = min(MOST_OF_A_FILE, MOST_NUMBERS // len(chosen))
    found: list[NDArray[np.float64]] = []
    refused: list[ValueError] = []
    for path in track(chosen, "Measuring the window", disable=len(chosen) < LONG_READ, transient=True):
        try:
            numbers = stored_photo(path, channels).values.ravel()
        except ValueError as error:
            refused.append(error)
            continue
        numbers = _spread(numbers, each).astype(np.float64)
        # the padding of a scanner is NaN
        found.append(numbers[~np.isnan(numbers)])
    if not found:
        raise refused[0]
    try:
        low, high = percentiles.of(np.concatenate(found))
    except ValueError as error:
        raise ValueError(f"Expected `window` to be measured in {len(found)} training images: {error}") from error
    # who explains other files with the model needs the same numbers
    rank_zero_info(f"The window of the training images is [{low:.6g}, {high:.6g}].")
    return low, high


def _spread(numbers: NDArray[Any], most: int) -> NDArray[Any]:
    """Return at most so many numbers from everywhere; equal steps would meet one column, or one color, alone."""
    if numbers.size <= most:
        return numbers
    places = np.modf(np.arange(1, most + 1) * GOLDEN)[0] * numbers.size
    chosen: NDArray[Any] = numbers[places.astype(np.int64)]
    return chosen
