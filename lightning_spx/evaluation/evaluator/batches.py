"""Batches of any loader -> images, labels and masks under their names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

BatchToImages = Callable[[object], object]
ADVICE = (
    "Set `batch_to_images` of SaliencyEvaluator to a function from a batch to (image, label) or to a dict with "
    "`image`, `label` and, where there is one, `mask`."
)


@dataclass(frozen=True)
class NamedBatch:
    """A batch of which every part is known.

    Args:
        images: (N, C, H, W) as the model takes them, normalised if the loader normalises.
        label: (N,) int64, or None for images to predict.
        mask: (N, H, W) bool, the object, or None.
    """

    images: Tensor
    label: Tensor | None
    mask: Tensor | None


def name_batch(batch: object, batch_to_images: BatchToImages | None = None) -> NamedBatch:
    """Recognise the parts of a batch: a dict with `image` and `label`, a pair (image, label, ...), or images alone.

    Args:
        batch: what the loader gives.
        batch_to_images: turns it into one of these first.

    Raises:
        TypeError: it is none of these, or a part is not the tensor that it should be; says which argument to set.
        ValueError: shapes do not fit.

    Example:
        >>> named = name_batch((torch.rand(2, 3, 8, 8), torch.tensor([0, 1])))
        >>> named.images.shape, named.label.tolist(), named.mask
        (torch.Size([2, 3, 8, 8]), [0, 1], None)
    """
    parts = batch_to_images(batch) if batch_to_images is not None else batch
    if isinstance(parts, Mapping):
        image, label, mask = parts.get("image"), parts.get("label"), parts.get("mask")
    elif isinstance(parts, Sequence) and not isinstance(parts, str) and parts:
        image, label, mask = parts[0], parts[1] if len(parts) > 1 else None, None
    else:
        image, label, mask = parts, None, None
    origin = "`batch_to_images` to return" if batch_to_images is not None else "a batch of"
    if not isinstance(image, Tensor) or not image.is_floating_point() or image.ndim != 4:
        raise TypeError(f"Expected {origin} floating point images (N, C, H, W), got {describe(parts)}. {ADVICE}")
    if label is not None and (not isinstance(label, Tensor) or label.is_floating_point() or label.ndim > 2):
        raise TypeError(f"Expected {origin} integer labels (N,), got {describe(parts)}. {ADVICE}")
    if label is not None and label.numel() != len(image):
        raise ValueError(f"Expected {origin} one label for each image, got {describe(parts)}. {ADVICE}")
    if mask is not None and (not isinstance(mask, Tensor) or mask.numel() != image[:, 0].numel()):
        raise ValueError(f"Expected {origin} masks of shape (N, H, W), got {describe(parts)}. {ADVICE}")
    return NamedBatch(
        image.detach(),
        None if label is None else label.detach().reshape(-1).long(),
        None if mask is None else mask.detach().reshape(len(image), *image.shape[2:]) > 0.5,
    )


def describe(parts: object) -> str:
    """Say in a few words what a batch is made of.

    Example:
        >>> describe({"pixels": torch.zeros(2, 3), "name": ["a", "b"]})
        'dict(pixels: float32 (2, 3), name: list of 2)'
    """
    if isinstance(parts, Tensor):
        return f"{str(parts.dtype).removeprefix('torch.')} {tuple(parts.shape)}"
    if isinstance(parts, Mapping):
        inside = ", ".join(f"{key}: {_short(value)}" for key, value in list(parts.items())[:6])
        return f"{type(parts).__name__}({inside})"
    if isinstance(parts, Sequence) and not isinstance(parts, str):
        return f"{type(parts).__name__}({', '.join(_short(value) for value in parts[:6])})"
    return type(parts).__name__


def _short(value: object) -> str:
    if isinstance(value, Tensor):
        return describe(value)
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, list | tuple | dict) else type(value).__name__
