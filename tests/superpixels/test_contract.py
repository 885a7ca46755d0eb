"""What every segmenter promises, on every image that can be."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import (
    Cached,
    Felzenszwalb,
    Grid,
    Precomputed,
    Quickshift,
    Segmenter,
    Slic,
    Voronoi,
    Watershed,
    check_segments,
    num_segments,
)
from tests.superpixels.conftest import num_pieces

SEGMENTERS: list[Segmenter] = [
    Slic(n_segments=30),
    Slic(n_segments=30, sigma=1.0),
    Felzenszwalb(scale=50, min_size=10),
    Quickshift(),
    Watershed(markers=30),
    Grid(n_segments=30),
    Voronoi(n_segments=30),
]
CONNECTED = [SEGMENTERS[0], SEGMENTERS[1], SEGMENTERS[4], SEGMENTERS[5]]


def named(segmenter: Segmenter) -> str:
    return type(segmenter).__name__


@pytest.fixture(params=SEGMENTERS, ids=named)
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    chosen: Segmenter = request.param
    return chosen


def test_segments_keep_the_contract(segmenter: Segmenter, images: Tensor) -> None:
    segments = segmenter(images)
    check_segments(segments)
    assert segments.shape == (4, 37, 29)
    assert segments.device == images.device
    assert num_segments(segments).min() > 1


def test_an_image_alone_and_in_any_batch_has_the_same_segments(segmenter: Segmenter, images: Tensor) -> None:
    together = segmenter(images)
    alone = torch.cat([segmenter(image[None]) for image in images])
    assert torch.equal(together, alone)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(segmenter(images[order]), together[order])


def test_two_calls_agree_and_leave_the_images_as_they_were(segmenter: Segmenter, images: Tensor) -> None:
    before = images.clone()
    assert torch.equal(segmenter(images), segmenter(images))
    assert torch.equal(images, before)


def test_the_number_of_threads_changes_nothing(segmenter: Segmenter, images: Tensor) -> None:
    threads = torch.get_num_threads()
    one = segmenter(images)
    try:
        torch.set_num_threads(4)
        assert torch.equal(segmenter(images), one)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("size", [(1, 1), (1, 13), (13, 1), (2, 2), (7, 11)])
@pytest.mark.parametrize("kind", ["constant", "black", "white", "gray", "noise"])
def test_every_size_and_kind_of_image_is_segmented(segmenter: Segmenter, size: tuple[int, int], kind: str) -> None:
    noise = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    image = {
        "constant": torch.full_like(noise, 0.4),
        "black": torch.zeros_like(noise),
        "white": torch.ones_like(noise),
        "gray": noise[:, :1].expand_as(noise),
        "noise": noise,
    }[kind]
    segments = segmenter(image)
    check_segments(segments)
    assert segments.shape == (2, *size)


def test_an_empty_batch_gives_an_empty_result(segmenter: Segmenter) -> None:
    segments = segmenter(torch.empty(0, 3, 5, 7))
    assert segments.shape == (0, 5, 7)
    assert segments.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type_counts_as_its_float32_values(segmenter: Segmenter, images: Tensor, dtype: torch.dtype) -> None:
    converted = images.to(dtype)
    assert torch.equal(segmenter(converted), segmenter(converted.float()))


def test_images_that_require_grad_or_are_not_contiguous_are_segmented(segmenter: Segmenter, images: Tensor) -> None:
    expected = segmenter(images)
    assert torch.equal(segmenter(images.clone().requires_grad_()), expected)
    assert torch.equal(segmenter(images.to(memory_format=torch.channels_last)), expected)


def test_segments_are_made_in_inference_mode(segmenter: Segmenter, images: Tensor) -> None:
    with torch.inference_mode():
        segments = segmenter(images)
    assert torch.equal(segments, segmenter(images))


@pytest.mark.parametrize("segmenter", CONNECTED, ids=named)
def test_segments_are_four_connected(segmenter: Segmenter, images: Tensor) -> None:
    noise = torch.rand(1, 3, 40, 33, generator=torch.Generator().manual_seed(1))
    for batch in (images, noise):
        for segments, count in zip(segmenter(batch), num_segments(segmenter(batch)).tolist(), strict=True):
            assert num_pieces(segments) == count


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.full((1, 3, 4, 4), 1.1), r"RGB in \[0, 1\], got values from 1.1 to 1.1.*belongs inside the model"),
        (torch.full((1, 3, 4, 4), -0.1), "got values from -0.1"),
        (torch.full((1, 3, 4, 4), torch.nan), "got values from nan"),
        (torch.full((1, 3, 4, 4), torch.inf), "to inf"),
        (torch.zeros(1, 0, 4, 4), r"got \(1, 0, 4, 4\)"),
        (torch.zeros(4), r"shape \(N, [3C], H, W\), got \(4,\)\.$"),
        (
            torch.full((1, 3, 4, 4), 255.0),
            r"got values from 255 to 255\. Divide by the largest .* images / 255",
        ),
        (torch.zeros(1, 3, 0, 4), r"got \(1, 3, 0, 4\)"),
    ],
)
def test_wrong_images_are_refused(segmenter: Segmenter, wrong: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segmenter(wrong)


def test_integers_of_unknown_range_are_refused(segmenter: Segmenter) -> None:
    for dtype in (torch.int64, torch.uint16, torch.bool):
        with pytest.raises(TypeError, match=rf"to be floating point in \[0, 1\], got {dtype}: divide by the largest"):
            segmenter(torch.zeros(1, 3, 4, 4, dtype=dtype))


def test_rounding_errors_of_a_resize_are_accepted(segmenter: Segmenter, images: Tensor) -> None:
    overshoot = images.clone()
    overshoot[overshoot == 1] = 1 + 1e-4
    assert torch.equal(segmenter(overshoot), segmenter(overshoot.clamp(0, 1)))


@pytest.mark.parametrize("number", range(len(SEGMENTERS)))
def test_settings_are_compared_and_shown(number: int) -> None:
    assert [segmenter == SEGMENTERS[number] for segmenter in SEGMENTERS].count(True) == 1
    assert type(SEGMENTERS[number]).__name__ in repr(SEGMENTERS[number])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_of_the_images_changes_nothing(segmenter: Segmenter, images: Tensor) -> None:
    segments = segmenter(images.cuda())
    assert segments.is_cuda
    assert torch.equal(segments.cpu(), segmenter(images))


def test_the_two_on_disk_keep_the_contract_too(images: Tensor, tmp_path: Path) -> None:
    cached, precomputed = Cached(Slic(n_segments=30), tmp_path / "cache"), Precomputed(tmp_path / "maps")
    precomputed.write(images, cached(images))
    for segmenter in (cached, precomputed):
        together = segmenter(images)
        check_segments(together)
        assert torch.equal(together.flip(0), segmenter(images.flip(0)))
        assert torch.equal(together[2:3], segmenter(images[2:3]))
        assert segmenter(images[:0]).shape == (0, 37, 29)
        with pytest.raises(ValueError, match=r"RGB in \[0, 1\]"):
            segmenter(images + 1)
