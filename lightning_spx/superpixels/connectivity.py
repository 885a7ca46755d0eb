"""Turns label maps into connected segments, on tensors: fragments join a neighbor, ids have no gaps."""

import torch
from torch import Tensor


def connected(labels: Tensor, min_size: int) -> Tensor:
    """Make every segment one 4-connected piece, and let pieces below a size join their largest neighbor.

    Separate pieces with the same label become segments of their own. In each round all pieces that are too small join
    the neighbor with the most pixels (of equal ones, the one whose first pixel comes first), until none is left.

    The function never waits for the device and no shape depends on values: in each round every unfinished piece joins
    another, so their number at least halves, and log2 of the number of pixels rounds suffice (Boruvka's argument). On a
    CPU, where checking costs nothing, it stops as soon as nothing changes.

    Args:
        labels: `(N, H, W)` int64.
        min_size: Number of pixels below which a piece joins a neighbor.

    Returns:
        `(N, H, W)` int64, ids `0..S-1` without gaps in each image, in the order of their first pixels.

    Example:
        >>> labels = torch.tensor([[[5, 5, 7, 5], [5, 5, 5, 5], [5, 9, 9, 9]]])
        >>> connected(labels, min_size=1)
        tensor([[[0, 0, 1, 0],
                 [0, 0, 0, 0],
                 [0, 2, 2, 2]]])
        >>> connected(labels, min_size=2)
        tensor([[[0, 0, 0, 0],
                 [0, 0, 0, 0],
                 [0, 1, 1, 1]]])
    """
    # the number of its first pixel identifies a piece; runs within a row need no rounds
    piece = runs(labels)
    same = labels[:, 1:] == labels[:, :-1]
    rounds = labels[0].numel().bit_length() if len(labels) else 0
    sides: list[tuple[Tensor, Tensor, Tensor | None]]
    for step in range(rounds):
        sides = [(piece[:, 1:], piece[:, :-1], same)]
        joined = _join(piece, sides, None, 0, rounds - step)
        if _settled(joined, piece):
            break
        piece = joined
    for step in range(rounds):
        size = torch.zeros_like(piece).flatten().scatter_add_(0, piece.flatten(), torch.ones_like(piece).flatten())
        sides = [(piece[:, 1:], piece[:, :-1], None), (piece[:, :, 1:], piece[:, :, :-1], None)]
        joined = _join(piece, sides, size, min_size, rounds - step)
        if _settled(joined, piece):
            break
        piece = joined
    return numbered(piece)


def runs(labels: Tensor) -> Tensor:
    """Return for each pixel the number of the first pixel of its run of one label within a row.

    Args:
        labels: `(N, H, W)` of any integer type.

    Returns:
        `(N, H, W)` int64; pixels are numbered through all images.

    Example:
        >>> runs(torch.tensor([[[5, 5, 7], [7, 7, 7]]]))
        tensor([[[0, 0, 2],
                 [3, 3, 3]]])
    """
    number = torch.arange(labels.numel(), device=labels.device).view_as(labels)
    edge = torch.ones_like(labels, dtype=torch.bool)
    edge[:, :, 1:] = labels[:, :, 1:] != labels[:, :, :-1]
    return number.where(edge, -1).cummax(2).values


def numbered(piece: Tensor) -> Tensor:
    """Number the pieces of each image from 0, in the order of their first pixels.

    Args:
        piece: `(N, H, W)` int64, for each pixel the number of its piece's first pixel, counted as in `runs`.

    Returns:
        `(N, H, W)` int64, ids `0..S-1` without gaps in each image.

    Example:
        >>> numbered(torch.tensor([[[0, 0, 2], [0, 4, 2]], [[6, 6, 6], [6, 10, 10]]]))
        tensor([[[0, 0, 1],
                 [0, 2, 1]],
        <BLANKLINE>
                [[0, 0, 0],
                 [0, 1, 1]]])
    """
    number = torch.arange(piece.numel(), device=piece.device).view_as(piece)
    rank = (piece == number).flatten(1).cumsum(1) - 1
    first = piece - number[:, :1, :1]
    return rank.gather(1, first.flatten(1)).view_as(piece)


def _settled(after: Tensor, before: Tensor) -> bool:
    # on other devices than a CPU, the program would have to wait for the answer
    return after.device.type == "cpu" and not torch.compiler.is_compiling() and torch.equal(after, before)


def _join(
    piece: Tensor, sides: list[tuple[Tensor, Tensor, Tensor | None]], size: Tensor | None, min_size: int, digits: int
) -> Tensor:
    """Let each piece below `min_size` join its largest neighbor; without `size`, each piece joins its first one."""
    total = piece.numel()
    number = torch.arange(total, device=piece.device)
    # prefer larger, then earlier neighbors: both in one whole number
    rank = total - 1 - number if size is None else size * total + (total - 1 - number)
    best = torch.full_like(rank, -1)
    for one, other, allowed in sides:
        differ = one != other if allowed is None else (one != other) & allowed
        for here, there in ((one, other), (other, one)):
            best.scatter_reduce_(0, here.flatten(), rank[there].where(differ, -1).flatten(), "amax")
    wants = best >= 0 if size is None else (best >= 0) & (size < min_size)
    into = torch.where(wants, total - 1 - best % total, number)
    # the only possible cycle is two pieces that choose each other: the earlier one stays
    into = torch.where((into[into] == number) & (number < into), number, into)
    for _ in range(digits):
        jumped = into[into]
        if _settled(jumped, into):
            break
        into = jumped
    piece = into[piece]
    first = torch.full_like(number, total).scatter_reduce_(0, piece.flatten(), number, "amin")
    return first[piece]
