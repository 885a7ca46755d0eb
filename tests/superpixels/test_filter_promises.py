"""Filters that break a promise, of which each is refused in a line."""

import pytest
import torch
from torch import Tensor

from lightning_spx.evaluation.maps.guides import guide_images, try_poolings
from lightning_spx.superpixels import GuidedFilter, ImageFilter, JointBilateral
from lightning_spx.superpixels.filter_promises import check_filter
from tests.filters import Fading


class Doubled(ImageFilter):
    channels = None

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return 2 * attribution


class Median(ImageFilter):
    channels = None

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return attribution.flatten(2).median(2).values[..., None, None].expand_as(attribution)


class Cropped(ImageFilter):
    channels = None

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return attribution[:, :, 1:]


class ByBatch(ImageFilter):
    channels = None

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        share = images.mean()
        return (1 - share) * attribution + share * attribution.mean((2, 3), keepdim=True)


class NotANumber(ImageFilter):
    channels = None

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return attribution / 0


class Rounded(ImageFilter):
    channels = None

    def pool(self, attribution: Tensor, images: Tensor) -> Tensor:
        return attribution.long()


BROKEN = [
    (Doubled(), ValueError, "weights of Doubled to sum to one, .* got 2 from 1"),
    (Median(), ValueError, "Expected Median to be linear in the attribution"),
    (Cropped(), ValueError, r"shape that it gets, \(2, 4, 7, 9\), got \(2, 4, 6, 9\)"),
    (ByBatch(), ValueError, "Expected ByBatch to filter an image alone as in a batch"),
    (NotANumber(), ValueError, "Expected NotANumber to return finite values"),
    (Rounded(), TypeError, "Expected Rounded to return a floating point tensor, got torch.int64"),
]


def images() -> Tensor:
    return torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("smoothing", [GuidedFilter(), JointBilateral(), Fading(), Fading(0.3)])
def test_filters_that_keep_their_promises_pass(smoothing: ImageFilter) -> None:
    for some in (images(), images()[:1], torch.zeros(2, 1, 1, 1)):
        check_filter(smoothing, some)


@pytest.mark.parametrize(("smoothing", "error", "message"), BROKEN)
def test_a_broken_promise_is_refused(smoothing: ImageFilter, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_filter(smoothing, images())
    with pytest.raises(error, match=message):
        try_poolings({"mine": smoothing}, images())
    with pytest.raises(error, match=message):
        guide_images({"mine": smoothing}, images(), 2, torch.device("cpu"))
