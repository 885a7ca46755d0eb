"""What people see of images of any number of channels, and what segmenters get."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from lightning_spx.evaluation.maps.colors import ToRgb, as_rgb, check_channels, segmented_as, shown
from lightning_spx.evaluation.maps.guides import segment_images
from lightning_spx.superpixels import Cached, Felzenszwalb, Grid, Segmenter, Slic, Watershed

CPU = torch.device("cpu")
calls: list[Any] = []


def bands(channels: int, num: int = 3) -> Tensor:
    return torch.rand(num, channels, 16, 14, generator=torch.Generator().manual_seed(channels))


def last_three(images: Tensor) -> Tensor:
    return images[:, -3:]


def stretched(images: Tensor) -> Tensor:
    """Stretch over all that it is given, and so depend on it."""
    return images[:, [4, 2, 1]] / images.max()


@dataclass(frozen=True)
class Levels(Segmenter):
    """Two segments by the first channel, and a count of calls."""

    def __call__(self, images: Tensor) -> Tensor:
        calls.append(len(images))
        return (images[:, 0] > images[:, 0].flatten(1).median(1).values[:, None, None]).long()


@dataclass(frozen=True)
class OfTwo(Segmenter):
    channels: ClassVar[int | None] = 2

    def __call__(self, images: Tensor) -> Tensor:
        return (images[:, 0] < 2).logical_not().long()


def test_one_channel_is_repeated_and_three_are_left() -> None:
    assert torch.equal(as_rgb(bands(1)), bands(1).repeat(1, 3, 1, 1))
    assert torch.equal(as_rgb(bands(3)), bands(3))
    assert torch.equal(shown(bands(1)), bands(1).repeat(1, 3, 1, 1))
    assert torch.equal(shown(bands(3)), bands(3))


@pytest.mark.parametrize("channels", [2, 10])
def test_others_are_shown_as_their_mean_in_gray_and_are_no_rgb(channels: int) -> None:
    gray = sum(bands(channels)[:, band] for band in range(channels)) / channels
    torch.testing.assert_close(shown(bands(channels)), torch.as_tensor(gray)[:, None].expand(-1, 3, -1, -1))
    with pytest.raises(ValueError, match=rf"Expected images of 1 or 3 channels, got {channels}: set `to_rgb` to three"):
        as_rgb(bands(channels))


@pytest.mark.parametrize("of", [as_rgb, shown])
def test_bands_are_picked_in_their_order_also_of_rgb(of: Callable[[Tensor, ToRgb], Tensor]) -> None:
    images = bands(10)
    expected = torch.stack([images[:, 7], images[:, 0], images[:, 7]], 1)
    assert torch.equal(of(images, [7, 0, 7]), expected)
    assert torch.equal(of(bands(3), (2, 1, 0)), bands(3).flip(1))
    assert torch.equal(of(bands(1), [0, 0, 0]), bands(1).repeat(1, 3, 1, 1))


def test_a_callable_gets_an_image_at_a_time_so_that_its_colors_do_not_depend_on_the_batch() -> None:
    together = as_rgb(bands(10), stretched)
    assert torch.equal(together, torch.cat([stretched(image[None]) for image in bands(10)]))
    assert not torch.equal(together, stretched(bands(10)))
    assert as_rgb(bands(10)[:0], stretched).shape == (0, 3, 16, 14)


@pytest.mark.parametrize(
    ("to_rgb", "message"),
    [
        ([1, 2], r"`to_rgb` to be three band numbers from 0 to 9, got \[1, 2\]"),
        ([1, 2, 10], r"three band numbers from 0 to 9, got \[1, 2, 10\]"),
        ([1, 2, -1], r"three band numbers from 0 to 9, got \[1, 2, -1\]"),
        (
            lambda images: images[:, :2],
            r"to return \(1, 3, 16, 14\) for an image \(1, 10, 16, 14\), got \(1, 2, 16, 14",
        ),
        (lambda images: images[0, :3], r"got \(3, 16, 14\)"),
        (lambda images: 255 * images[:, :3], r"`to_rgb` to return colors in \[0, 1\], got .* to 2.*: clamp them"),
        (lambda images: images[:, :3] - 1, r"colors in \[0, 1\], got -"),
        (lambda images: images[:, :3] * torch.nan, r"got nan"),
    ],
)
def test_what_gives_no_colors_is_refused(to_rgb: ToRgb, message: str) -> None:
    for of in (as_rgb, shown):
        with pytest.raises(ValueError, match=message):
            of(bands(10), to_rgb)
    with pytest.raises(ValueError, match=message):
        segment_images({"Watershed": Watershed()}, bands(10), 2, CPU, to_rgb=to_rgb)


def test_colors_of_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"`to_rgb` to return colors .* tensor, got torch\.uint8"):
        as_rgb(bands(10), lambda images: (255 * images[:, :3]).byte())
    forgotten: Callable[[Tensor], Any] = calls.append
    with pytest.raises(TypeError, match=r"`to_rgb` to return colors .* tensor, got NoneType"):
        as_rgb(bands(10), forgotten)


def test_each_segmenter_gets_what_it_takes() -> None:
    images, to_rgb = bands(10), [8, 4, 2]
    segmenters = {"Slic": Slic(9), "Watershed": Watershed(9), "Grid": Grid(9), "Felzenszwalb": Felzenszwalb(min_size=5)}
    found = segment_images(segmenters, images, 2, CPU, to_rgb=to_rgb)
    colors = images[:, to_rgb]
    for name, segmenter in segmenters.items():
        assert torch.equal(found[name], segmenter(images if segmenter.channels is None else colors))
        assert torch.equal(found[name], segmenter(segmented_as(segmenter, images, to_rgb)))
    # of three channels, too, those that need RGB get what `to_rgb` says
    found = segment_images(segmenters, bands(3), 2, CPU, to_rgb=[2, 2, 0])
    assert torch.equal(found["Slic"], Slic(9)(bands(3)))
    assert torch.equal(found["Watershed"], Watershed(9)(bands(3)[:, [2, 2, 0]]))
    two = segment_images({"own": OfTwo()}, bands(2), 2, CPU)
    assert torch.equal(two["own"], OfTwo()(bands(2)))


def test_gray_is_segmented_as_if_it_were_rgb() -> None:
    segmenters = {"Slic": Slic(9), "Watershed": Watershed(9), "Grid": Grid(9), "Felzenszwalb": Felzenszwalb(min_size=5)}
    found = segment_images(segmenters, bands(1), 2, CPU)
    colored = segment_images(segmenters, bands(1).expand(-1, 3, -1, -1), 2, CPU)
    assert all(torch.equal(found[name], colored[name]) for name in segmenters)


def test_who_needs_rgb_is_named_before_anything_is_segmented() -> None:
    calls.clear()
    segmenters: dict[str, Segmenter] = {"Grid": Grid(), "Shed": Watershed()}
    message = r"RGB images \(N, 3, H, W\) for Shed, got 10 channels: set `to_rgb` to three band numbers, such as \[2, 1"
    with pytest.raises(ValueError, match=message):
        segment_images(segmenters, bands(10), 2, CPU)
    with pytest.raises(ValueError, match=message):
        check_channels(segmenters, 10)
    with pytest.raises(ValueError, match=r"images \(N, 2, H, W\) for own, got 3 channels"):
        check_channels({"own": OfTwo()}, 3)
    with pytest.raises(ValueError, match=r"for Cached, got 2 channels.*such as \[0, 1, 1\]"):
        segmented_as(Cached(Watershed(), "nowhere"), bands(2))
    with pytest.raises(ValueError, match="three band numbers from 0 to 2, got"):
        check_channels({"Grid": Grid()}, 3, [1, 2, 3])
    check_channels(segmenters, 1)
    check_channels(segmenters, 10, last_three)
    assert calls == []


def test_cached_segments_are_never_those_of_other_colors(tmp_path: Path) -> None:
    index, images = torch.arange(3), bands(10)
    cached: dict[str, Segmenter] = {"own": Cached(Levels(), tmp_path)}

    def segment(to_rgb: ToRgb | None, images: Tensor) -> list[Any]:
        calls.clear()
        found = segment_images(cached, images, 3, CPU, "photos test", index, to_rgb)["own"]
        assert torch.equal(found, Levels()(as_rgb(images, to_rgb)))
        return calls[:-1]

    assert segment([8, 4, 2], images) == [3]
    assert segment([8, 4, 2], images) == []
    assert segment((8, 4, 2), images) == []
    assert segment([4, 8, 2], images) == [3]
    assert segment(last_three, images) == [3]
    assert segment(last_three, images) == []
    assert segment(lambda given: given[:, :3], images) == [3]
    assert segment(last_three, images) == []
    assert segment(None, bands(3)) == [3]
    assert segment(None, bands(1)) == [3]
    assert segment([0, 0, 0], bands(1)) == [3]


def test_other_colors_have_files_of_their_own_even_where_their_pixels_are_the_same(tmp_path: Path) -> None:
    index, gray = torch.arange(3), bands(1).repeat(1, 5, 1, 1)
    cached = {"own": Cached(Levels(), tmp_path)}
    for to_rgb in ([0, 1, 2], [2, 1, 0]):
        segment_images(cached, gray, 3, CPU, "photos test", index, to_rgb)
    assert len(list(tmp_path.rglob("2.segments"))) == 2
    # what is segmented as it is keeps the name that it had before there were colors to choose
    cached["own"].of_index(bands(3), "photos test", index)
    there = set(tmp_path.rglob("*.segments"))
    segment_images(cached, bands(3), 3, CPU, "photos test", index)
    assert set(tmp_path.rglob("*.segments")) == there


def test_a_configuration_can_say_both_kinds() -> None:
    parser = ArgumentParser()
    parser.add_argument("--to_rgb", type=ToRgb | None)
    assert parser.parse_args([]).to_rgb is None
    assert list(parser.parse_args(["--to_rgb", "[3, 2, 1]"]).to_rgb) == [3, 2, 1]
    assert parser.parse_args(["--to_rgb", f"{__name__}.last_three"]).to_rgb is last_three
