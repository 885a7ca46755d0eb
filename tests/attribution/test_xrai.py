"""XRAI as a method: what it ranks, over which segments, and what it gives."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import (
    XRAI,
    Attribution,
    Gradient,
    InputXGradient,
    IntegratedGradients,
    MeanAttribution,
    is_constant,
    saliency_map,
)
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.xrai_regions import region_map, regions_of
from lightning_spx.superpixels import Felzenszwalb, Grid, Segmenter, Slic, segment_pool
from tests.attribution.cases import Net, images, targets

SIZE = 24


@dataclass(frozen=True)
class Given(Attribution):
    """The attribution of an image is drawn from its values."""

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        return 10 * torch.frac(1000 * inputs) - 5


def method(*superpixels: Segmenter) -> XRAI:
    return XRAI(superpixels or (Grid(9), Slic(12)), Given(), dilation=1, min_new_pixels=3)


def explained(which: XRAI, inputs: Tensor) -> Tensor:
    return which.attribute(lambda x: x.flatten(1), inputs, torch.zeros(len(inputs), dtype=torch.int64))


def test_a_map_is_that_of_the_largest_channel_without_its_least_value() -> None:
    inputs = images(3, SIZE)
    result = explained(method(), inputs)
    assert result.shape == inputs.shape
    for image, found in zip(inputs, result, strict=True):
        segments = torch.cat([Grid(9)(image[None]), Slic(12)(image[None])])
        values = Given().attribute(Net(), image[None], None).amax(1)
        expected = region_map(values, regions_of(segments, dilation=1), 3)[0]
        assert not bool(is_constant(expected[None]))
        torch.testing.assert_close(found, ((expected - expected.min()) / 3).expand(3, -1, -1))


def test_the_shift_leaves_the_map_in_zero_to_one_and_keeps_negative_regions_least() -> None:
    inputs = images(1, SIZE)
    segments = Grid(9)(inputs)
    regions = regions_of(segments, 0)
    attribution = torch.randn(1, 1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    plain = region_map(attribution[0, 0], regions, 3)
    maps = method(Grid(9)).rank(attribution, [regions])[0]
    assert plain.min() < 0 < plain.max()
    assert maps.min() == 0
    assert torch.equal(maps.flatten().argsort(stable=True), plain.flatten().argsort(stable=True))
    # of a map that has nothing below zero nothing changes
    torch.testing.assert_close(saliency_map(maps[:, None]), saliency_map((plain - plain.min() + 0.3)[:, None]))


def test_several_models_are_ranked_as_each_alone() -> None:
    inputs = images(2, SIZE)
    regions = [regions_of(torch.stack([Grid(9)(each[None])[0], Slic(12)(each[None])[0]]), 1) for each in inputs]
    attribution = torch.randn(4, 2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    together = method().rank(attribution, regions)
    for model in range(4):
        for image in range(2):
            alone = method().rank(attribution[model : model + 1, image : image + 1], regions[image : image + 1])
            assert torch.equal(together[model, image], alone[0, 0])


def test_an_image_has_the_same_map_alone_and_in_any_batch() -> None:
    inputs = images(4, SIZE)
    together = explained(method(), inputs)
    assert torch.equal(explained(method(), inputs.flip(0)), together.flip(0))
    for number in range(4):
        assert torch.equal(explained(method(), inputs[number : number + 1])[0], together[number])
    assert explained(method(), inputs[:0]).shape == (0, 3, SIZE, SIZE)


def test_segments_may_be_swapped() -> None:
    inputs, target = images(2, SIZE), torch.tensor([0, 0])
    one = replace(method(Grid(9)), dilation=0)
    other = Grid(16)(inputs)
    swapped = one.attribute_over(Net(), inputs, target, other)
    assert torch.equal(swapped, one.attribute_over(Net(), inputs, target, other[:, None]))
    # regions that share no pixels have the means of plain pooling
    means = segment_pool(Given().attribute(Net(), inputs, target).amax(1), other)
    torch.testing.assert_close(swapped.sum(1), means - means.amin((1, 2), keepdim=True))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda segments: segments[:, :1], r"shape \(2, 2, 24, 24\), .* got \(2, 1, 24, 24\)"),
        (lambda segments: segments[:, 0], r"shape \(2, 2, 24, 24\), .* got \(2, 24, 24\)"),
        (lambda segments: segments[:1], r"shape \(2, 2, 24, 24\), .* got \(1, 2, 24, 24\)"),
        (lambda segments: segments[..., 1:], r"shape \(2, 2, 24, 24\), .* got \(2, 2, 24, 23\)"),
        (lambda segments: segments.float(), "to be int64, got torch.float32"),
        (lambda segments: 2 * segments, "without gaps, got 9 ids up to 16 in image 0"),
        (lambda segments: segments.numpy(), "got ndarray"),
    ],
)
def test_segments_that_do_not_fit_are_refused(wrong: Callable[[Tensor], Any], message: str) -> None:
    inputs = images(2, SIZE)
    segments = torch.stack([Grid(9)(inputs), Grid(4)(inputs)], dim=1)
    with pytest.raises(ValueError, match=message):
        method().attribute_over(Net(), inputs, targets(2), wrong(segments))


def test_gray_images_have_the_segments_of_the_same_in_rgb() -> None:
    gray = images(2, SIZE)[:, :1]
    which = method(Felzenszwalb(10, min_size=5), Slic(9))
    torch.testing.assert_close(explained(which, gray)[:, 0], explained(which, gray.expand(-1, 3, -1, -1)).sum(1))


def test_many_channels_need_a_segmenter_that_takes_them() -> None:
    inputs = torch.rand(2, 5, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    result = explained(method(Slic(9)), inputs)
    assert result.shape == inputs.shape
    assert not bool(is_constant(result[:, 0]).any())
    with pytest.raises(ValueError, match=r"shape \(N, 3, H, W\), got \(2, 5, 24, 24\)"):
        explained(method(Felzenszwalb()), inputs)


def test_defaults_are_those_of_the_paper() -> None:
    default = XRAI()
    scales = [each.scale for each in default.segmenters if isinstance(each, Felzenszwalb)]
    # on images from -1 to 1, whose differences are twice as large
    assert [2 * scale for scale in scales] == [50, 100, 150, 250, 500, 1200]
    assert default.base == MeanAttribution((IntegratedGradients(), IntegratedGradients(baseline=(1.0,))))
    assert default == XRAI(default.superpixels, default.base)


def test_a_constant_image_has_a_constant_map() -> None:
    # the published segmentation of an image without contrast is one region, and no division by its range
    inputs = torch.full((1, 3, 32, 32), 0.3)
    result = XRAI(base=Gradient()).attribute(Net(), inputs, torch.tensor([1]))
    assert torch.equal(result, torch.zeros_like(inputs))


def test_lists_as_from_yaml_are_tuples() -> None:
    which = XRAI(cast(Any, [Slic(9)]))
    assert which == XRAI((Slic(9),))
    assert hash(which) == hash(XRAI((Slic(9),)))
    both = MeanAttribution(cast(Any, [Gradient(), InputXGradient()]))
    assert hash(both) == hash(MeanAttribution((Gradient(), InputXGradient())))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"superpixels": ()}, ValueError, "`superpixels` to hold at least one segmenter, got none"),
        ({"superpixels": Slic()}, TypeError, r"`superpixels` to be a tuple of segmenters, .* got Slic"),
        ({"superpixels": ("Slic",)}, TypeError, r"`superpixels` to be a tuple of segmenters, .* got \('Slic',\)"),
        ({"base": Slic()}, TypeError, "`base` to be an Attribution, .* got Slic"),
        ({"dilation": 1.5}, TypeError, "`dilation` to be an integer, got 1.5"),
        ({"dilation": -1}, ValueError, "`dilation` to be at least 0, got -1"),
        ({"min_new_pixels": 0}, ValueError, "`min_new_pixels` to be at least 1, got 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        XRAI(**settings)


def test_a_mean_of_methods_is_their_mean() -> None:
    inputs, target = images(2), targets(2)
    parts = (Gradient(), InputXGradient(), IntegratedGradients(3))
    expected = torch.stack([part.attribute(Net(), inputs, target) for part in parts]).mean(0)
    torch.testing.assert_close(MeanAttribution(parts).attribute(Net(), inputs, target), expected)
    assert torch.equal(
        MeanAttribution(parts[:1]).attribute(Net(), inputs, target), parts[0].attribute(Net(), inputs, target)
    )


def test_a_mean_of_no_methods_is_refused() -> None:
    with pytest.raises(ValueError, match="`methods` to hold at least one Attribution, got none"):
        MeanAttribution(())
    with pytest.raises(TypeError, match=r"`methods` to be a tuple of Attributions, .* got Gradient"):
        MeanAttribution(cast(Any, Gradient()))
    with pytest.raises(TypeError, match=r"`methods` to be a tuple of Attributions, .* got .*Gradient'>"):
        MeanAttribution(cast(Any, (Gradient,)))


def test_errors_name_the_method_inside() -> None:
    which = replace(method(), base=MeanAttribution((Gradient(),)))
    message = r"XRAI\(MeanAttribution\(Gradient\)\): expected a finite .* positions \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        which.attribute(lambda x: x.flatten(1) / 0, images(2, 8), torch.tensor([0, 0]))
