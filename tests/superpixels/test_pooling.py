import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import forward_ad

from lightning_spx.superpixels import Slic, blur_like, segment_pool

Pool = Callable[[Tensor, Tensor], Tensor]
POOLS: list[Pool] = [segment_pool, partial(segment_pool, reduce="sum")]


def slow_pool(attribution: Tensor, segments: Tensor, reduce: str) -> Tensor:
    pooled = torch.empty(attribution.shape)
    for image in range(attribution.shape[0]):
        for channel in range(attribution.shape[1]):
            for segment in set(segments[image].flatten().tolist()):
                inside = segments[image] == segment
                values = [float(value) for value in attribution[image, channel][inside]]
                total = math.fsum(values)
                pooled[image, channel][inside] = total / len(values) if reduce == "mean" else total
    return pooled


@pytest.fixture
def segments(images: Tensor) -> Tensor:
    return Slic(n_segments=25, compactness=1.0)(images)


@pytest.fixture
def attribution(images: Tensor) -> Tensor:
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_pooling_is_the_slow_loop(attribution: Tensor, segments: Tensor, reduce: str) -> None:
    chosen = {"mean": segment_pool(attribution, segments), "sum": segment_pool(attribution, segments, reduce="sum")}
    assert chosen[reduce].dtype == torch.float32
    torch.testing.assert_close(chosen[reduce], slow_pool(attribution, segments, reduce), rtol=2e-7, atol=1e-9)


def test_a_case_by_hand() -> None:
    attribution = torch.tensor([[[[1.0, 2.0], [3.0, -6.0]], [[0.0, 1.0], [0.5, 0.0]]]])
    segments = torch.tensor([[[0, 0], [0, 1]]])
    mean = segment_pool(attribution, segments)
    assert mean.tolist() == [[[[2.0, 2.0], [2.0, -6.0]], [[0.5, 0.5], [0.5, 0.0]]]]
    total = segment_pool(attribution, segments, reduce="sum")
    assert total.tolist() == [[[[6.0, 6.0], [6.0, -6.0]], [[1.5, 1.5], [1.5, 0.0]]]]


def test_pooling_twice_is_pooling_once(attribution: Tensor, segments: Tensor) -> None:
    once = segment_pool(attribution, segments)
    assert torch.equal(segment_pool(once, segments), once)


def test_the_mean_keeps_the_sum_of_the_image(attribution: Tensor, segments: Tensor) -> None:
    pooled = segment_pool(attribution, segments)
    torch.testing.assert_close(pooled.double().sum((2, 3)), attribution.double().sum((2, 3)), rtol=0, atol=1e-4)


def test_an_image_alone_and_in_a_batch_agree_exactly(attribution: Tensor, segments: Tensor) -> None:
    together = segment_pool(attribution, segments)
    for image in range(len(attribution)):
        assert torch.equal(segment_pool(attribution[image, None], segments[image, None])[0], together[image])


def test_the_order_of_the_pixels_has_no_part(attribution: Tensor, segments: Tensor) -> None:
    turned = segment_pool(attribution.flip(2, 3), segments.flip(1, 2)).flip(2, 3)
    assert torch.equal(turned, segment_pool(attribution, segments))


def test_large_cancelling_values_are_summed_exactly() -> None:
    attribution = torch.tensor([1e7, 1.0, -1e7, 1e-3]).view(1, 1, 1, 4)
    pooled = segment_pool(attribution, torch.zeros(1, 1, 4, dtype=torch.int64), reduce="sum")
    assert torch.equal(pooled, torch.full((1, 1, 1, 4), 1.001))


@given(value=st.floats(-(2.0**100), 2.0**100, width=32), size=st.integers(1, 40))
def test_a_constant_map_stays_as_it_is(value: float, size: int) -> None:
    attribution = torch.full((1, 2, size, 3), value)
    segments = torch.arange(size * 3).view(1, size, 3) // 7
    assert torch.equal(segment_pool(attribution, segments), attribution)


def test_one_segment_per_pixel_changes_nothing(attribution: Tensor) -> None:
    segments = torch.arange(37 * 29).view(1, 37, 29).expand(4, 37, 29)
    assert torch.equal(segment_pool(attribution, segments), attribution)


def test_one_segment_for_all_is_the_mean_of_the_image(attribution: Tensor) -> None:
    pooled = segment_pool(attribution, torch.zeros(4, 37, 29, dtype=torch.int64))
    assert torch.equal(pooled, attribution.double().mean((2, 3), keepdim=True).float().expand_as(attribution))


@pytest.mark.parametrize("pool", POOLS, ids=["mean", "sum"])
def test_maps_without_channels_are_pooled_as_with_one(attribution: Tensor, segments: Tensor, pool: Pool) -> None:
    maps, expected = attribution[:, 0], pool(attribution[:, :1], segments)[:, 0]
    assert torch.equal(pool(maps, segments), expected)
    # not contiguous in memory
    assert torch.equal(pool(maps.mT.contiguous().mT, segments.mT.contiguous().mT), expected)
    assert torch.equal(blur_like(maps, segments), blur_like(attribution[:, :1], segments)[:, 0])
    assert pool(maps[:0], segments[:0]).shape == (0, 37, 29)


@pytest.mark.parametrize("pool", POOLS, ids=["mean", "sum"])
def test_segments_of_one_image_pool_it_or_everything(attribution: Tensor, segments: Tensor, pool: Pool) -> None:
    one = segments[0]
    for_all = pool(attribution, one.expand(4, -1, -1))
    for found, expected in (
        (pool(attribution, one), for_all),
        (pool(attribution[1], one), for_all[1]),
        (pool(attribution[:, 2], one), for_all[:, 2]),
        (pool(attribution[1, 2], one), for_all[1, 2]),
    ):
        assert torch.equal(found, expected)
    assert pool(attribution[:0], one).shape == (0, 3, 37, 29)
    blurred = blur_like(attribution, one.expand(4, -1, -1))
    torch.testing.assert_close(blur_like(attribution, one), blurred)
    torch.testing.assert_close(blur_like(attribution[1, 2], one), blurred[1, 2])


