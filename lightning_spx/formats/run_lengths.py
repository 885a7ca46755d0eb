"""Unpacks masks that are stored as lengths of runs, and checks the lengths before memory is taken for them.

pycocotools writes and reads the same strings. We unpack them ourselves, so that SAM's masks need no extra, and because
a mask that covers a small box should not take the memory of the whole photo.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.region import Flags, Size

# characters of COCO's strings: '0' to 'o' carry five bits each, and one that says whether more follow
FIRST, BITS, MORE, NEGATIVE = 48, 5, 0x20, 0x10
# seven characters hold more than 32 bits, which is more than any length
LONGEST = 7


def unpacked_counts(text: str | bytes) -> list[int]:
    """Return the lengths of COCO's compressed run-length encoding, first that of the background.

    From the fourth on, a length is stored as its difference from the one two before it.

    Raises:
        ValueError: the string holds other characters, or ends within a number.

    Example:
        >>> unpacked_counts("52203")
        [5, 2, 2, 2, 5]
    """
    counts: list[int] = []
    value = place = 0
    for character in text.encode("utf-8") if isinstance(text, str) else text:
        bits = character - FIRST
        if not 0 <= bits < 2 * MORE or place >= LONGEST:
            raise ValueError("its run lengths are no string of COCO.")
        value |= (bits & (MORE - 1)) << (BITS * place)
        place += 1
        if bits & MORE:
            continue
        if bits & NEGATIVE:
            value -= 1 << (BITS * place)
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
        value = place = 0
    if place:
        raise ValueError("its run lengths end within a number.")
    return counts


def mask_of_runs(counts: Sequence[object], size: Size, *, by_columns: bool) -> tuple[Flags, int, int]:
    """Return the box of the pixels that runs cover: the pixels inside it, its first row and its first column.

    Args:
        counts: lengths of runs that alternate, first that of the background, which may be 0.
        size: height and width of what the runs fill.
        by_columns: runs go down the columns, as COCO's do; otherwise along the rows, as CVAT's do.

    Raises:
        ValueError: the lengths are no integers of at least 0, or do not fill the size.

    Example:
        >>> mask_of_runs([3, 2, 1], (2, 3), by_columns=True)
        (array([[False,  True],
               [ True, False]]), 0, 1)
    """
    if any(type(count) is not int or not 0 <= count <= size[0] * size[1] for count in counts):
        raise ValueError("its run lengths are no numbers of pixels.")
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(counts, np.int64), dtype=np.int64)])
    if ends[-1] != size[0] * size[1]:
        raise ValueError(f"its run lengths fill {ends[-1]} pixels, and {size[1]} x {size[0]} are {size[0] * size[1]}.")
    starts, stops = ends[1:-1:2], ends[2::2]
    covered = stops > starts
    if not covered.any():
        return np.zeros((0, 0), np.bool_), 0, 0
    line = size[0] if by_columns else size[1]
    first, last = int(starts[covered][0]) // line, int(stops[covered][-1] - 1) // line
    # only the lines from the first to the last covered one take memory
    bounds = np.clip(ends, first * line, (last + 1) * line)
    lines: Flags = np.repeat(np.arange(len(counts)) % 2 == 1, np.diff(bounds)).reshape(-1, line)
    across: NDArray[np.int64] = np.flatnonzero(lines.any(0))
    begin = int(across[0])
    lines = lines[:, begin : across[-1] + 1]
    if by_columns:
        return np.ascontiguousarray(lines.T), begin, first
    return lines.copy(), first, begin
