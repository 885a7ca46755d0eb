"""Guides of filters: what decides the weights on the images of a study."""

import pytest
import torch
from torch import Tensor

from lightning_spx.evaluation.maps.guides import Guide, check_poolings, guide_images, segments_among
from lightning_spx.evaluation.maps.pooling_lists import control_kinds, make_poolings
from lightning_spx.superpixels import Grid, GuidedFilter, ImagePooling, JointBilateral
from tests.filters import Fading, NoPooling

CPU = torch.device("cpu")
EVERY: dict[str, ImagePooling] = {
    "Grid": Grid(9),
    "JointBilateral": JointBilateral(),
    "GuidedFilter": GuidedFilter(radius=2),
    "Fading": Fading(),
}


def images(channels: int = 3) -> Tensor:
    return torch.rand(5, channels, 12, 10, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [1, 3, 10])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize("smoothing", [JointBilateral(), GuidedFilter(radius=2), Fading()])
def test_a_guide_filters_some_images_as_its_filter_does_whatever_the_batch(
    smoothing: ImagePooling, batch_size: int, channels: int
) -> None:
    maps = torch.randn(4, 6, 12, 10, generator=torch.Generator().manual_seed(2))
    chosen = torch.tensor([3, 0, 3, 4])
    guide = Guide(smoothing, images(channels), batch_size)
    expected = smoothing.pool(maps, images(channels)[chosen])
    torch.testing.assert_close(guide.pool(maps, chosen), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(guide.pool(maps, slice(1, None)), smoothing.pool(maps, images(channels)[1:]))
    variance = maps.square()
    expected = smoothing.pooled_variance(variance, images(channels)[chosen])
    torch.testing.assert_close(guide.pooled_variance(variance, chosen), expected, rtol=1e-4, atol=1e-6)
    assert guide.pool(maps[:0], slice(0, 0)).shape == (0, 6, 12, 10)


def test_a_borrowed_guide_smooths_as_much_as_its_lender() -> None:
    guide = Guide(JointBilateral(), images(), 2)
    lenders = torch.tensor([1, 2, 3, 4, 0])
    borrowed = guide.borrowed(lenders)
    alone = Guide(JointBilateral(), images()[lenders], 2)
    assert torch.equal(borrowed.images, alone.images)
    torch.testing.assert_close(borrowed.effective_segments, alone.effective_segments)


def test_segmenters_have_four_controls_and_filters_two() -> None:
    guides = guide_images(EVERY, images(), 2, CPU)
    assert list(segments_among(guides)) == ["Grid"]
    poolings = make_poolings(guides, torch.arange(5), torch.tensor([1, 2, 3, 4, 0]).numpy(), seed=0)
    expected = ["pixel"]
    for name, pooling in EVERY.items():
        expected += [name, *(f"control:{kind}({name})" for kind in control_kinds(pooling))]
    assert [pooling.name for pooling in poolings] == expected
    assert len(expected) == 1 + 5 + 3 * 3


def test_what_does_not_pool_is_refused_in_one_line() -> None:
    with pytest.raises(
        TypeError, match=r"^Expected `superpixels` to be segmenters or filters, got NoPooling: derive a"
    ):
        check_poolings({"mine": NoPooling()})
    with pytest.raises(TypeError, match=r"got the class JointBilateral: make an object of it\.$"):
        check_poolings({"mine": JointBilateral})
