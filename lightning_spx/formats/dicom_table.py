"""Reads the tables of DICOM files, by which numbers become others or colors, and looks numbers up in them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

COLORS = ("Red", "Green", "Blue")


class Table(NamedTuple):
    """One lookup table (PS3.3, section C.11.1.1).

    Args:
        first: number to which the first entry belongs.
        entries: (n,) what the numbers from `first` on become; those below and above become the first and the last.
        highest: largest number that an entry can be.
    """

    first: int
    entries: NDArray[Any]
    highest: int

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the entries of some numbers, of any shape; NaN becomes the first entry.

        pydicom's own functions keep an entry's number in the type of the entries, so that of 12-bit numbers and a table
        of 8-bit entries the upper bits are lost.

        Example:
            >>> Table(10, np.array([5, 7, 9]), 255).of(np.array([0, 10, 11, 4000])).tolist()
            [5, 5, 7, 9]
        """
        place = np.rint(np.nan_to_num(values.astype(np.float64), nan=self.first)) - self.first
        found: NDArray[Any] = self.entries[np.clip(place, 0, len(self.entries) - 1).astype(np.int64)]
        return found


def table(
    descriptor: Sequence[int], content: bytes | int | Sequence[int], little: bool, lowest: float, highest: float
) -> Table:
    """Return a table from its descriptor (number of entries, first number, bits of an entry) and its content.

    Args:
        descriptor: the three numbers.
        content: bytes, or numbers where the file has them as such.
        little: whether the lower byte comes first.
        lowest: smallest number that can be looked up.
        highest: largest such number.

    Raises:
        ValueError: it is too short, has entries above its bits, or belongs to other numbers.
    """
    count, first, bits = int(descriptor[0]) or 2**16, int(descriptor[1]), int(descriptor[2])
    # the number is signed where what is looked up is, and not every writer says so
    if first > highest and lowest < 0:
        first -= 2**16
    if not first <= highest or not first + count > lowest:
        raise ValueError(f"its table is for {first} to {first + count - 1}, and its numbers are {lowest} to {highest}.")
    if not 1 <= bits <= 16:
        raise ValueError(f"its table has entries of {bits} bits.")
    if isinstance(content, bytes):
        words = np.frombuffer(content, "<u2" if little else ">u2", len(content) // 2).astype("<u2")
    else:
        words = np.atleast_1d(np.asarray(content, np.int64)).astype("<u2")
    # two entries of 8 bits may share a word
    entries = words if len(words) >= count else words.view(np.uint8)
    highest_entry = 2 ** (min(bits, 8) if entries.dtype == np.uint8 else bits) - 1
    if len(entries) < count:
        raise ValueError(f"its table has {len(entries)} of {count} entries.")
    entries = entries[:count]
    if entries.max() > highest_entry:
        raise ValueError(f"its table says {bits} bits, and holds {entries.max()}.")
    return Table(first, entries, highest_entry)


def palette_colors(dataset: "Dataset", values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return the colors of a palette's numbers, (H, W, 3), and the number that is white.

    Args:
        dataset: with the palette in full or in segments.
        values: (H, W, 1) stored numbers.

    Raises:
        ValueError: the palette is missing, too short, or has 16 bits of which it uses 8.
    """
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        return _of_segments(dataset, values)
    if any(f"{color}PaletteColorLookupTableData" not in dataset for color in COLORS):
        raise ValueError("its colors are those of a palette, which is missing.")
    little = dataset.file_meta.TransferSyntaxUID != "1.2.840.10008.1.2.2"
    tables = [
        table(
            dataset[f"{color}PaletteColorLookupTableDescriptor"].value,
            dataset[f"{color}PaletteColorLookupTableData"].value,
            little,
            -(2**15),
            2**16 - 1,
        )
        for color in COLORS
    ]
    white = max(each.highest for each in tables)
    if white > 255 and max(each.entries.max() for each in tables) <= 255:
        raise ValueError("its palette says 16 bits and uses 8, so its brightness is not defined.")
    return np.concatenate([each.of(values) for each in tables], axis=2), white


def _of_segments(dataset: "Dataset", values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Let pydicom unfold a palette, and find its entries ourselves."""
    from pydicom.pixels.processing import apply_color_lut

    count, first, bits = (int(each) for each in dataset.RedPaletteColorLookupTableDescriptor)
    count = count or 2**16
    if bits == 8 and count > 256:
        raise ValueError(f"its palette is in segments and has {count} entries of 8 bits, which pydicom mixes up.")
    colors = apply_color_lut(np.arange(first, first + count, dtype=np.int32), dataset)[:, :3]
    place = np.clip(values[..., 0].astype(np.int64) - first, 0, count - 1)
    return colors[place], 2**bits - 1
