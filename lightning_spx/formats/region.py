"""An object or a part of a photo, as an annotation tool stores it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Region:
    """One instance: its label and its pixels, held as the box around them, so that hundreds fit in memory.

    Args:
        label: name of its class.
        instance: its number in the file, from 1.
        inside: (h, w) pixels of the box, true on the region.
        top: first row of the box.
        left: first column of the box.
        size: height and width of the photo.

    Example:
        >>> region = Region.of_mask("jay", np.array([[False, True], [False, True]]), instance=1)
        >>> region.left, region.inside.shape, region.area, region.mask.tolist()
        (1, (2, 1), 2, [[False, True], [False, True]])
    """

    label: str
    instance: int
    inside: Flags
    top: int
    left: int
    size: Size

    @classmethod
    def of_mask(cls, label: str, mask: Flags, instance: int) -> "Region":
        """Return the region of a mask (H, W) of the whole photo."""
        return cls.of_part(label, instance, mask, (0, 0), (mask.shape[0], mask.shape[1]))

    @classmethod
    def of_part(cls, label: str, instance: int, part: Flags, corner: tuple[int, int], size: Size) -> "Region":
        """Return the region of a mask (h, w) of a part of the photo, whose first row and column are `corner`."""
        rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
        if not len(rows):
            return cls(label, instance, np.zeros((0, 0), np.bool_), 0, 0, size)
        top, left = int(rows[0]), int(columns[0])
        inside = part[top : rows[-1] + 1, left : columns[-1] + 1].copy()
        return cls(label, instance, inside, corner[0] + top, corner[1] + left, size)

    @property
    def place(self) -> tuple[slice, slice]:
        """Return the rows and columns of the box, an index of arrays (H, W)."""
        height, width = self.inside.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def mask(self) -> Flags:
        """Return the mask of the whole photo, (H, W)."""
        mask = np.zeros(self.size, np.bool_)
        mask[self.place] = self.inside
        return mask

    @property
    def area(self) -> int:
        """Return the number of pixels."""
        return int(self.inside.sum())


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one photo.

    Args:
        size: height and width of the photo.
        regions: the instances, in the order of the file, what lies on top last.
        names: all labels that the file defines, whether this photo has them or not; None where a file defines none.
        left_out: how many annotations of each kind have no area, such as lines and points.

    Example:
        >>> regions = Regions((2, 2), [Region.of_mask("jay", np.eye(2, dtype=bool), 1)])
        >>> [(each.label, each.mask.sum().item()) for each in regions]
        [('jay', 2)]
    """

    size: Size
    regions: Sequence[Region]
    names: tuple[str, ...] | None = None
    left_out: dict[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Region]:
        """Return the instances in order."""
        return iter(self.regions)

    def __len__(self) -> int:
        """Return the number of instances."""
        return len(self.regions)


def joined(parts: Sequence[Region], instance: int) -> Region:
    """Return the union of parts of one instance, which has the label of the first.

    Example:
        >>> parts = [Region.of_mask("jay", np.eye(3, dtype=bool) & (np.arange(3) == at), 1) for at in (0, 2)]
        >>> joined(parts, instance=4).mask.sum(), joined(parts, instance=4).instance
        (np.int64(2), 4)
    """
    first = parts[0]
    if len(parts) == 1:
        return Region(first.label, instance, first.inside, first.top, first.left, first.size)
    mask = np.zeros(first.size, np.bool_)
    for part in parts:
        mask[part.place] |= part.inside
    return Region.of_mask(first.label, mask, instance)


def grouped(parts: Sequence[tuple[Region, object | None]]) -> list[Region]:
    """Join the parts that share label and group, and number the instances from 1 in the order of their first parts.

    Args:
        parts: each part with its group, None for a part that is an instance by itself.
    """
    members: dict[object, list[Region]] = {}
    for position, (part, group) in enumerate(parts):
        key = position if group is None else (part.label, group)
        members.setdefault(key, []).append(part)
    return [joined(each, number) for number, each in enumerate(members.values(), start=1)]
