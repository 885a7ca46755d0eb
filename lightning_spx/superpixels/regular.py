"""Segmenters that ignore the image: a grid and random cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from lightning_spx.superpixels.image_forms import of_any_form
from lightning_spx.superpixels.segmenter import Segmenter, check_images
from lightning_spx.superpixels.setting import check_at_least


@dataclass(frozen=True)
class Grid(Segmenter):
    """Rectangles of nearly equal area, the same for all images of one size.

    Args:
        n_segments: Number of rectangles, kept exactly; an image with fewer pixels has one per pixel.

    Raises:
        ValueError: If `n_segments` is below 1.

    Example:
        >>> Grid(n_segments=3)(torch.zeros(1, 3, 3, 4))
        tensor([[[0, 0, 0, 0],
                 [1, 1, 2, 2],
                 [1, 1, 2, 2]]])
    """

    channels: ClassVar[int | None] = None

    n_segments: int = 100

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("n_segments", self.n_segments, minimum=1)

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the grid, once for each image.

        Args:
            images: `(N, C, H, W)` in [0, 1], of any number of channels.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` do not have that shape or leave [0, 1].
        """
        check_images(images, self.channels)
        num_images, _, height, width = images.shape
        cells = grid_cells(height, width, min(self.n_segments, height * width))
        return cells.to(images.device).repeat(num_images, 1, 1)


@dataclass(frozen=True)
class Voronoi(Segmenter):
    """Cells of the pixels nearest to random sites, the same for all images of one size.

    Args:
        n_segments: Number of cells, kept exactly; an image with fewer pixels has one per pixel.
        seed: Seed of the sites, non-negative.

    Raises:
        ValueError: If `n_segments` is below 1 or `seed` negative.

    Example:
        >>> Voronoi(n_segments=7)(torch.zeros(1, 3, 8, 8)).unique()
        tensor([0, 1, 2, 3, 4, 5, 6])
    """

    channels: ClassVar[int | None] = None

    n_segments: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("n_segments", self.n_segments, minimum=1)
        check_at_least("seed", self.seed, minimum=0)

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the cells, once for each image.

        Args:
            images: `(N, C, H, W)` in [0, 1], of any number of channels.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` do not have that shape or leave [0, 1].
        """
        check_images(images, self.channels)
        num_images, _, height, width = images.shape
        cells = voronoi_cells(height, width, min(self.n_segments, height * width), seed=(self.seed,))
        return cells.to(images.device).repeat(num_images, 1, 1)


def grid_cells(height: int, width: int, num_cells: int) -> Tensor:
    """Return exactly `num_cells` rectangles of nearly equal area.

    About `sqrt(num_cells * height / width)` rows make the cells nearly square. The numbers of cells in two rows differ
    by at most one, and a row's height is proportional to its number of cells, to the pixel.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        num_cells: Number of cells, from 1 to `height * width`.

    Returns:
        `(height, width)` int64, ids `0..num_cells-1` in reading order.

    Example:
        >>> grid_cells(2, 5, 3)
        tensor([[0, 0, 1, 1, 2],
                [0, 0, 1, 1, 2]])
    """
    # Enough rows that none has more cells than the image has columns
    num_rows = min(max(round(math.sqrt(num_cells * height / width)), math.ceil(num_cells / width)), height, num_cells)
    row = torch.arange(num_rows + 1)
    first_cell = row * num_cells // num_rows
    edge = (2 * first_cell * height + num_cells) // (2 * num_cells)
    # Rounding could leave a row empty; the running maximum of `edge - row` puts each edge below the previous one
    edge = (edge - row).clamp(0, height - num_rows).cummax(0).values + row
    row_of_pixel = torch.bucketize(torch.arange(height), edge[1:], right=True)
    cells_in_row = first_cell.diff()[row_of_pixel, None]
    return first_cell[row_of_pixel, None] + torch.arange(width) * cells_in_row // width


def voronoi_cells(height: int, width: int, num_cells: int, seed: Sequence[int]) -> Tensor:
    """Return exactly `num_cells` cells of the pixels nearest to random, distinct sites.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        num_cells: Number of cells, from 1 to `height * width`.
        seed: Non-negative integers that together seed the sites.

    Returns:
        `(height, width)` int64, ids `0..num_cells-1` in the reading order of the sites.

    Example:
        >>> voronoi_cells(2, 3, 6, seed=(0,))
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    num_pixels = height * width
    sites = np.random.default_rng(seed).choice(num_pixels, size=num_cells, replace=False)
    sites.sort()
    cell_of_site = np.zeros(num_pixels, dtype=np.int64)
    cell_of_site[sites] = np.arange(num_cells)
    elsewhere = np.ones(num_pixels, dtype=bool)
    elsewhere[sites] = False
    # The exact transform costs the same for any number of sites and breaks ties in a fixed way
    nearest = distance_transform_edt(elsewhere.reshape(height, width), return_distances=False, return_indices=True)
    return torch.from_numpy(cell_of_site[nearest[0].astype(np.int64) * width + nearest[1]])
