"""Finds the patches of an image among the tokens of a transformer by watching which of them change with the image."""

from dataclasses import dataclass

import torch
from torch import Tensor

# a token that changes by less than this fraction of the largest change holds no patch: class, register, distillation
CONSTANT = 1e-5
# the changes of the tokens agree at least so well (cosine) with the quarters of the right grid, and better by MARGIN
# than with those of any other: 0.71 is the most that a wrong one reaches where the right tokens change alike
AGREEING, MARGIN = 0.75, 1.1


@dataclass(frozen=True)
class TokenGrid:
    """The places of an image's patches among the tokens of a layer.

    Args:
        places: Positions of the patches in the sequence, row by row.
        height: Number of rows.
        width: Number of columns.
        tokens: Length of the sequence, with the tokens that hold no patch.
        batch_axis: 0 if the layer returns `(N, T, A)`, 1 if it returns `(T, N, A)`.

    Example:
        >>> TokenGrid((1, 2), 1, 2, tokens=3).channels_first(torch.arange(6.0).view(1, 3, 2)).tolist()
        [[[[2.0, 4.0]], [[3.0, 5.0]]]]
    """

    places: tuple[int, ...]
    height: int
    width: int
    tokens: int
    batch_axis: int = 0

    def fits(self, output: Tensor) -> bool:
        """Return whether an output has the shape `(N, tokens, A)`."""
        return output.ndim == 3 and output.shape[1] == self.tokens

    def channels_first(self, output: Tensor) -> Tensor:
        """Return the patches of `(N, tokens, A)` as `(N, A, height, width)`."""
        patches = output[:, list(self.places)]
        return patches.reshape(len(patches), self.height, self.width, patches.shape[2]).movedim(3, 1)

    def is_passed_by(self, gradients: Tensor) -> bool:
        """Return whether no patch has a gradient in `(N, tokens, A)`, but another token has."""
        return bool(gradients.any()) and not bool(gradients[:, list(self.places)].any())


def quarters_replaced(image: Tensor) -> Tensor:
    """Return an image and three copies in which its upper right or lower left quarter, or all of it, is replaced.

    Each value is replaced by the image's minimum or maximum, whichever is farther, so that every pixel changes.

    Args:
        image: `(1, C, H, W)`.

    Returns:
        `(4, C, H, W)`.

    Example:
        >>> quarters_replaced(torch.tensor([[[[0.0, 0.5], [0.25, 1.0]]]]))[:, 0].flatten(1).tolist()
        [[0.0, 0.5, 0.25, 1.0], [0.0, 0.0, 0.25, 1.0], [0.0, 0.5, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]]
    """
    height, width = image.shape[2:]
    low, high = image.amin(), image.amax()
    other = torch.where(image < (low + high) / 2, high, low) if bool(high > low) else image + 1
    images = image.repeat(4, 1, 1, 1)
    # the middle row or column of an odd side belongs to both quarters
    upper, right = slice((height + 1) // 2), slice(width // 2, None)
    lower, left = slice(height // 2, None), slice((width + 1) // 2)
    images[1, :, upper, right] = other[0, :, upper, right]
    images[2, :, lower, left] = other[0, :, lower, left]
    images[3] = other[0]
    return images


def token_grid(tokens: Tensor, batch_axis: int = 0) -> TokenGrid | None:
    """Find rows and columns of patches among tokens, none of which has yet seen another.

    Tokens that do not change with the image hold no patch, wherever they stand. Of all grids with as many places as
    there are others, the right one has its changes where the image was replaced: above and to the right, below and to
    the left. So nothing is assumed about the image's sides, and patches in another order than row by row are found out.

    Args:
        tokens: The sequence for the images of `quarters_replaced`, `(4, T, D)`.
        batch_axis: The axis of images in the layer's output, for the grid.

    Returns:
        The grid; None if the tokens that change form none, or cannot be told from another.

    Example:
        >>> images = quarters_replaced(torch.rand(1, 1, 2, 3, generator=torch.Generator().manual_seed(0)))
        >>> patches = images.flatten(2).mT
        >>> token_grid(torch.cat([torch.ones(4, 1, 1), patches], 1))
        TokenGrid(places=(1, 2, 3, 4, 5, 6), height=2, width=3, tokens=7, batch_axis=0)
    """
    changes = (tokens[1:] - tokens[:1]).double().norm(dim=2)
    places = (changes.amax(0) > CONSTANT * changes.max()).nonzero().flatten()
    count = len(places)
    grids = [(rows, count // rows) for rows in range(1, count + 1) if count % rows == 0]
    # what changes everywhere, such as a mean over the image, is in both
    apart = (changes[0] - changes[1])[places].cpu()
    agreements = [_agreement(apart, *grid) for grid in grids]
    ranked = sorted(zip(agreements, grids, strict=True), reverse=True)
    if not ranked or (count > 1 and ranked[0][0] < max(AGREEING, MARGIN * ranked[1][0])):
        return None
    height, width = ranked[0][1]
    return TokenGrid(tuple(places.tolist()), height, width, tokens.shape[1], batch_axis)


def _agreement(apart: Tensor, rows: int, columns: int) -> float:
    """Return the cosine between changes `(n,)` and what they are if each place sees its own part of the image only."""
    upper, lower = _halves(rows)
    left, right = _halves(columns)
    expected = (upper[:, None] * right - lower[:, None] * left).flatten()
    norms = apart.norm() * expected.norm()
    return float(apart @ expected / norms) if norms > 0 else 0.0


def _halves(size: int) -> tuple[Tensor, Tensor]:
    """Return which share of each of `size` places lies in the first half of a side, and which in the second."""
    ends = torch.arange(1, size + 1, dtype=torch.float64)
    first = (size / 2 - ends + 1).clamp(0, 1)
    return first, 1 - first
