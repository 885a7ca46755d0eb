"""Finds images that show the same: copies that were compressed again, resized, brightened or renamed."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from lightning_spx.data.labelled_images import LabelledImages

Integers = NDArray[np.int64]
# side of the images that are compared, in pixels
SIDE = 32
# number of the lowest frequencies of each direction in the hash, without the constant one
FREQUENCIES = 8
# standard deviation of gray values in [0, 1] below which an image shows nothing, so that all such images look alike
FLAT = 0.01
MAX_DISTANCE = 10
MIN_CORRELATION = 0.95
# of so many images one component of their details counts as common, and at most so many components
IMAGES_A_COMPONENT = 50
MOST_COMPONENTS = 16
BLOCK = 512
# of more pairs the number says nothing new, and memory is limited
MOST_PAIRS = 100_000


def near_duplicates(
    images: LabelledImages,
    others: LabelledImages | None = None,
    max_distance: int = MAX_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
) -> Integers:
    """Return the pairs of images that show the same.

    Images are made gray and 32 x 32 px. A pair is a candidate if its perceptual hashes, the signs of 63 low
    frequencies of the cosine transform against their median (Zauner 2010), differ in few bits. Of the candidates, those
    are the same whose gray values are correlated, and whose details, which are what a blur takes away, are as well
    after what many images share (mean and 16 main components) was taken from them. So X-rays, or other images of the
    same kind, are not taken for each other. Images without contrast are left out. Mirrored, turned and cropped copies
    are not found.

    Args:
        images: the images.
        others: other images to compare them with; None compares the images with each other.
        max_distance: largest number of bits, 0 to 63, in which the hashes of a pair differ.
        min_correlation: smallest correlation of gray values and of details, in [-1, 1].

    Returns:
        `(m, 2)` positions in `images` and in `others`, sorted, at most 100,000; within `images` the first is smaller.

    Example:
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> pixels = np.random.default_rng(0).integers(0, 200, (3, 32, 32), np.uint8)
        >>> pixels[2] = pixels[0] + 20
        >>> near_duplicates(ArrayImages(pixels, np.zeros(3, np.int64))).tolist()
        [[0, 2]]
    """
    return alike_pairs(looks(images), None if others is None else looks(others), max_distance, min_correlation)


class Looks:
    """What is compared of images.

    Args:
        gray: `(n, SIDE, SIDE)` uint8.
    """

    def __init__(self, gray: NDArray[np.uint8]) -> None:
        self.gray = gray
        values = torch.from_numpy(gray)
        self.shown = np.flatnonzero(_contrast(values) >= FLAT)
        bits = [perceptual_hash(part) for part in torch.split(values, BLOCK)]
        self.bits = np.concatenate([np.empty((0, FREQUENCIES**2 - 1), np.bool_), *bits])

    def common(self) -> tuple[Tensor, Tensor]:
        """Return what many of the images share: their mean detail, and its main components, `(SIDE**2, up to 16)`."""
        num_components = min(MOST_COMPONENTS, self.shown.size // IMAGES_A_COMPONENT)
        if num_components == 0:
            return torch.zeros(SIDE**2), torch.zeros(SIDE**2, 0)
        some = np.linspace(0, self.shown.size - 1, min(1024, self.shown.size)).astype(np.int64)
        details = self.details(self.shown[some]).double()
        mean = details.mean(0)
        vectors = torch.linalg.eigh((details - mean).T @ (details - mean)).eigenvectors
        return mean.float(), vectors[:, -num_components:].float()

    def details(self, positions: Integers) -> Tensor:
        """Return what a blur takes away from some images, `(m, SIDE**2)`."""
        values = torch.from_numpy(self.gray[positions])[:, None].float()
        blurred: Tensor = avg_pool2d(values, 5, 1, 2, count_include_pad=False)
        details: Tensor = values - blurred
        return details.flatten(1)

    def at(self, positions: Integers, common: tuple[Tensor, Tensor]) -> Tensor:
        """Return gray values and uncommon details of some images, each of mean 0 and length 1, `(m, 2, SIDE**2)`."""
        mean, components = common
        details = self.details(positions) - mean
        details = details - details @ components @ components.T
        both = torch.stack([torch.from_numpy(self.gray[positions]).float().flatten(1), details], 1)
        both = both - both.mean(2, keepdim=True)
        unit: Tensor = both / both.norm(dim=2, keepdim=True).clamp_min(1e-6)
        return unit


def looks(images: LabelledImages) -> Looks:
    """Read all images once and keep what is compared of them, 1 KiB each."""
    gray = np.empty((len(images), SIDE, SIDE), np.uint8)
    for start in range(0, len(images), BLOCK):
        positions = range(start, min(start + BLOCK, len(images)))
        read = torch.stack([images.read(position)[0].mean(0) for position in positions])
        small = interpolate(read[:, None], (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)[:, 0]
        gray[start : positions.stop] = (small.clamp(0, 1) * 255).round().byte().numpy()
    return Looks(gray)


def alike_pairs(
    left: Looks,
    right: Looks | None = None,
    max_distance: int = MAX_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
) -> Integers:
    """Return the pairs of images that show the same, for images that were read already; see `near_duplicates`.

    Example:
        >>> alike_pairs(Looks(np.zeros((2, 32, 32), np.uint8))).tolist()
        []
    """
    found = _pairs(left, left if right is None else right, max_distance, min_correlation, within=right is None)
    return np.concatenate([np.empty((0, 2), np.int64), *found])


def perceptual_hash(gray: Tensor) -> NDArray[np.bool_]:
    """Return the signs of the low frequencies of gray images against their median.

    Args:
        gray: `(n, SIDE, SIDE)` uint8.

    Returns:
        `(n, 63)`.

    Example:
        >>> perceptual_hash(torch.arange(32).repeat(1, 32, 1).byte()).shape
        (1, 63)
    """
    position = torch.arange(SIDE, dtype=torch.float64)
    waves = torch.cos(torch.pi * (2 * position + 1) * torch.arange(FREQUENCIES)[:, None] / (2 * SIDE))
    frequencies = (waves @ gray.double() @ waves.T).flatten(1)[:, 1:]
    return (frequencies > frequencies.median(1, keepdim=True).values).numpy()


def _contrast(gray: Tensor) -> NDArray[np.float64]:
    parts = [part.double().flatten(1).std(1, correction=0) / 255 for part in torch.split(gray, BLOCK) if len(part)]
    return torch.cat([torch.empty(0, dtype=torch.float64), *parts]).numpy()


def _pairs(left: Looks, right: Looks, max_distance: int, min_correlation: float, *, within: bool) -> Iterator[Integers]:
    num_bits = left.bits.shape[1]
    # the product of signs counts equal bits less different ones, and is exact
    goal = np.where(right.bits[right.shown], np.float32(1), np.float32(-1)).T
    common = left.common()
    count = 0
    for start in range(0, left.shown.size, BLOCK):
        rows = left.shown[start : start + BLOCK]
        columns = slice(start if within else 0, None)
        signs = np.where(left.bits[rows], np.float32(1), np.float32(-1)) @ goal[:, columns]
        near = np.argwhere(signs >= num_bits - 2 * max_distance)
        pairs = np.stack([rows[near[:, 0]], right.shown[columns][near[:, 1]]], 1)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]] if within else pairs
        for part in range(0, len(pairs), BLOCK * 8):
            some = pairs[part : part + BLOCK * 8]
            alike = (left.at(some[:, 0], common) * right.at(some[:, 1], common)).sum(2).numpy()
            # an image that most others are copies of is itself what they share
            equal = (left.gray[some[:, 0]] == right.gray[some[:, 1]]).all((1, 2))
            same = some[(alike >= min_correlation).all(1) | equal]
            yield same[: MOST_PAIRS - count]
            count += len(same)
            if count >= MOST_PAIRS:
                return
