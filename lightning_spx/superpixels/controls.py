"""Controls with the same number of segments as an image, which ignore everything else about it."""

import torch
from torch import Tensor

from lightning_spx.superpixels.regular import grid_cells, voronoi_cells
from lightning_spx.superpixels.segmenter import check_segments, counts, is_one_map
from lightning_spx.superpixels.setting import check_at_least


def grid_like(segments: Tensor) -> Tensor:
    """Return a grid of rectangles with each image's own number of segments.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.

    Returns:
        int64 of the same shape, with exactly `S` nearly equal rectangles in each image.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> grid_like(torch.tensor([[[0, 1, 2, 3], [0, 0, 0, 0]]]))
        tensor([[[0, 1, 2, 3],
                 [0, 1, 2, 3]]])
    """
    if is_one_map(segments):
        return grid_like(segments[None])[0]
    check_segments(segments)
    _, height, width = segments.shape
    sizes = counts(segments)
    grids = torch.empty_like(segments)
    # Images with the same number of segments share their grid
    for count in set(sizes.tolist()):
        grids[sizes == count] = grid_cells(height, width, count).to(segments.device)
    return grids


def voronoi_like(segments: Tensor, seed: int, index: Tensor | int) -> Tensor:
    """Return random cells with each image's own number of segments.

    The cells of an image depend on `seed` and on its index, number of segments and size, not on its batch.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.
        seed: Seed of the whole study, non-negative.
        index: `(N,)` non-negative integers: the position of each image in the data set; one integer for one image.

    Returns:
        int64 of the same shape, with exactly `S` cells in each image.

    Raises:
        ValueError: If `segments` breaks its contract, `index` has another length, or `seed` or an index is negative.

    Example:
        >>> segments = torch.tensor([[[0, 1, 2, 2]], [[0, 0, 1, 2]]])
        >>> voronoi_like(segments, seed=0, index=torch.tensor([5, 8])).amax((1, 2))
        tensor([2, 2])
    """
    index = torch.as_tensor(index)
    if is_one_map(segments):
        return voronoi_like(segments[None], seed, index[None] if index.ndim == 0 else index)[0]
    check_segments(segments)
    check_at_least("seed", seed, minimum=0)
    if index.shape != segments.shape[:1] or index.is_floating_point():
        raise ValueError(
            f"Expected `index` to hold one integer for each of {len(segments)} images, "
            f"got {index.dtype} of shape {tuple(index.shape)}."
        )
    if (index < 0).any():
        raise ValueError(f"Expected `index` to be non-negative, got {int(index.min())}.")
    _, height, width = segments.shape
    cells = torch.empty_like(segments, device="cpu")
    for position, (count, image) in enumerate(zip(counts(segments).tolist(), index.tolist(), strict=True)):
        cells[position] = voronoi_cells(height, width, count, seed=(seed, image))
    return cells.to(segments.device)


def borrow(segments: Tensor, permutation: Tensor) -> Tensor:
    """Give each image the segments of another image.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image.
        permutation: `(N,)` int64, each of `0..N-1` once: image `n` borrows from image `permutation[n]`.

    Returns:
        `(N, H, W)` int64.

    Raises:
        ValueError: If `segments` breaks its contract or `permutation` is not a permutation.

    Example:
        >>> borrow(torch.tensor([[[0, 1]], [[0, 0]]]), torch.tensor([1, 0]))
        tensor([[[0, 0]],
        <BLANKLINE>
                [[0, 1]]])
    """
    check_segments(segments)
    permutation = torch.as_tensor(permutation).to(segments.device)
    places = torch.arange(len(segments), device=segments.device)
    if permutation.dtype != torch.int64 or not torch.equal(permutation.flatten().sort().values, places):
        raise ValueError(f"Expected `permutation` to hold each of 0..{len(segments) - 1} once, got {permutation}.")
    return segments[permutation]