def test_gradients_pass_through_the_pooling(segments: Tensor) -> None:
    weights = torch.randn(37, 29, generator=torch.Generator().manual_seed(0))
    maps = torch.zeros(37, 29, requires_grad=True)
    (gradient,) = torch.autograd.grad((segment_pool(maps, segments[0]) * weights).sum(), maps)
    # averaging over groups is its own adjoint
    torch.testing.assert_close(gradient, segment_pool(weights, segments[0]))


def test_a_nan_stays_in_its_segment() -> None:
    attribution = torch.tensor([[[[torch.nan, 1.0, 2.0]]], [[[1.0, 2.0, 4.0]]]])
    segments = torch.tensor([[[0, 0, 1]], [[0, 1, 1]]])
    pooled = segment_pool(attribution, segments)
    assert pooled[0].isnan().tolist() == [[[True, True, False]]]
    assert pooled[1].tolist() == [[[1.0, 3.0, 3.0]]]


def test_one_pixel_and_no_image() -> None:
    assert segment_pool(torch.tensor([[[[3.0]]]]), torch.tensor([[[0]]])).item() == 3
    assert segment_pool(torch.empty(0, 3, 2, 2), torch.empty(0, 2, 2, dtype=torch.int64)).shape == (0, 3, 2, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_pooled_in_double(attribution: Tensor, segments: Tensor, dtype: torch.dtype) -> None:
    converted = attribution.to(dtype)
    pooled = segment_pool(converted, segments)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, slow_pool(converted, segments, "mean"), rtol=2e-7, atol=1e-9)


def test_it_works_in_and_on_tensors_of_inference_mode(attribution: Tensor, segments: Tensor) -> None:
    expected = segment_pool(attribution, segments)
    with torch.inference_mode():
        inside = attribution.clone()
        assert torch.equal(segment_pool(inside, segments.clone()), expected)
    assert torch.equal(segment_pool(inside, segments), expected)


def test_inputs_are_left_alone(attribution: Tensor, segments: Tensor) -> None:
    copies = attribution.clone(), segments.clone()
    segment_pool(attribution, segments)
    assert torch.equal(attribution, copies[0])
    assert torch.equal(segments, copies[1])


def test_wrong_arguments_are_refused(attribution: Tensor, segments: Tensor) -> None:
    word: Any = "median"
    with pytest.raises(ValueError, match=r"""Expected `reduce` to be "mean" or "sum", got 'median'"""):
        segment_pool(attribution, segments, word)
    with pytest.raises(TypeError, match=r"to be a floating point tensor, got torch\.int64: give attribution\.float"):
        segment_pool(attribution.long(), segments)
    with pytest.raises(ValueError, match=r"got \(4, 3, 37, 29\) and \(3, 37, 29\)"):
        segment_pool(attribution, segments[:3])
    with pytest.raises(ValueError, match=r"got \(3, 37, 29\) and \(4, 37, 29\)"):
        segment_pool(attribution[0], segments)
    with pytest.raises(ValueError, match=r"got \(37, 29\) and \(37, 28\)"):
        segment_pool(attribution[0, 0], segments[0, :, 1:])
    for shapeless in (attribution[0, 0, 0], attribution[None]):
        with pytest.raises(ValueError, match=r"Expected `attribution` to have shape \(N, C, H, W\) or \(N, H, W\)"):
            segment_pool(shapeless, segments[0])
    array: Any = attribution.numpy()
    with pytest.raises(TypeError, match=r"got ndarray: give torch\.as_tensor\(attribution\)"):
        segment_pool(array, segments)
    with pytest.raises(ValueError, match=r"on the device of `attribution`, meta, got cpu: give segments\.to\("):
        segment_pool(attribution.to("meta"), segments)
    with pytest.raises(ValueError, match="without gaps"):
        segment_pool(attribution, segments + 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_changes_nothing_beyond_rounding(attribution: Tensor, segments: Tensor) -> None:
    pooled = segment_pool(attribution.cuda(), segments.cuda())
    torch.testing.assert_close(pooled.cpu(), segment_pool(attribution, segments), rtol=2e-7, atol=1e-9)


@pytest.mark.parametrize("pool", [segment_pool, blur_like])
def test_a_tangent_is_pooled_as_the_values_are(pool: Pool) -> None:
    generator = torch.Generator().manual_seed(0)
    values, tangent = torch.randn(2, 1, 2, 6, 7, generator=generator, dtype=torch.float64).unbind()
    segments = (torch.arange(42) // 10).view(1, 6, 7)
    with forward_ad.dual_level():
        pooled = forward_ad.unpack_dual(pool(forward_ad.make_dual(values, tangent), segments))
    torch.testing.assert_close(pooled.tangent, pool(tangent, segments))
    torch.testing.assert_close(pooled.primal, pool(values, segments))


def test_vmap_pools_each_image_over_the_same_segments() -> None:
    values = torch.randn(5, 2, 6, 7, generator=torch.Generator().manual_seed(0))
    segments = (torch.arange(42) // 10).view(1, 6, 7)
    pooled = torch.func.vmap(lambda each: segment_pool(each[None], segments)[0])(values)
    torch.testing.assert_close(pooled, segment_pool(values, segments.expand(5, -1, -1)))
