"""Exchanges label maps with other tools: takes theirs as segments, and gives segments as captum's feature mask."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.superpixels.per_image import without_gaps
from lightning_spx.superpixels.segmenter import check_segments, is_one_map


def as_segments(labels: Tensor | NDArray[Any]) -> Tensor:
    """Turn label maps of any integers into segments: ids `0..S-1` without gaps in each image, in the same order.

    Args:
        labels: `(H, W)` or `(N, H, W)` integers or bool, a tensor or an array, such as the result of
            `skimage.segmentation.slic`, whose ids begin at 1, or a mask of an object.

    Returns:
        int64 of the same shape, on the same device.

    Raises:
        TypeError: If `labels` does not hold integers.
        ValueError: If the shape differs, or a map has no pixels.

    Example:
        >>> as_segments(np.array([[1, 1, 7], [-1, 7, 7]]))
        tensor([[1, 1, 2],
                [0, 2, 2]])
    """
    if not isinstance(labels, Tensor | np.ndarray):
        raise TypeError(f"Expected `labels` to be a tensor or an array, got {type(labels).__name__}.")
    array = labels.numpy(force=True) if isinstance(labels, Tensor) and labels.dtype != torch.bfloat16 else labels
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biu":
        convert = "long()" if isinstance(labels, Tensor) else "astype(int)"
        raise TypeError(f"Expected `labels` to be integers, got {labels.dtype}: give labels.round().{convert}.")
    if array.ndim not in (2, 3) or 0 in array.shape[-2:]:
        raise ValueError(f"Expected `labels` of shape (H, W) or (N, H, W), got {array.shape}.")
    maps = [without_gaps(each) for each in (array if array.ndim == 3 else array[None])]
    segments = torch.from_numpy(np.stack(maps) if maps else np.zeros(array.shape, np.int64)).view(array.shape)
    return segments.to(labels.device) if isinstance(labels, Tensor) else segments


def feature_mask(segments: Tensor) -> Tensor:
    """Return segments in the shape that captum's perturbation methods take as `feature_mask`, `(N, 1, H, W)`.

    All channels of a segment are one feature, and the ids of every image begin at 0: captum perturbs feature 0 of all
    images in one pass. `FeatureAblation` and `ShapleyValues` then give each image the values that it has alone.
    `KernelShap`, `Lime` and `ShapleyValueSampling` draw as many features for each image as the image with most has, so
    their values depend on the batch: give them one image at a time, as `FromCaptum(..., seed=0)` does.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.

    Returns:
        `(N, 1, H, W)` int64, `(1, 1, H, W)` for one image; captum repeats it over the channels.

    Raises:
        ValueError: If `segments` breaks its contract.

    Example:
        >>> from captum.attr import FeatureAblation
        >>> images = torch.tensor([[[[1.0, 2.0, 4.0]]]])
        >>> segments = torch.tensor([[[0, 0, 1]]])
        >>> FeatureAblation(lambda x: x.sum((1, 2, 3))).attribute(images, feature_mask=feature_mask(segments))
        tensor([[[[3., 3., 4.]]]])
    """
    if is_one_map(segments):
        segments = segments[None]
    check_segments(segments)
    return segments[:, None]
