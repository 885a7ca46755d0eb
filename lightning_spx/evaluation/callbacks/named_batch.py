"""A batch of any loader -> its images, labels and masks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor

BatchToImages = Callable[[Any], object]
ADVICE = (
    "Set `batch_to_images` of SaliencyEvaluator to a function from a batch to (image, label) or to a dict with "
    "`image`, `label` and, where there is one, `mask`."
)
MOST_PARTS = 6  # of a batch, in a message


@dataclass(frozen=True)
class NamedBatch:
    """A batch with a name for each part.

    Args:
        images: (N, C, H, W) as the model takes them, normalized if the loader normalizes.
        label: (N,) int64; None for images to predict.
        mask: (N, H, W) bool, True on the object; None without masks.
    """

    images: Tensor
    label: Tensor | None
    mask: Tensor | None


def name_batch(batch: object, batch_to_images: BatchToImages | None = None) -> NamedBatch:
    """Recognize the parts of a batch: a dict with `image` and `label`, a pair (image, label, ...), or images alone.

    Args:
        batch: what the loader returns. Images are floating point (N, C, H, W), labels integers (N,) or (N, 1). Masks
            (N, H, W) or (N, 1, H, W) are read from dicts only; the object is where a mask is above 0.5.
        batch_to_images: turns the batch into one of these forms first.

    Raises:
        TypeError: the batch has none of these forms, or a part is not the expected tensor; the error says which
            argument to set.
        ValueError: shapes do not fit; the error says which argument to set.

    Example:
        >>> import torch
        >>> named = name_batch((torch.rand(2, 3, 8, 8), torch.tensor([0, 1])))
        >>> named.images.shape, named.label.tolist(), named.mask
        (torch.Size([2, 3, 8, 8]), [0, 1], None)
    """
    parts = batch_to_images(batch) if batch_to_images is not None else batch
    if isinstance(parts, Mapping):
        image, label, mask = parts.get("image"), parts.get("label"), parts.get("mask")
    elif isinstance(parts, Sequence) and not isinstance(parts, str | bytes) and parts:
        image, label, mask = parts[0], parts[1] if len(parts) > 1 else None, None
    else:
        image, label, mask = parts, None, None
    origin = "`batch_to_images` to return" if batch_to_images is not None else "a batch of"
    if not isinstance(image, Tensor) or not image.is_floating_point() or image.ndim != 4:
        raise TypeError(f"Expected {origin} floating point images (N, C, H, W), got {describe(parts)}. {ADVICE}")
    if label is not None:
        if not isinstance(label, Tensor) or label.is_floating_point():
            raise TypeError(f"Expected {origin} integer labels (N,), got {describe(parts)}. {ADVICE}")
        if label.shape not in ((len(image),), (len(image), 1)):
            raise ValueError(f"Expected {origin} one label for each image, got {describe(parts)}. {ADVICE}")
        label = label.detach().flatten().long()
    if mask is not None:
        size = image.shape[2:]
        if not isinstance(mask, Tensor):
            raise TypeError(f"Expected {origin} masks (N, H, W), got {describe(parts)}. {ADVICE}")
        if mask.shape not in ((len(image), *size), (len(image), 1, *size)):
            raise ValueError(f"Expected {origin} masks of shape (N, H, W), got {describe(parts)}. {ADVICE}")
        mask = mask.detach().reshape(len(image), *size) > 0.5
    return NamedBatch(image.detach(), label, mask)


def describe(parts: object) -> str:
    """Describe the parts of a batch in a few words.

    Example:
        >>> import torch
        >>> describe({"pixels": torch.zeros(2, 3), "name": ["a", "b"]})
        'dict(pixels: float32 (2, 3), name: list of 2)'
    """
    kind = type(parts).__name__
    if isinstance(parts, Mapping):
        inside = [f"{key}: {_short(value)}" for key, value in islice(parts.items(), MOST_PARTS)]
    elif isinstance(parts, Sequence) and not isinstance(parts, str | bytes):
        inside = [_short(value) for value in parts[:MOST_PARTS]]
    else:
        return _short(parts)
    return f"{kind}({', '.join([*inside, *['...'] * (len(parts) > MOST_PARTS)])})"


def _short(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"{kind} {value.dtype} {value.shape}"
    return f"{kind} of {len(value)}" if isinstance(value, list | tuple | dict) else kind
