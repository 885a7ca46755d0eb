"""Each wrapper is exactly the library's call, numbered without gaps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import filters, segmentation
from skimage.color import rgb2gray
from torch import Tensor

from lightning_spx.superpixels import Felzenszwalb, Quickshift, ScikitSlic, Segmenter, Watershed, num_segments

# scikit-image's functions carry no types
quickshift: Callable[..., Any] = segmentation.quickshift
watershed: Callable[..., Any] = segmentation.watershed
sobel: Callable[..., Any] = filters.sobel


def by_library(segmenter: Segmenter, image: NDArray[np.float32]) -> NDArray[np.int64]:
    match segmenter:
        case ScikitSlic(n, compactness, sigma, iterations, factor):
            labels = segmentation.slic(
                image,
                n,
                compactness,
                max_num_iter=iterations,
                sigma=sigma,
                min_size_factor=factor,
                start_label=0,
                channel_axis=-1,
            )
        case Felzenszwalb(scale, sigma, min_size):
            labels = segmentation.felzenszwalb(image, scale, sigma, min_size)
        case Quickshift(ratio, kernel_size, max_dist, sigma):
            labels = quickshift(image, ratio, kernel_size, max_dist, sigma=sigma)
        case Watershed(markers, compactness):
            labels = watershed(sobel(rgb2gray(image)), markers, compactness=compactness) - 1
        case _:
            raise TypeError(segmenter)
    return np.asarray(labels, dtype=np.int64)


SEGMENTERS = [
    ScikitSlic(),
    ScikitSlic(n_segments=20, compactness=3.0, sigma=0.7, max_num_iter=3),
    Felzenszwalb(),
    Felzenszwalb(scale=20, sigma=0.9, min_size=5),
    Quickshift(),
    Quickshift(ratio=1.0, kernel_size=2, max_dist=4, sigma=0.5),
    Watershed(),
    Watershed(markers=17, compactness=0),
]


@pytest.mark.parametrize("segmenter", SEGMENTERS, ids=repr)
def test_segments_are_scikit_images(segmenter: Segmenter, images: Tensor) -> None:
    segments = segmenter(images)
    for image, result in zip(images, segments, strict=True):
        expected = by_library(segmenter, np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
        assert np.array_equal(result.numpy(), expected)


def test_each_setting_has_an_effect(images: Tensor) -> None:
    for one, other in zip(SEGMENTERS[::2], SEGMENTERS[1::2], strict=True):
        assert not torch.equal(one(images), other(images))


def test_every_slic_setting_is_handed_on(images: Tensor) -> None:
    plain = ScikitSlic(n_segments=20, compactness=1.0)(images)
    changed = (
        ScikitSlic(n_segments=30, compactness=1.0),
        ScikitSlic(n_segments=20, compactness=9.0),
        ScikitSlic(n_segments=20, compactness=1.0, sigma=2.0),
        ScikitSlic(n_segments=20, compactness=1.0, max_num_iter=1),
        ScikitSlic(n_segments=20, compactness=1.0, min_size_factor=0.1),
    )
    for segmenter in changed:
        assert not torch.equal(segmenter(images), plain)


@pytest.mark.real_data
def test_photos_of_two_sizes_have_scikit_images_segments(real_data: Path) -> None:
    path = sorted((real_data / "imagenet" / "images").rglob("*.*"))[0]
    for size in ((224, 224), (97, 131)):
        photo = np.asarray(Image.open(path).convert("RGB").resize(size), dtype=np.float32) / np.float32(255)
        batch = torch.from_numpy(photo).permute(2, 0, 1)[None]
        for segmenter in (ScikitSlic(n_segments=200), Watershed(markers=150), Felzenszwalb()):
            segments = segmenter(batch)
            assert np.array_equal(segments[0].numpy(), by_library(segmenter, photo))
            assert 5 < int(num_segments(segments)) < 400
