"""Images that look the same."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from lightning_spx.data import ArrayImages
from lightning_spx.data.near_duplicates import FREQUENCIES, SIDE, near_duplicates, perceptual_hash


def pictures(number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Different pictures with coarse and fine structure, (n, 64, 64, 3)."""
    generator = np.random.default_rng(seed)
    found = np.zeros((number, 64, 64))
    for side, strength in ((4, 60), (16, 30), (32, 15)):
        found += strength * generator.standard_normal((number, side, side)).repeat(64 // side, 1).repeat(64 // side, 2)
    return (found + 128).clip(0, 255).astype(np.uint8)[..., None].repeat(3, axis=3)


def images(pixels: NDArray[np.uint8]) -> ArrayImages:
    return ArrayImages(pixels, np.zeros(len(pixels), np.int64))


def compressed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def resized(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((64, 64), Image.Resampling.BICUBIC))


def brighter(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (pixels * 0.8 + 40).astype(np.uint8)


def test_the_hash_is_that_of_a_cosine_transform() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE), dtype=np.uint8)
    import torch

    for own, pixels in zip(perceptual_hash(torch.from_numpy(gray)), gray, strict=True):
        # orthogonal scaling would halve the first row and column against the rest
        low = dctn(pixels.astype(float), norm=None)[:FREQUENCIES, :FREQUENCIES].ravel()[1:]
        np.testing.assert_array_equal(own, low > np.median(low))


@pytest.mark.parametrize("change", [compressed, resized, brighter])
def test_copies_are_found_and_nothing_else(change: object) -> None:
    assert callable(change)
    originals = pictures(60)
    copies = np.stack([change(pixels) for pixels in originals[:10]])
    found = near_duplicates(images(np.concatenate([originals, copies])))
    assert found.tolist() == [[number, 60 + number] for number in range(10)]
    across = near_duplicates(images(originals), images(copies))
    assert across.tolist() == [[number, number] for number in range(10)]


def test_images_of_one_kind_are_not_taken_for_each_other() -> None:
    # the same body in every image, and a small part of its own, as in X-rays
    body, own = pictures(1, seed=1)[0].astype(float), pictures(120, seed=2).astype(float) - 128
    alike = (body + 0.1 * own).clip(0, 255).astype(np.uint8)
    correlation = np.corrcoef(alike[:2, ..., 0].reshape(2, -1))[0, 1]
    assert correlation > 0.97
    assert near_duplicates(images(alike)).size == 0
    assert near_duplicates(images(np.concatenate([alike, alike[:2]]))).tolist() == [[0, 120], [1, 121]]


def test_images_without_contrast_are_left_out() -> None:
    assert near_duplicates(images(np.full((6, 16, 16, 3), 90, np.uint8))).size == 0
    assert near_duplicates(images(np.empty((0, 16, 16, 3), np.uint8))).size == 0


def test_many_copies_of_one_image_are_counted_up_to_a_limit() -> None:
    found = near_duplicates(images(pictures(1).repeat(600, axis=0)))
    assert len(found) == 100_000
    assert (found[:, 0] < found[:, 1]).all()
