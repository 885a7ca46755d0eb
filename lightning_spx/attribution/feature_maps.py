"""Finds the axes of rows, columns and channels in a layer's output by watching what changes with the image."""

from dataclasses import dataclass

import torch
from torch import Tensor

# The center of change moves from one corner to the other: by more than MOVES of a side in a feature map, by less than
# STILL if every region of the image reaches every place
MOVES, STILL = 0.02, 0.05
# both sides of a feature map move by at least this fraction of the largest movement along any axis
SHARE = 0.3


@dataclass(frozen=True)
class ChannelAxis:
    """The axis of the channels in a feature map: 1 for `(N, A, h, w)`, 3 for `(N, h, w, A)`.

    Example:
        >>> ChannelAxis(3).channels_first(torch.zeros(1, 4, 5, 2)).shape
        torch.Size([1, 2, 4, 5])
    """

    axis: int
    batch_axis = 0

    def fits(self, output: Tensor) -> bool:
        """Return whether an output has four axes."""
        return output.ndim == 4

    def channels_first(self, output: Tensor) -> Tensor:
        """Return a feature map as `(N, A, h, w)`."""
        return output.movedim(self.axis, 1)


def corners_changed(image: Tensor) -> Tensor:
    """Return an image, a copy with its upper right quarter inverted, and one with its lower left quarter inverted.

    Args:
        image: `(1, C, H, W)`.

    Returns:
        `(3, C, H, W)`.

    Example:
        >>> corners_changed(torch.tensor([[[[0.0, 0.0], [0.25, 1.0]]]]))[:, 0].tolist()
        [[[0.0, 0.0], [0.25, 1.0]], [[0.0, 1.0], [0.25, 1.0]], [[0.0, 0.0], [0.75, 1.0]]]
    """
    height, width = image.shape[2:]
    low, high = image.amin(), image.amax()
    negative = high + low - image if bool(high > low) else image + 1
    images = image.repeat(3, 1, 1, 1)
    # the middle row or column of an odd side belongs to both quarters
    upper, right = slice((height + 1) // 2), slice(width // 2, None)
    lower, left = slice(height // 2, None), slice((width + 1) // 2)
    images[1, :, upper, right] = negative[0, :, upper, right]
    images[2, :, lower, left] = negative[0, :, lower, left]
    return images


def channel_axis(output: Tensor, image_size: tuple[int, int]) -> int | None:
    """Return which axis of a layer's output holds the channels of a feature map.

    In a feature map, the values that change with the image's upper right corner lie above and to the right of those
    that change with its lower left corner. This does not hold for the scores or keys of an attention, nor if channels
    are mistaken for the width. If nothing moves, because every place depends on the whole image, the shape decides.

    Args:
        output: The layer's output for `corners_changed`, `(3, ., ., .)`, or for any images; then the shape decides.
        image_size: Height and width of the image.

    Returns:
        1 for `(N, A, h, w)`, 3 for `(N, h, w, A)`, None if it is no feature map or undecidable.

    Example:
        >>> images = corners_changed(torch.rand(1, 4, 6, 6, generator=torch.Generator().manual_seed(0)))
        >>> channel_axis(images, (6, 6)), channel_axis(images.movedim(1, 3), (6, 6)), channel_axis(images.mT, (6, 6))
        (1, 3, None)
    """
    if output[0, 0].numel() == 1:
        return 1
    if _is_attention(output):
        return None
    sizes = output.shape[1:]
    moved = _movements(output) if len(output) == 3 else [0.0, 0.0, 0.0]
    for channels, (rows, columns) in ((1, (1, 2)), (3, (0, 1))):
        # nothing can move along a side of length one
        sides = [moved[rows]] * (sizes[rows] > 1) + [-moved[columns]] * (sizes[columns] > 1)
        least = MOVES if len(sides) > 1 else STILL
        if sides and min(sides) >= max(least, SHARE * max(map(abs, moved))):
            return channels
    if max(map(abs, moved)) >= STILL:
        return None
    fitting = [channels for channels, (h, w) in ((1, sizes[1:]), (3, sizes[:2])) if same_aspect((h, w), image_size)]
    return fitting[0] if len(fitting) == 1 else None


def _movements(output: Tensor) -> list[float]:
    """Return how far the center of change moves along each axis but the first, from the second row to the third."""
    changes = (output[1:] - output[:1]).double().square()
    changes = changes / changes.flatten(1).sum(1).clamp(min=torch.finfo(torch.float64).tiny).view(2, 1, 1, 1)
    result = []
    for axis in (1, 2, 3):
        size = output.shape[axis]
        places = (torch.arange(size, dtype=torch.float64, device=output.device) + 0.5) / size
        others = [other for other in (1, 2, 3) if other != axis]
        upper, lower = (changes.sum(others) * places).sum(1).tolist()
        result.append(lower - upper)
    return result


def _is_attention(output: Tensor) -> bool:
    """Return whether every row is a distribution over as many places as there are rows, as after a softmax."""
    if output.shape[2] != output.shape[3] or bool((output < 0).any()):
        return False
    sums = output.double().sum(3)
    return bool((sums - 1).abs().max() < 1e-2)


def same_aspect(sides: tuple[int, int], image_size: tuple[int, int]) -> bool:
    """Return whether sides are in the proportion of the image's; either may be rounded up or down by one.

    Example:
        >>> same_aspect((7, 10), (224, 320)), same_aspect((10, 7), (224, 320))
        (True, False)
    """
    height, width = sides
    return abs(height * image_size[1] - width * image_size[0]) <= max(image_size)
