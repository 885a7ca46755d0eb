"""Finds equal masks of an image, so that what belongs to a mask is computed once."""

import numpy as np
import torch
from torch import Tensor


def distinct_masks(masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """List the distinct masks of every image; masks are compared pixel by pixel.

    Many maps remove the same pixels at some step: nothing, everything, or their common first segment.

    Args:
        masks: K masks of each of N images, shape (K,N,H,W) bool.

    Returns:
        The U distinct masks (U,H,W), image after image in the order of their first appearance; the images (U,) that
        they belong to; and the place (K,N) of each given mask among them.

    Example:
        >>> masks = torch.tensor([[[[True, False]]], [[[False, False]]], [[[True, False]]]])
        >>> distinct, image, place = distinct_masks(masks)
        >>> distinct.tolist(), image.tolist(), place.flatten().tolist()
        ([[[True, False]], [[False, False]]], [0, 0], [0, 1, 0])
    """
    places = torch.empty(masks.shape[:2], dtype=torch.int64)
    kept: list[Tensor] = []
    images: list[int] = []
    for image in range(masks.shape[1]):
        own = masks[:, image]
        place_of: dict[bytes, int] = {}
        first = []
        for number, row in enumerate(np.packbits(own.flatten(1).cpu().numpy(), axis=1)):
            key = row.tobytes()
            if key not in place_of:
                place_of[key] = len(images)
                images.append(image)
                first.append(number)
            places[number, image] = place_of[key]
        kept.append(own[first])
    distinct = torch.cat(kept) if kept else masks.new_zeros(0, *masks.shape[2:])
    return distinct, torch.tensor(images, dtype=torch.int64), places
