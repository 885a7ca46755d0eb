"""Images of one, two and ten channels: who takes them, and what their segments are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import segmentation
from torch import Tensor

from lightning_spx.superpixels import (
    Cached,
    Felzenszwalb,
    Grid,
    Precomputed,
    Quickshift,
    ScikitSlic,
    Segmenter,
    Slic,
    Voronoi,
    Watershed,
    achievable_accuracy,
    check_images,
    check_segments,
    num_segments,
    slic,
)
from lightning_spx.superpixels.image_key import eight_bit
from tests.superpixels.cache_cases import files
from tests.superpixels.conftest import draw
from tests.superpixels.slow_slic import slow_slic

ANY: list[Segmenter] = [Slic(30), Slic(30, sigma=1.0), ScikitSlic(30), Grid(30), Voronoi(30)]
RGB_ONLY: list[Segmenter] = [Felzenszwalb(), Quickshift(), Watershed()]
SETTINGS = [
    Slic(n_segments=20),
    Slic(n_segments=13, compactness=30.0, max_num_iter=4, min_size_factor=0.2),
    Slic(n_segments=40, compactness=0.3, min_size_factor=3.0),
]


def bands(channels: int, num: int = 3, size: tuple[int, int] = (23, 17)) -> Tensor:
    """Images whose channels show different discs."""
    photos = [draw(num, *size).roll(shift, 2) for shift in range(-(-channels // 3))]
    return torch.cat(photos, 1)[:, :channels]


@pytest.mark.parametrize("channels", [1, 2, 10])
@pytest.mark.parametrize("segmenter", ANY, ids=repr)
def test_any_number_of_channels_keeps_the_contract(segmenter: Segmenter, channels: int) -> None:
    images = bands(channels)
    assert segmenter.channels is None
    segments = segmenter(images)
    check_segments(segments)
    assert segments.shape == (3, 23, 17)
    assert num_segments(segments).min() > 1
    assert torch.equal(torch.cat([segmenter(image[None]) for image in images]), segments)
    assert segmenter(images[:0]).shape == (0, 23, 17)


@pytest.mark.parametrize("segmenter", ANY, ids=repr)
def test_gray_has_the_segments_of_the_rgb_image_that_repeats_it(segmenter: Segmenter) -> None:
    gray = bands(1)
    assert torch.equal(segmenter(gray), segmenter(gray.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("channels", [2, 4, 10])
@pytest.mark.parametrize("segmenter", SETTINGS, ids=repr)
def test_slic_is_that_of_a_slow_loop_over_euclidean_distances(segmenter: Slic, channels: int) -> None:
    image = bands(channels, 1)
    units = eight_bit(image)[0].permute(1, 2, 0).double().numpy() / 2.55
    expected = slow_slic(
        units, segmenter.n_segments, segmenter.compactness, segmenter.max_num_iter, segmenter.min_size_factor
    )
    assert np.array_equal(segmenter(image)[0].numpy(), expected)


@pytest.mark.parametrize("channels", [2, 10])
@pytest.mark.parametrize("settings", [ScikitSlic(20), ScikitSlic(30, 40.0, sigma=0.7, max_num_iter=3)], ids=repr)
def test_scikit_slic_is_the_librarys_without_lab(settings: ScikitSlic, channels: int) -> None:
    images = bands(channels)
    for image, found in zip(images, settings(images), strict=True):
        expected = segmentation.slic(
            np.ascontiguousarray(image.permute(1, 2, 0).numpy()),
            settings.n_segments,
            compactness=settings.compactness / 100,
            max_num_iter=settings.max_num_iter,
            sigma=settings.sigma,
            min_size_factor=settings.min_size_factor,
            start_label=0,
            convert2lab=False,
            channel_axis=-1,
        )
        assert np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize("channels", [1, 10])
def test_every_way_of_computing_gives_the_same(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = bands(channels)
    for segmenter in (*SETTINGS, Slic(20, sigma=0.8)):
        found = segmenter(images)
        pixels = eight_bit(images)
        if segmenter.sigma:
            pixels = (slic._smoothed(images, segmenter.sigma) * 255).round().byte()
        assert torch.equal(segmenter.segment(pixels), found)
        with monkeypatch.context() as tensors:
            tensors.setattr(slic, "_compiled", lambda: None)
            assert torch.equal(segmenter(images), found)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("channels", [1, 2, 10])
def test_a_gpu_gives_the_same(channels: int) -> None:
    for segmenter in (*SETTINGS, Slic(20, sigma=0.8)):
        assert torch.equal(segmenter(bands(channels).cuda()).cpu(), segmenter(bands(channels)))


def test_every_channel_counts_and_their_order_does_not() -> None:
    images = bands(10)
    found = Slic(20)(images)
    assert torch.equal(Slic(20)(images.flip(1)), found)
    for channel in range(10):
        flat = images.clone()
        flat[:, channel] = 0.5
        assert not torch.equal(Slic(20)(flat), found)


def test_an_object_that_no_three_channels_show_is_followed_as_well_as_by_scikit_image() -> None:
    place = torch.arange(48.0)
    truth = ((place[:, None] - 21) ** 2 + (place - 27) ** 2 < 150).long()[None]
    images = torch.full((1, 10, 48, 48), 0.4)
    images[:, 7] += 0.3 * truth
    images += 0.02 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = (achievable_accuracy(segmenter(images), truth).item() for segmenter in (Slic(36), ScikitSlic(36)))
    assert ours > 0.99
    assert theirs > 0.99
    # the first three channels show nothing of it
    assert achievable_accuracy(Slic(36)(images[:, :3]), truth).item() < 0.98


@pytest.mark.parametrize("segmenter", RGB_ONLY, ids=repr)
def test_others_need_rgb_or_gray_and_say_so(segmenter: Segmenter) -> None:
    assert segmenter.channels == 3
    assert torch.equal(segmenter(bands(1)), segmenter(bands(1).repeat(1, 3, 1, 1)))
    with pytest.raises(ValueError, match=r"got \(3, 10, 23, 17\)\. Give three of the channels"):
        segmenter(bands(10))


def test_a_cache_takes_what_its_segmenter_takes_and_keeps_channels_apart(tmp_path: Path) -> None:
    cached = Cached(Slic(20), tmp_path)
    assert cached.channels is None
    assert replace(cached, segmenter=Watershed()).channels == Watershed.channels == 3
    assert "channels" not in repr(cached)
    index = torch.arange(3)
    for images in (bands(10), bands(1), bands(1).repeat(1, 3, 1, 1), bands(4)):
        expected = Slic(20)(eight_bit(images).float() / 255)
        for _ in range(2):
            assert torch.equal(cached(images), expected)
            assert torch.equal(cached.of_index(images, "photos", index), expected)
    # by pixels and by places, three of each number of channels
    assert len(files(tmp_path)) == 2 * 4 * 3
    with pytest.raises(ValueError, match=r"got \(3, 10, 23, 17\)"):
        Cached(Watershed(), tmp_path)(bands(10))


def test_maps_are_kept_for_any_channels_and_gray_ones_found_as_rgb(tmp_path: Path) -> None:
    label_maps = torch.arange(3)[:, None, None].expand(3, 23, 17).clone()
    label_maps[:, 0, 0] = 7
    for channels in (1, 10):
        precomputed = Precomputed(tmp_path / str(channels))
        precomputed.write(bands(channels), label_maps)
        assert precomputed(bands(channels))[:, 0, :2].tolist() == [[1, 0]] * 3
    gray = bands(1)
    assert torch.equal(Precomputed(tmp_path / "1")(gray.repeat(1, 3, 1, 1)), Precomputed(tmp_path / "1")(gray))


def test_images_of_any_channels_are_checked() -> None:
    check_images(torch.rand(2, 10, 4, 4), channels=None)
    check_images(torch.rand(2, 10, 4, 4), channels=10)
    with pytest.raises(ValueError, match=r"Expected `images` to be in \[0, 1\], got values from 2 to 2"):
        check_images(torch.full((1, 10, 4, 4), 2.0), channels=None)
    with pytest.raises(ValueError, match=r"shape \(N, 4, H, W\), got \(2, 10, 4, 4\)\.$"):
        check_images(torch.rand(2, 10, 4, 4), channels=4)
    with pytest.raises(ValueError, match=r"shape \(N, C, H, W\), got \(2, 0, 4, 4\)\.$"):
        check_images(torch.rand(2, 0, 4, 4), channels=None)
