"""The random crops and flips of training."""

import math

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from lightning_spx.data.labelled_images import Sample

# up to this size images are usually shifted by an eighth (CIFAR), above it cropped at a random scale (ImageNet)
LARGEST_SMALL_IMAGE = 64


def augment(sample: Sample, generator: np.random.Generator, rotation: float = 0.0) -> Sample:
    """Return the sample after a random rotation, crop and horizontal flip, the same for image and mask.

    Up to 64 px, the image is padded by reflection by an eighth on each side and a crop of its size is taken (He et al.
    2016, section 4.2). Above, the crop covers 35 to 100 % of the image with an aspect ratio of 3/4 to 4/3 and is
    resized (Szegedy et al. 2015). The rotation comes first, about the center, and pads by reflection.

    Args:
        sample: `image` `(C, S, S)` and, if present, `mask` `(S, S)`; other entries do not change.
        generator: the random generator; equal generators give equal results, whatever else draws random numbers.
        rotation: largest angle in degrees, 0 to 45.

    Example:
        >>> import torch
        >>> augment({"image": torch.rand(3, 32, 32)}, np.random.default_rng(0))["image"].shape
        torch.Size([3, 32, 32])
    """
    size = sample["image"].shape[-1]
    if size <= LARGEST_SMALL_IMAGE:
        padding = size // 8
        top, left = (int(value) for value in generator.integers(0, 2 * padding + 1, 2))
        height = width = size
    else:
        padding = 0
        area, log_ratio = generator.uniform(0.35, 1.0), generator.uniform(math.log(3 / 4), math.log(4 / 3))
        height, width = (min(size, round(size * math.sqrt(area * math.exp(sign * log_ratio)))) for sign in (1, -1))
        top, left = (int(generator.integers(0, size - side + 1)) for side in (height, width))
    flip = generator.random() < 0.5
    # drawn last, so that the other draws are the same without rotation
    angle = float(generator.uniform(-rotation, rotation)) if rotation else 0.0

    def move(pixels: Tensor) -> Tensor:
        if angle:
            pixels = _rotated(pixels, angle)
        if padding:
            pixels = functional.pad(pixels, [padding] * 4, padding_mode="reflect")
        pixels = pixels[..., top : top + height, left : left + width]
        if height != size or width != size:
            pixels = functional.resize(pixels, [size, size], antialias=True)
        return pixels.flip(-1) if flip else pixels

    moved = {**sample, "image": move(sample["image"])}
    if "mask" in sample:
        # as floats, because bool cannot be reflected; at least half of a resized pixel must be object
        moved["mask"] = move(sample["mask"][None].float())[0] >= 0.5
    return moved


def _rotated(pixels: Tensor, angle: float) -> Tensor:
    """Rotate `(C, S, S)` about the center; reflection fills the corners."""
    size = pixels.shape[-1]
    # half of the diagonal minus half of the side, and a pixel for the interpolation
    margin = math.ceil(size * (math.sqrt(2) - 1) / 2) + 1
    wide = functional.pad(pixels, [margin] * 4, padding_mode="reflect")
    turned: Tensor = functional.rotate(wide, angle, interpolation=functional.InterpolationMode.BILINEAR)
    return turned[..., margin : margin + size, margin : margin + size]


def zoom_and_crop(image: Tensor, generator: np.random.Generator) -> Tensor:
    """Return an image enlarged by 286/256, randomly cropped to its size and flipped with probability one half.

    It is the augmentation of CycleGAN (Zhu et al., ICCV 2017).

    Args:
        image: `(C, S, S)`.
        generator: the random generator.

    Example:
        >>> import torch
        >>> zoom_and_crop(torch.rand(3, 32, 32), np.random.default_rng(0)).shape
        torch.Size([3, 32, 32])
    """
    size = image.shape[-1]
    enlarged = math.ceil(size * 286 / 256)
    top, left = (int(value) for value in generator.integers(0, enlarged - size + 1, 2))
    larger: Tensor = functional.resize(image, [enlarged, enlarged], antialias=True)
    # the weights of an interpolation sum to one only up to rounding
    cropped = larger[..., top : top + size, left : left + size].clamp(0, 1)
    return cropped.flip(-1) if generator.random() < 0.5 else cropped
