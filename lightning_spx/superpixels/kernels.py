"""SLIC as Triton kernels for a GPU: the same segments as the tensor version in a fraction of its time."""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from lightning_spx.superpixels.cells import CellGrid, centers
from lightning_spx.superpixels.connectivity import numbered, runs

kernel: Callable[[Callable[..., Any]], Any] = triton.jit

BLOCK = 1024
PIXELS_PER_WARP = 128


def slic_segments(lab: Tensor, grid: CellGrid, weight: float, min_size: int, max_num_iter: int) -> Tensor:
    """Segment images with the steps and arguments of `cells.nearest_cells` and `connectivity.connected`.

    Args:
        lab: `(N, 3, H, W)` int32, colors.
        grid: The cells.
        weight: Factor of the squared distance in pixels.
        min_size: Number of pixels below which a piece joins a neighbor.
        max_num_iter: Number of iterations.

    Returns:
        `(N, H, W)` int64, ids `0..S-1` without gaps in each image.
    """
    # kernels run on the current device, which may not be the images' device
    with torch.cuda.device(lab.get_device()):
        return connected(nearest_cells(lab, grid, weight, max_num_iter), min_size)


def nearest_cells(lab: Tensor, grid: CellGrid, weight: float, max_num_iter: int) -> Tensor:
    """Assign each pixel to the nearest center, with arguments and result of `cells.nearest_cells`.

    Each program handles the pixels of one cell and adds to the sums of the cells around it.

    Returns:
        `(N, H, W)` int32, the number of the pixel's cell.
    """
    number, _, height, width = lab.shape
    cells = grid.rows * grid.columns
    block = min(BLOCK, triton.next_power_of_2(-(-height // grid.rows) * -(-width // grid.columns)))
    labels = torch.empty((number, height, width), dtype=torch.int32, device=lab.device)
    center = torch.zeros((number, cells, 5), device=lab.device)
    for iteration in range(max_num_iter):
        last = iteration == max_num_iter - 1
        sums = torch.zeros((number, cells, 6), dtype=torch.int64, device=lab.device)
        assign[(cells, number)](
            lab,
            center,
            sums,
            labels,
            height,
            width,
            grid.rows,
            grid.columns,
            weight,
            FIRST=iteration == 0,
            LAST=last,
            BLOCK=block,
            num_warps=max(1, block // PIXELS_PER_WARP),
            # no fused multiply-add: products are rounded before they are added, as in the other versions
            enable_fp_fusion=False,
        )
        if not last:
            center = centers(sums.double(), center)
    return labels


@kernel
def assign(
    lab: tl.tensor,
    center: tl.tensor,
    sums: tl.tensor,
    labels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    weight: tl.tensor,
    FIRST: tl.constexpr,
    LAST: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Find the nearest of nine centers for the pixels of a cell; add them up or, the last time, store the result."""
    row, column = tl.program_id(0) // columns, tl.program_id(0) % columns
    image = tl.program_id(1).to(tl.int64)
    top, bottom = (row * height + rows - 1) // rows, ((row + 1) * height + rows - 1) // rows
    left, right = (column * width + columns - 1) // columns, ((column + 1) * width + columns - 1) // columns
    count = (bottom - top) * (right - left)
    for begin in range(0, count, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        inside = place < count
        y, x = top + place // (right - left), left + place % (right - left)
        pixel = lab + image * 3 * height * width + y * width + x
        light = tl.load(pixel, mask=inside, other=0)
        green_red = tl.load(pixel + height * width, mask=inside, other=0)
        blue_yellow = tl.load(pixel + 2 * height * width, mask=inside, other=0)
        best = tl.full((BLOCK,), float("inf"), tl.float32)
        # the first iteration is the grid itself
        nearest = tl.full((BLOCK,), 4 if FIRST else 0, tl.int32)
        if not FIRST:
            for number in tl.static_range(9):
                down, across = row + number // 3 - 1, column + number % 3 - 1
                there = (down >= 0) & (down < rows) & (across >= 0) & (across < columns)
                at = center + (image * rows * columns + down * columns + across) * 5
                infinity = float("inf")
                d_light = light.to(tl.float32) - tl.load(at, mask=there, other=infinity)
                d_green_red = green_red.to(tl.float32) - tl.load(at + 1, mask=there, other=infinity)
                d_blue_yellow = blue_yellow.to(tl.float32) - tl.load(at + 2, mask=there, other=infinity)
                d_y = y.to(tl.float32) - tl.load(at + 3, mask=there, other=infinity)
                d_x = x.to(tl.float32) - tl.load(at + 4, mask=there, other=infinity)
                apart = d_y * d_y * weight + d_x * d_x * weight
                distance = d_light * d_light + d_green_red * d_green_red + d_blue_yellow * d_blue_yellow + apart
                nearest = tl.where(distance < best, number, nearest)
                best = tl.minimum(best, distance)
        if LAST:
            label = (row + nearest // 3 - 1) * columns + column + nearest % 3 - 1
            tl.store(labels + image * height * width + y * width + x, label, mask=inside)
        else:
            for number in tl.static_range(9):
                down, across = row + number // 3 - 1, column + number % 3 - 1
                chosen = inside & (nearest == number)
                total = tl.sum(chosen.to(tl.int32), 0)
                # skip centers that no pixel chose; beyond the border there is none
                at = sums + (image * rows * columns + down * columns + across) * 6
                if total > 0:
                    tl.atomic_add(at, tl.sum(tl.where(chosen, light, 0), 0).to(tl.int64), sem="relaxed")
                    tl.atomic_add(at + 1, tl.sum(tl.where(chosen, green_red, 0), 0).to(tl.int64), sem="relaxed")
                    tl.atomic_add(at + 2, tl.sum(tl.where(chosen, blue_yellow, 0), 0).to(tl.int64), sem="relaxed")
                    tl.atomic_add(at + 3, tl.sum(tl.where(chosen, y, 0), 0).to(tl.int64), sem="relaxed")
                    tl.atomic_add(at + 4, tl.sum(tl.where(chosen, x, 0), 0).to(tl.int64), sem="relaxed")
                    tl.atomic_add(at + 5, total.to(tl.int64), sem="relaxed")


def connected(labels: Tensor, min_size: int) -> Tensor:
    """Connect and number segments, with arguments and result of `connectivity.connected`.

    One pass of union-find finds the pieces (Komura, "GPU-based cluster-labeling algorithm without the use of
    conventional iteration", 2015). In each round every piece that is too small joins another. After a round in which
    none was left, the next ones return at once, so that the host need not ask.

    Args:
        labels: `(N, H, W)` int32.
        min_size: Number of pixels below which a piece joins a neighbor.
    """
    height, width = labels.shape[-2:]
    total = labels.numel()
    grid = (triton.cdiv(total, BLOCK),)
    parent = runs(labels).int()
    piece = torch.empty_like(parent)
    size = torch.zeros_like(parent)
    best = torch.full(labels.shape, -1, dtype=torch.int64, device=labels.device)
    rounds = (height * width).bit_length() if total else 0
    joined = torch.zeros(rounds + 1, dtype=torch.int32, device=labels.device)
    joined[:1] = 1
    if total:
        unite_rows[grid](labels, parent, total, height, width, BLOCK=BLOCK)
        settle[grid](parent, piece, size, joined, total, FIRST=True, BLOCK=BLOCK)
    for step in range(rounds):
        choose[grid](piece, size, best, joined[step:], total, height, width, min_size, BLOCK=BLOCK)
        join[grid](parent, best, joined[step:], total, BLOCK=BLOCK)
        settle[grid](parent, piece, size, joined[step + 1 :], total, FIRST=False, BLOCK=BLOCK)
    return numbered(piece.long())


@kernel
def find(parent: tl.tensor, node: tl.tensor, valid: tl.tensor) -> tl.tensor:
    """Follow each node to the first pixel of its piece."""
    above = tl.load(parent + node, mask=valid, other=0)
    climbing = valid & (above != node)
    while tl.max(climbing.to(tl.int32), 0) > 0:
        node = tl.where(climbing, above, node)
        above = tl.load(parent + node, mask=climbing, other=0)
        climbing = climbing & (above != node)
    return node


@kernel
def unite(parent: tl.tensor, one: tl.tensor, other: tl.tensor, valid: tl.tensor) -> None:
    """Unite the pieces of two nodes. A stale read is harmless: it gives another node of the same piece."""
    one, other = find(parent, one, valid), find(parent, other, valid)
    apart = valid & (one != other)
    while tl.max(apart.to(tl.int32), 0) > 0:
        high, low = tl.maximum(one, other), tl.minimum(one, other)
        held = tl.atomic_min(parent + high, low, mask=apart, sem="relaxed")
        # if `high` no longer was the first of its piece, unite the piece that it now belongs to
        one, other = tl.where(apart & (held != high), held, low), low
        apart = apart & (one != other)


@kernel
def unite_rows(
    labels: tl.tensor, parent: tl.tensor, total: tl.tensor, height: tl.tensor, width: tl.tensor, BLOCK: tl.constexpr
) -> None:
    """Unite each run with the runs of its label in the row above, at the first column that both share."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    below = (pixel < total) & (pixel // width % height > 0)
    label = tl.load(labels + pixel, mask=below, other=0)
    same = below & (label == tl.load(labels + pixel - width, mask=below, other=-1))
    beside = same & (pixel % width > 0)
    before = beside & (label == tl.load(labels + pixel - 1, mask=beside, other=-1))
    before = before & (label == tl.load(labels + pixel - 1 - width, mask=before, other=-1))
    # if the pixel before matches too, it unites the runs; `before` is a subset of `same`, so `^` removes it
    unite(parent, pixel, pixel - width, same ^ before)


@kernel
def settle(
    parent: tl.tensor,
    piece: tl.tensor,
    size: tl.tensor,
    joined: tl.tensor,
    total: tl.tensor,
    FIRST: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Store the first pixel of each pixel's piece and add up the sizes."""
    if tl.load(joined) > 0:
        pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        valid = pixel < total
        before = pixel if FIRST else tl.load(piece + pixel, mask=valid, other=0)
        now = find(parent, before, valid)
        tl.store(piece + pixel, now, mask=valid)
        if FIRST:
            tl.atomic_add(size + now, tl.full((BLOCK,), 1, tl.int32), mask=valid, sem="relaxed")
        else:
            moved = valid & (before == pixel) & (now != pixel)
            tl.atomic_add(size + now, tl.load(size + pixel, mask=moved, other=0), mask=moved, sem="relaxed")


@kernel
def prefer(
    best: tl.tensor,
    size: tl.tensor,
    small: tl.tensor,
    large: tl.tensor,
    total: tl.tensor,
    min_size: tl.tensor,
    valid: tl.tensor,
) -> None:
    """Offer each pixel's neighbors to pieces that are too small; larger neighbors win, then earlier ones."""
    wanted = valid & (tl.load(size + small, mask=valid, other=0) < min_size)
    offered = tl.load(size + large, mask=wanted, other=0).to(tl.int64) * total + (total - 1 - large)
    tl.atomic_max(best + small, offered, mask=wanted, sem="relaxed")


@kernel
def choose(
    piece: tl.tensor,
    size: tl.tensor,
    best: tl.tensor,
    joined: tl.tensor,
    total: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    min_size: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Find the largest neighbor of each piece that is too small."""
    if tl.load(joined) > 0:
        pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        valid = pixel < total
        here = tl.load(piece + pixel, mask=valid, other=0)
        for side in tl.static_range(2):
            near = pixel % width < width - 1 if side == 0 else pixel // width % height < height - 1
            other = tl.load(piece + pixel + (1 if side == 0 else width), mask=valid & near, other=0)
            differ = valid & near & (here != other)
            prefer(best, size, here, other, total, min_size, differ)
            prefer(best, size, other, here, total, min_size, differ)


@kernel
def join(parent: tl.tensor, best: tl.tensor, joined: tl.tensor, total: tl.tensor, BLOCK: tl.constexpr) -> None:
    """Unite each piece that is too small with its choice; tell the next round whether there was one."""
    if tl.load(joined) > 0:
        pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        valid = pixel < total
        choice = tl.load(best + pixel, mask=valid, other=-1)
        wants = choice >= 0
        tl.store(best + pixel, tl.full((BLOCK,), -1, tl.int64), mask=wants)
        unite(parent, pixel, (total - 1 - choice % total).to(tl.int32), wants)
        if tl.max(wants.to(tl.int32), 0) > 0:
            tl.store(joined + 1, 1)
