"""A batch of any loader -> its images, labels and masks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_spx.evaluation.maps.findings import check_labels
from lightning_spx.models.image_model import Head

BatchToImages = Callable[[Any], object]
ADVICE = (
    "Set `batch_to_images` of SaliencyEvaluator to a function from a batch to (image, label) or to a dict with "
    "`image`, `label` and, where there is one, `mask`."
)
# names of the parts of a batch, most common first
IMAGE_NAMES = ("image", "images", "pixel_values", "img", "inputs", "x")
LABEL_NAMES = ("label", "labels", "target", "targets", "y")
MASK_NAMES = ("mask", "masks")
MOST_PARTS = 6  # of a batch, in a message


@dataclass(frozen=True)
class NamedBatch:
    """A batch with a name for each part.

    Args:
        images: (N, C, H, W) as the model takes them, normalized if the loader normalizes.
        label: (N,) int64, or for several findings (N, K) float32, 0, 1 or NaN; None for images to predict.
        mask: (N, H, W) bool, True on the object; None without masks.
        image_name: the loader's name of the images; None if it has none.
    """

    images: Tensor
    label: Tensor | None
    mask: Tensor | None
    image_name: str | None = None


def name_batch(batch: object, batch_to_images: BatchToImages | None = None, head: Head = "single_label") -> NamedBatch:
    """Recognize the parts of a batch: named ones, a pair (image, label, ...), or images alone.

    Named parts are those of a mapping or a dataclass: `image`, `images`, `pixel_values`, `img`, `inputs` or `x`;
    `label`, `labels`, `target`, `targets` or `y`; `mask` or `masks`.

    Args:
        batch: what the loader returns. Images are floating point (N, C, H, W), labels integers (N,) or (N, 1). Masks
            (N, H, W) or (N, 1, H, W) are named; the object is where a mask is above 0.5.
        batch_to_images: turns the batch into one of these forms first.
        head: with `multi_label`, labels are (N, K), or (N,) of one finding, 0, 1 or NaN; with `scalar` there are no
            classes, so that every label is 0, whatever the batch has.

    Raises:
        TypeError: the batch has none of these forms, or a part is not the expected tensor; the error says which
            argument to set.
        ValueError: shapes do not fit, or two parts could both be meant; the error says which argument to set.

    Example:
        >>> named = name_batch((torch.rand(2, 3, 8, 8), torch.tensor([0, 1])))
        >>> named.images.shape, named.label.tolist(), named.mask
        (torch.Size([2, 3, 8, 8]), [0, 1], None)
    """
    parts = batch_to_images(batch) if batch_to_images is not None else batch
    origin = "`batch_to_images` to return" if batch_to_images is not None else "a batch of"
    image_name, images = _images_of(parts, origin)
    label = mask = None
    named = _named_parts(parts)
    if named is not None:
        label = _pick(named, LABEL_NAMES, lambda value: _fits_label(value, len(images), head), origin)[1]
        mask_name, mask = _pick(named, MASK_NAMES, lambda value: _fits_mask(value, images), origin)
        # masks of instances have the other name, too
        mask = mask if mask_name == MASK_NAMES[0] or _fits_mask(mask, images) else None
    elif not isinstance(parts, Tensor) and isinstance(parts, Sequence) and len(parts) > 1:
        label = parts[1]
    if head == "scalar":
        label = torch.zeros(len(images), dtype=torch.long)
    elif label is not None:
        label = _label_of(label, images, head, origin, parts)
    if mask is not None:
        if not isinstance(mask, Tensor):
            raise TypeError(f"Expected {origin} masks (N, H, W), got {describe(parts)}. {ADVICE}")
        if not _fits_mask(mask, images):
            raise ValueError(f"Expected {origin} masks of shape (N, H, W), got {describe(parts)}. {ADVICE}")
        mask = mask.detach().reshape(len(images), *images.shape[2:]) > 0.5
    return NamedBatch(images, label, mask, image_name if batch_to_images is None else None)


def name_images(batch: object, batch_to_images: BatchToImages | None = None) -> NamedBatch:
    """Recognize the images of a batch as `name_batch` does, whatever else the batch holds.

    Raises:
        TypeError: there are no floating point images (N, C, H, W).
        ValueError: two parts could both be meant.

    Example:
        >>> name_images({"pixel_values": torch.rand(2, 3, 8, 8), "path": ["a", "b"]}).image_name
        'pixel_values'
    """
    parts = batch_to_images(batch) if batch_to_images is not None else batch
    origin = "`batch_to_images` to return" if batch_to_images is not None else "a batch of"
    name, images = _images_of(parts, origin)
    return NamedBatch(images, None, None, name if batch_to_images is None else None)


def _images_of(parts: object, origin: str) -> tuple[str | None, Tensor]:
    named = _named_parts(parts)
    name, image = None, parts
    if named is not None:
        name, image = _pick(named, IMAGE_NAMES, _fits_images, origin)
    elif isinstance(parts, Sequence) and not isinstance(parts, str | bytes) and parts:
        image = parts[0]
    if not isinstance(image, Tensor) or not _fits_images(image):
        raise TypeError(f"Expected {origin} floating point images (N, C, H, W), got {describe(parts)}. {ADVICE}")
    return name, image.detach()


def _label_of(label: object, images: Tensor, head: Head, origin: str, parts: object) -> Tensor:
    if head == "multi_label":
        if not isinstance(label, Tensor):
            raise TypeError(f"Expected {origin} labels (N, K) of findings, got {describe(parts)}. {ADVICE}")
        if label.ndim not in (1, 2) or len(label) != len(images):
            raise ValueError(f"Expected {origin} labels (N, K) of findings, got {describe(parts)}. {ADVICE}")
        findings = label.detach().float().reshape(len(images), -1)
        check_labels(findings, [str(number) for number in range(findings.shape[1])])
        return findings
    if not isinstance(label, Tensor) or label.is_floating_point():
        several = isinstance(label, Tensor) and label.ndim == 2
        advice = f"{ADVICE} Labels of several findings need `head` multi_label." if several else ADVICE
        raise TypeError(f"Expected {origin} integer labels (N,), got {describe(parts)}. {advice}")
    if label.shape not in ((len(images),), (len(images), 1)):
        advice = f"{ADVICE} Labels of several findings need `head` multi_label." if label.ndim == 2 else ADVICE
        raise ValueError(f"Expected {origin} one label for each image, got {describe(parts)}. {advice}")
    return label.detach().flatten().long()


def _named_parts(parts: object) -> Mapping[str, object] | None:
    if isinstance(parts, Mapping):
        return parts
    if is_dataclass(parts) and not isinstance(parts, type):
        return {field.name: getattr(parts, field.name) for field in fields(parts)}
    return None


def _pick(
    named: Mapping[str, object], names: Sequence[str], fits: Callable[[object], bool], origin: str
) -> tuple[str | None, object]:
    """Return the part under one of several names; of several parts the one that fits what is looked for."""
    found = {name: named[name] for name in names if name in named and named[name] is not None}
    fitting = {name: value for name, value in found.items() if fits(value)}
    name, value = next(iter((fitting or found).items()), (None, None))
    other = next((each for each, second in fitting.items() if not _same(value, second)), None)
    if other is not None:
        raise ValueError(f"Expected {origin} one `{names[0]}`, got both `{name}` and `{other}`. {ADVICE}")
    return name, value


def _same(first: object, second: object) -> bool:
    if first is second:
        return True
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        return False
    return first.dtype == second.dtype and torch.equal(first, second)


def _fits_images(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 4


def _fits_label(value: object, count: int, head: Head) -> bool:
    if not isinstance(value, Tensor) or value.ndim not in (1, 2) or len(value) != count:
        return False
    return head != "single_label" or (not value.is_floating_point() and value.numel() == count)


def _fits_mask(value: object, images: Tensor) -> bool:
    size = images.shape[2:]
    return isinstance(value, Tensor) and value.shape in ((len(images), *size), (len(images), 1, *size))


def describe(parts: object) -> str:
    """Describe the parts of a batch in a few words.

    Example:
        >>> describe({"pixels": torch.zeros(2, 3), "name": ["a", "b"]})
        'dict(pixels: float32 (2, 3), name: list of 2)'
    """
    kind = type(parts).__name__
    named = _named_parts(parts)
    if named is not None:
        inside = [f"{key}: {_short(value)}" for key, value in islice(named.items(), MOST_PARTS)]
        count = len(named)
    elif isinstance(parts, Sequence) and not isinstance(parts, str | bytes):
        inside = [_short(value) for value in parts[:MOST_PARTS]]
        count = len(parts)
    else:
        return _short(parts)
    return f"{kind}({', '.join([*inside, *['...'] * (count > MOST_PARTS)])})"


def _short(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"{kind} {value.dtype} {value.shape}"
    return f"{kind} of {len(value)}" if isinstance(value, list | tuple | dict) else kind
