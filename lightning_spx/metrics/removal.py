"""The order in which saliency removes an image's pixels or segments, and what replaces them."""

import hashlib
import math
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from lightning_spx.metrics.shapes import check_real, check_segments, scaled

Substrate = Literal["black", "blur"] | tuple[float, ...]
# standard deviation of the blur as a fraction of the shorter side: 14 px at 224 px
BLUR_SHARE = 1 / 16


def removal_ranks(saliency: Tensor, images: Tensor, seed: int = 0, segments: Tensor | None = None) -> Tensor:
    """Rank pixels, or whole segments, from the most salient (0) to the least.

    Ties are broken at random and not by position: super-pixel maps are full of ties, and an order from top to bottom
    would itself be a shape. The random order depends on `seed` and the image's own values, not on the batch.

    Args:
        saliency: maps of any scale, shape (N,H,W); a map with a NaN is ranked at random.
        images: the explained images, shape (N,C,H,W).
        seed: seeds the order of ties.
        segments: ids `0..S-1` without gaps, shape (N,H,W) int64; a segment's saliency is the mean over its pixels, and
            its pixels share its rank.

    Returns:
        Ranks, shape (N,H,W) int64: each of `0..HW-1` once in each image, or with segments `0..S-1`.

    Raises:
        ValueError: if the shapes do not fit, or `segments` have gaps or negative ids.

    Example:
        >>> removal_ranks(torch.tensor([[[0.1, 0.9, 0.5]]]), torch.zeros(1, 3, 1, 3))
        tensor([[[2, 0, 1]]])
        >>> removal_ranks(torch.tensor([[[0.1, 0.9, 0.8]]]), torch.zeros(1, 3, 1, 3), 0, torch.tensor([[[0, 0, 1]]]))
        tensor([[[1, 1, 0]]])
    """
    check_maps(saliency, images, segments)
    values = saliency.detach().flatten(1).nan_to_num(nan=0.0)
    if segments is not None:
        # scaled, because sums beyond the range would all be equal
        values = scaled(values)
        ids = segments.flatten(1)
        most = int(ids.max()) + 1 if ids.numel() else 0
        total = values.new_zeros(len(values), most).scatter_add(1, ids, values)
        size = torch.zeros_like(total).scatter_add(1, ids, torch.ones_like(values))
        # ids that occur only in other images come last
        values = torch.where(size > 0, total / size.clamp(min=1), -math.inf)
    shuffles = [_shuffle(image, values.shape[1], seed) for image in images]
    shuffle = torch.stack(shuffles) if shuffles else torch.zeros_like(values, dtype=torch.int64)
    order = shuffle.gather(1, values.gather(1, shuffle).argsort(dim=1, descending=True, stable=True))
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    ranks = torch.empty_like(order).scatter(1, order, places)
    return (ranks if segments is None else ranks.gather(1, ids)).view(saliency.shape)


def _shuffle(image: Tensor, length: int, seed: int) -> Tensor:
    return torch.randperm(length, generator=image_generator(image, f"removal:{seed}:{length}")).to(image.device)


def image_generator(image: Tensor, key: str) -> torch.Generator:
    """Return a CPU generator whose state depends only on the key and the image's values, not on its batch.

    Example:
        >>> a, b = (torch.rand(2, generator=image_generator(torch.ones(1, 2, 2), key)) for key in ("a", "a"))
        >>> bool((a == b).all())
        True
    """
    values = image.detach().to("cpu", torch.float32).contiguous().numpy()
    digest = hashlib.sha256(f"{key}:".encode() + values.tobytes()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def substrate_of(images: Tensor, substrate: Substrate) -> Tensor:
    """Return the images that replace removed pixels, shape (N,C,H,W).

    Args:
        images: the images, shape (N,C,H,W).
        substrate: "black"; "blur", the image blurred by a Gaussian of a sixteenth of its shorter side; or a color, one
            number for each channel, such as the data set's mean.

    Raises:
        ValueError: if it is none of these.

    Example:
        >>> substrate_of(torch.ones(1, 3, 2, 2), (0.5, 0.25, 0.0))[0, :, 0, 0]
        tensor([0.5000, 0.2500, 0.0000])
    """
    if substrate == "black":
        return torch.zeros_like(images)
    if substrate == "blur":
        side = min(images.shape[-2:])
        sigma = side * BLUR_SHARE
        # reflection padding must be narrower than the image
        radius = min(math.ceil(3 * sigma), side - 1)
        blurred: Tensor = functional.gaussian_blur(images, [2 * radius + 1] * 2, [sigma] * 2)
        return blurred
    color: object = substrate
    if isinstance(color, str) or not hasattr(color, "__len__") or len(color) != images.shape[1]:
        count = images.shape[1]
        numbers = "a number" if count == 1 else f"{count} numbers"
        raise ValueError(f"Expected `substrate` to be 'black', 'blur' or a color of {numbers}, got {substrate!r}.")
    return images.new_tensor(substrate)[None, :, None, None].expand_as(images)


def check_images(images: object) -> None:
    """Raise a TypeError unless images are a floating point tensor.

    Example:
        >>> check_images(torch.zeros(1, 3, 2, 2))
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"Expected `images` to be a floating point tensor, got {type(images).__name__}.")
    if not images.is_floating_point():
        raise TypeError(
            f"Expected `images` to be floating point, got {images.dtype}: scale them as in training, such as "
            "images / 255 for 8 bits."
        )


def check_maps(saliency: Tensor, images: Tensor, segments: Tensor | None = None) -> None:
    """Raise a ValueError unless maps and segments (N,H,W) fit images (N,C,H,W) that have at least one pixel."""
    check_images(images)
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise ValueError(f"Expected `images` of shape (N,C,H,W), got {tuple(images.shape)}.")
    check_real(saliency, "saliency")
    expected = (len(images), *images.shape[2:])
    if saliency.shape != expected:
        raise ValueError(f"Expected `saliency` of shape {expected}, as the images, got {tuple(saliency.shape)}.")
    if segments is not None:
        check_segments(segments, expected)


def without_value(saliency: Tensor) -> Tensor:
    """Return which maps have a NaN or an infinity and so give no order, shape (N,)."""
    return ~saliency.isfinite().flatten(1).all(1)
