"""The regions of XRAI and the greedy choice among them."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution.chunks import check_integer
from lightning_spx.superpixels.segmenter import check_segments

# fewer new pixels than these make no region: the number of the published package, which is for images of 224 pixels
MIN_NEW_PIXELS = 50
# pixels' sets of masks are packed into words; the sign is left out
BITS = 63
# a power of two beyond is no float64
LARGEST_EXPONENT = 1000
# less than any mean
NEVER = np.iinfo(np.int64).min

Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Regions:
    """The overlapping regions of one image, on the CPU; made by `regions_of`.

    Args:
        atoms: `(H, W)` int64, ids `0..A-1`: pixels that belong to the same regions share an atom.
        membership: `(R, A)` bool, which atoms each of the R regions consists of.
        sizes: `(A,)` int64, the number of pixels of each atom.

    Example:
        >>> regions_of(torch.tensor([[[0, 0, 1, 1]]]), dilation=1).membership.long()
        tensor([[1, 0, 1],
                [0, 1, 1]])
    """

    atoms: Tensor
    membership: Tensor
    sizes: Tensor

    @cached_property
    def tables(self) -> tuple[list[Whole], Whole]:
        """The atoms of each region, and the regions of each atom `(A, D)`, filled up with R, which is none."""
        num_regions, num_atoms = self.membership.shape
        regions, atoms = self.membership.numpy().nonzero()
        members = np.split(atoms, np.cumsum(np.bincount(regions, minlength=num_regions))[:-1])
        order = np.argsort(atoms, kind="stable")
        each = np.bincount(atoms, minlength=num_atoms)
        place = np.arange(len(atoms)) - np.repeat(np.cumsum(each) - each, each)
        table = np.full((num_atoms, each.max()), num_regions)
        table[atoms[order], place] = regions[order]
        return members, table


def regions_of(segments: Tensor, dilation: int) -> Regions:
    """Return the regions that several segmentations of one image give: each segment is one, widened by a disk.

    Args:
        segments: `(L, H, W)` int64, L label maps with ids `0..S-1` without gaps in each.
        dilation: Radius in pixels of the disk by which each segment is dilated, as `skimage.morphology.disk`; 0 for
            none.

    Returns:
        The regions, those of the first map first and in the order of ids.

    Raises:
        TypeError: If `dilation` is no integer.
        ValueError: If `segments` breaks its contract, or `dilation` is negative.

    Example:
        >>> regions = regions_of(torch.tensor([[[0, 0, 1]], [[0, 1, 1]]]), dilation=0)
        >>> regions.atoms, regions.membership.shape
        (tensor([[0, 1, 2]]), torch.Size([4, 3]))
    """
    check_segments(segments)
    check_integer("dilation", dilation)
    if dilation < 0:
        raise ValueError(f"Expected `dilation` to be at least 0, got {dilation}.")
    if not len(segments):
        raise ValueError("Expected `segments` to hold at least one label map, got none.")
    segments = segments.detach().cpu()
    counts = segments.flatten(1).amax(1) + 1
    num_regions = int(counts.sum())
    # the ids of a map follow those of the map before it
    ids = segments + (counts.cumsum(0) - counts)[:, None, None]
    words = torch.zeros(-(-num_regions // BITS), *segments.shape[1:], dtype=torch.int64)
    for each in ids:
        # no two maps share a bit, so that a sum is a union
        words.scatter_add_(0, (each // BITS)[None], (1 << (each % BITS))[None])
    words = _dilated(words, dilation).flatten(1)
    atoms = _equal_columns(words)
    sizes = torch.bincount(atoms)
    first = torch.empty_like(sizes)
    # any pixel of an atom will do, because all belong to the same regions
    first[atoms] = torch.arange(len(atoms))
    membership = torch.empty(num_regions, len(sizes), dtype=torch.bool)
    for rows, word in zip(torch.split(membership, BITS), words[:, first], strict=True):
        # word by word, because all of them at once take 8 bytes for each place of the result
        rows[:] = (word >> torch.arange(len(rows))[:, None]) & 1 == 1
    return Regions(atoms.view(segments.shape[1:]), membership, sizes)


def _dilated(words: Tensor, radius: int) -> Tensor:
    """Return the union of the sets (words, H, W) within a disk around each pixel."""
    # the disk as rows: a set is first widened to each side, then copied up and down as far as the disk is so wide
    row, result = words, torch.zeros_like(words)
    width = 0
    for down in range(radius, -1, -1):
        for wider in range(width + 1, math.isqrt(radius**2 - down**2) + 1):
            row = row.clone()
            row[:, :, wider:] |= words[:, :, :-wider]
            row[:, :, :-wider] |= words[:, :, wider:]
            width = wider
        if down:
            result[:, down:] |= row[:, :-down]
            result[:, :-down] |= row[:, down:]
        else:
            result |= row
    return result


def _equal_columns(words: Tensor) -> Tensor:
    """Number the columns (words, D) so that equal ones, and only those, have equal numbers `0..A-1`."""
    number = torch.zeros_like(words[0])
    for word in words:
        # one word after the other: sorting whole columns is several times slower
        _, next_number = word.unique(return_inverse=True)
        _, number = (number * (int(next_number.max()) + 1) + next_number).unique(return_inverse=True)
    return number


def region_map(attribution: Tensor, regions: Regions, min_new_pixels: int = MIN_NEW_PIXELS) -> Tensor:
    """Return the XRAI maps of several attributions of the same image.

    Regions are chosen one after the other: the one whose pixels that are not yet chosen have the highest mean
    attribution (the first of equals), which becomes the value of these pixels. A region with fewer than
    `min_new_pixels` new pixels is left out, and pixels that no region is left for get their common mean. So the sum
    over the image stays. Attributions are first rounded to whole multiples of about `H * W / 2**62` of the largest,
    whose sums are exact in any order: equal means are equal, on any device and beside any other maps.

    Source: Kapishnikov et al., XRAI: Better Attributions Through Regions, ICCV 2019, algorithm 1, with the rules of the
    package `saliency` 0.2.1 (`algorithm="full"`).

    Args:
        attribution: Signed values, `(M, H, W)` floating point: M attributions of one image.
        regions: The regions of the image.
        min_new_pixels: Fewer new pixels make no region, at least 1; for a small image take fewer than 50.

    Returns:
        `(M, H, W)` float32 or better, on the device of `attribution`.

    Raises:
        TypeError: If `attribution` is not floating point.
        ValueError: If the shape does not fit, a value is NaN or infinite, or `min_new_pixels` is below 1.

    Example:
        >>> regions = regions_of(torch.tensor([[[0, 0, 1, 1]]]), dilation=0)
        >>> region_map(torch.tensor([[[1.0, 3.0, 5.0, -1.0]]]), regions, min_new_pixels=1)
        tensor([[[2., 2., 2., 2.]]])
        >>> region_map(torch.tensor([[[1.0, 3.0, 5.0, 4.0]]]), regions, min_new_pixels=1)
        tensor([[[2.0000, 2.0000, 4.5000, 4.5000]]])
    """
    sums, exponents = _atom_sums(attribution, regions, min_new_pixels)
    found = [torch.from_numpy(_chosen(each, regions, min_new_pixels)[0]) for each in sums.numpy()]
    maps = torch.stack(found).double() if found else torch.empty(sums.shape, dtype=torch.float64)
    # a product by a power of two is exact
    maps *= torch.tensor([math.ldexp(1.0, -each) for each in exponents], dtype=torch.float64)[:, None]
    dtype = torch.promote_types(attribution.dtype, torch.float32)
    return maps[:, regions.atoms].to(attribution.device, dtype)


def region_order(attribution: Tensor, regions: Regions, min_new_pixels: int = MIN_NEW_PIXELS) -> Tensor:
    """Return the regions in the order in which `region_map` chooses them.

    Args:
        attribution: As in `region_map`.
        regions: As in `region_map`.
        min_new_pixels: As in `region_map`.

    Returns:
        `(M, K)` int64, numbers of regions, filled up with -1 for attributions that choose fewer than K.

    Raises:
        TypeError: As in `region_map`.
        ValueError: As in `region_map`.

    Example:
        >>> regions = regions_of(torch.tensor([[[0, 0, 1, 1]]]), dilation=0)
        >>> region_order(torch.tensor([[[1.0, 3.0, 5.0, 4.0]]]), regions, min_new_pixels=1)
        tensor([[1, 0]])
    """
    sums, _ = _atom_sums(attribution, regions, min_new_pixels)
    orders = [_chosen(each, regions, min_new_pixels)[1] for each in sums.numpy()]
    result = torch.full((len(orders), max(map(len, orders), default=0)), -1)
    for row, order in zip(result, orders, strict=True):
        row[: len(order)] = torch.tensor(order, dtype=torch.int64)
    return result


def _atom_sums(attribution: Tensor, regions: Regions, min_new_pixels: int) -> tuple[Tensor, list[int]]:
    """Return each map's sums over atoms (M, A) int64, in units of two to the power of minus the exponents."""
    if not isinstance(attribution, Tensor) or not attribution.is_floating_point():
        kind = attribution.dtype if isinstance(attribution, Tensor) else type(attribution).__name__
        raise TypeError(f"Expected `attribution` to be a floating point tensor, got {kind}.")
    if attribution.ndim != 3 or attribution.shape[1:] != regions.atoms.shape:
        raise ValueError(
            f"Expected `attribution` of shape (M, H, W) with the (H, W) of the regions, {tuple(regions.atoms.shape)}, "
            f"got {tuple(attribution.shape)}."
        )
    if min_new_pixels < 1:
        raise ValueError(f"Expected `min_new_pixels` to be at least 1, got {min_new_pixels}.")
    values = attribution.detach().cpu().double().flatten(1)
    largest = values.abs().amax(1).tolist()
    if not all(map(math.isfinite, largest)):
        maps = [number for number, each in enumerate(largest) if not math.isfinite(each)]
        raise ValueError(f"Expected a finite `attribution`, got NaN or infinity for the maps at positions {maps}.")
    # whole numbers whose sum over the image is below 2**62: exact in any order, so that equal densities are equal
    bits = 62 - (values.shape[1] - 1).bit_length()
    exponents = [min(bits - math.frexp(each)[1], LARGEST_EXPONENT) for each in largest]
    scale = torch.tensor([math.ldexp(1.0, each) for each in exponents], dtype=torch.float64)
    whole = (values * scale[:, None]).round().long()
    sums = whole.new_zeros(len(whole), len(regions.sizes))
    return sums.index_add_(1, regions.atoms.flatten(), whole), exponents


def _chosen(sums: Whole, regions: Regions, min_new_pixels: int) -> tuple[Whole, list[int]]:
    """Return the gain density of each atom's region (A,) and the order of regions, for one map's sums over atoms."""
    members, table = regions.tables
    pixels = regions.sizes.numpy()
    # what each region would add; the last place is that of no region, which never has enough pixels
    gains, sizes = (np.array([*(each[atoms].sum() for atoms in members), 0]) for each in (sums, pixels))
    free, found, order = np.ones(len(sums), np.bool_), np.zeros_like(sums), []
    while (enough := sizes >= min_new_pixels).any():
        density = np.where(enough, gains // np.maximum(sizes, 1), NEVER)
        # the first of equals
        best = int(density.argmax())
        new = members[best][free[members[best]]]
        order.append(best)
        free[new], found[new] = False, density[best]
        # the chosen region loses all its pixels too, so that it is not chosen again
        losing = table[new]
        np.subtract.at(gains, losing, sums[new, None])
        np.subtract.at(sizes, losing, pixels[new, None])
    if free.any():
        found[free] = sums[free].sum() // pixels[free].sum()
    return found, order
