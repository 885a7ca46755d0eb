"""What every filter promises, on every attribution and image that can be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.autograd import forward_ad

from lightning_spx.superpixels import (
    GuidedFilter,
    ImageFilter,
    JointBilateral,
    Slic,
    bilateral_pool,
    guided_pool,
    num_segments,
)
from lightning_spx.superpixels.blur import blurred, blurred_variance
from tests.superpixels.conftest import draw

FILTERS: list[ImageFilter] = [JointBilateral(), GuidedFilter(), GuidedFilter(radius=2, eps=0.1)]


@pytest.fixture(params=FILTERS, ids=repr)
def pooling(request: pytest.FixtureRequest) -> ImageFilter:
    chosen: ImageFilter = request.param
    return chosen


@pytest.fixture(params=[(37, 29), (67, 66)], ids=["small", "large"])
def images(request: pytest.FixtureRequest) -> Tensor:
    return draw(4, *request.param)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def test_an_image_alone_and_in_any_batch_is_pooled_the_same(pooling: ImageFilter, images: Tensor) -> None:
    attribution = noise(4, 2, *images.shape[2:])
    together = pooling.pool(attribution, images)
    assert together.dtype == torch.float32
    alone = [pooling.pool(*(part[None] for part in pair)) for pair in zip(attribution, images, strict=True)]
    assert torch.equal(together, torch.cat(alone))
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(pooling.pool(attribution[order], images[order]), together[order])
    assert torch.equal(pooling.pool(attribution, images), together)


def test_a_constant_map_stays_exactly_as_it_is(pooling: ImageFilter, images: Tensor) -> None:
    for value in (0.3, -1e-20, 1e30):
        constant = torch.full((4, 1, *images.shape[2:]), value)
        assert torch.equal(pooling.pool(constant, images), constant)


@pytest.mark.parametrize("size", [(1, 1), (1, 13), (13, 1), (2, 2), (1, 70), (70, 2)])
def test_constant_images_of_every_size_pool_to_finite_values(pooling: ImageFilter, size: tuple[int, int]) -> None:
    attribution = noise(2, 3, *size)
    for level in (0.0, 0.4, 1.0):
        pooled = pooling.pool(attribution, torch.full((2, 3, *size), level))
        assert pooled.isfinite().all()
        assert (pooled.abs() <= attribution.abs().max() * 1.001).all()
    if size == (1, 1):
        assert torch.equal(pooling.pool(attribution, torch.rand(2, 3, 1, 1)), attribution)


def test_a_nan_stays_in_its_channel(pooling: ImageFilter, images: Tensor) -> None:
    attribution = noise(4, 2, *images.shape[2:])
    expected = pooling.pool(attribution, images)
    for wrong in (torch.nan, torch.inf, -torch.inf):
        broken = attribution.clone()
        broken[1, 0, 5, 5] = wrong
        pooled = pooling.pool(broken, images)
        untouched = torch.ones(4, 2, dtype=torch.bool)
        untouched[1, 0] = False
        assert torch.equal(pooled[untouched], expected[untouched])
        assert not pooled[1, 0, 5, 5].isfinite()
        if isinstance(pooling, JointBilateral):
            assert torch.equal(pooled[1, 0], torch.full_like(pooled[1, 0], wrong)) or bool(pooled[1, 0].isnan().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_count_as_their_values(pooling: ImageFilter, images: Tensor, dtype: torch.dtype) -> None:
    attribution = noise(4, 2, *images.shape[2:]).to(dtype)
    expected = pooling.pool(attribution.double(), images)
    assert torch.equal(pooling.pool(attribution, images), expected)
    converted = images.to(dtype)
    assert torch.equal(pooling.pool(attribution, converted), pooling.pool(attribution, converted.double()))


def test_memory_layout_and_inference_mode_change_nothing(pooling: ImageFilter, images: Tensor) -> None:
    attribution = noise(4, 3, *images.shape[2:])
    expected = pooling.pool(attribution, images)
    last = torch.channels_last
    assert torch.equal(pooling.pool(attribution.to(memory_format=last), images.to(memory_format=last)), expected)
    with torch.inference_mode():
        assert torch.equal(pooling.pool(attribution, images), expected)


def test_gradients_tangents_and_vmap_pass_through(pooling: ImageFilter, images: Tensor) -> None:
    one, attribution = images[:1], noise(1, 2, *images.shape[2:])
    expected = pooling.pool(attribution, one)
    variable = attribution.clone().requires_grad_()
    pooled = pooling.pool(variable, one.clone().requires_grad_())
    torch.testing.assert_close(pooled.detach(), expected, rtol=1e-5, atol=1e-6)
    cotangent = noise(*attribution.shape).flip(2)
    (gradient,) = torch.autograd.grad(pooled, variable, cotangent)
    # a filter is linear, so its adjoint says the same of any two maps
    torch.testing.assert_close((gradient * attribution).sum(), (cotangent * expected).sum(), rtol=1e-3, atol=1e-3)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(pooling.pool(forward_ad.make_dual(cotangent, attribution), one)).tangent
    torch.testing.assert_close(tangent, expected, rtol=1e-5, atol=1e-6)
    mapped = torch.func.vmap(lambda each: pooling.pool(each[None], one)[0])(torch.cat([attribution, cotangent]))
    torch.testing.assert_close(mapped[:1], expected, rtol=1e-5, atol=1e-6)


def test_one_image_in_all_forms_guides_everything(pooling: ImageFilter) -> None:
    image = (draw(1, 20, 22)[0] * 255).round().to(torch.uint8)
    attribution = noise(4, 3, 20, 22)
    expected = pooling.pool(attribution, (image.float() / 255).expand(4, -1, -1, -1))
    array = image.permute(1, 2, 0).numpy()
    given: Any
    for given in (image, array, Image.fromarray(array), image.float() / 255):
        torch.testing.assert_close(pooling.pool(attribution, given), expected)
        torch.testing.assert_close(pooling.pool(attribution[1], given), expected[1])
        torch.testing.assert_close(pooling.pool(attribution[1, 2], given), expected[1, 2])
    gray = image[0].float() / 255
    torch.testing.assert_close(pooling.pool(attribution[0], gray), pooling.pool(attribution[:1], gray[None, None])[0])
    given = np.stack([array] * 4)
    maps = pooling.pool(attribution[:, 0], given)
    torch.testing.assert_close(maps, expected[:, 0])


def test_an_empty_batch_gives_an_empty_result(pooling: ImageFilter) -> None:
    for size in ((5, 7), (70, 71)):
        assert pooling.pool(torch.empty(0, 2, *size), torch.empty(0, 3, *size)).shape == (0, 2, *size)
        assert pooling.effective_segments(torch.empty(0, 3, *size)).shape == (0,)


def test_wrong_arguments_are_refused_in_one_line(pooling: ImageFilter, images: Tensor) -> None:
    attribution = noise(4, 2, *images.shape[2:])
    with pytest.raises(TypeError, match=r"floating point tensor, got torch\.int64: give attribution\.float\(\)\.$"):
        pooling.pool(attribution.long(), images)
    array: Any = attribution.numpy()
    with pytest.raises(TypeError, match=r"got ndarray: give torch\.as_tensor\(attribution\)"):
        pooling.pool(array, images)
    with pytest.raises(ValueError, match=r"with the N, H and W of `images`, got \(3, 2, .* and \(4, 3, "):
        pooling.pool(attribution[:3], images)
    with pytest.raises(ValueError, match=r"on the device of `attribution`, meta, got cpu: give images\.to\("):
        pooling.pool(attribution.to("meta"), images)
    for wrong in (images + 1, images * torch.nan):
        with pytest.raises(ValueError, match=r"Expected `images` to be RGB in \[0, 1\], got values from"):
            pooling.pool(attribution, wrong)


def test_the_number_of_threads_changes_nothing(pooling: ImageFilter, images: Tensor) -> None:
    attribution, threads = noise(4, 2, *images.shape[2:]), torch.get_num_threads()
    one = pooling.pool(attribution, images)
    try:
        torch.set_num_threads(2)
        torch.testing.assert_close(pooling.pool(attribution, images), one, rtol=1e-6, atol=1e-7)
    finally:
        torch.set_num_threads(threads)


def test_segmenters_count_their_segments(images: Tensor) -> None:
    slic = Slic(n_segments=30)
    counted = num_segments(slic(images)).double()
    torch.testing.assert_close(slic.effective_segments(images), counted, rtol=1e-6, atol=0)


def test_the_variance_of_blurred_noise_is_that_of_the_squared_weights() -> None:
    count = torch.tensor([7.5, 3.0])
    variance = noise(2, 2, 8, 6).square()
    single = torch.eye(48).view(1, 1, 48, 8, 6).expand(1, 2, -1, -1, -1)
    squares = blurred(single, count)[0].double().square().flatten(2)
    expected = torch.einsum("ncq,nqp->ncp", variance.double().flatten(2), squares).view(2, 2, 8, 6)
    torch.testing.assert_close(blurred_variance(variance, count), expected.float(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("pool", [bilateral_pool, guided_pool])
def test_no_images_give_no_maps(pool: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert pool(torch.zeros(0, 2, 4, 5), torch.zeros(0, 3, 4, 5)).shape == (0, 2, 4, 5)


def test_settings_that_rounding_would_decide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`sigma_color` to be finite and at least 1e-05, got 1e-08"):
        JointBilateral(sigma_color=1e-8)
    with pytest.raises(ValueError, match=r"`sigma_spatial` to be finite and at least 1e-05"):
        JointBilateral(sigma_spatial=1e-170)
    with pytest.raises(ValueError, match=r"`eps` to be finite and at least 1e-12"):
        GuidedFilter(eps=1e-300)
