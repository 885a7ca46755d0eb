"""Applies a function for one image to a batch, in threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.superpixels.segmenter import check_images


def segment_each(
    images: Tensor, segment: Callable[[NDArray[np.float32]], NDArray[np.integer]], channels: int | None = 3
) -> Tensor:
    """Segment each image of a batch with a function for one image.

    The images are spread over `torch.get_num_threads()` threads (one in a DataLoader's worker).

    Args:
        images: `(N, C, H, W)` in [0, 1], by default RGB.
        segment: Maps an `(H, W, C)` float32 image to an `(H, W)` label map with any integer ids. It must be safe to
            run in several threads.
        channels: The number `C` that the images must have; None takes any number.

    Returns:
        `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

    Raises:
        TypeError: If `images` is not floating point.
        ValueError: If `images` do not have that shape or leave [0, 1].

    Example:
        >>> images = torch.tensor([[0.9, 0.1]]).expand(1, 3, 1, 2)
        >>> segment_each(images, lambda image: (10 * image[..., 0]).astype(int))
        tensor([[[1, 0]]])
    """
    check_images(images, channels)
    batch = images.detach().float().clamp(0, 1).movedim(1, -1).contiguous().cpu().numpy()
    labels = np.empty(batch.shape[:-1], dtype=np.int64)

    def fill(position: int) -> None:
        labels[position] = without_gaps(segment(batch[position]))

    # Threads suffice: scikit-image releases the interpreter lock
    with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
        for _ in pool.map(fill, range(len(batch))):
            pass
    return torch.from_numpy(labels).to(images.device)


def without_gaps(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Renumber the ids of one label map to `0..S-1`, in the order of the old ids.

    Args:
        labels: Array of any integers and any shape.

    Returns:
        int64 array of the same shape.

    Example:
        >>> without_gaps(np.array([[7, -1], [7, 3]]))
        array([[2, 0],
               [2, 1]])
    """
    _, ids = np.unique(labels, return_inverse=True)
    return np.asarray(ids, dtype=np.int64).reshape(labels.shape)
