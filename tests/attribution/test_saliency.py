from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.attribution import is_constant, magnitude, saliency_map
from lightning_spx.attribution.saliency import Channels


def attribution(num: int = 3, height: int = 9, width: int = 11) -> Tensor:
    return torch.randn(num, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def slow(values: Tensor, clip: float) -> Tensor:
    """One image at a time, with torch's own quantile."""
    maps = []
    for image in values:
        low, high, top = image.min(), image.max(), torch.quantile(image, clip)
        top = high if top == low else top
        maps.append(torch.zeros_like(image) if high == low else ((image - low) / (top - low)).clamp(0, 1))
    return torch.stack(maps)


def test_magnitude_is_the_absolute_value_reduced_over_channels() -> None:
    values = torch.tensor([[[[1.0]], [[-2.0]], [[-6.0]]]])
    assert magnitude(values).item() == 9.0
    assert magnitude(values, "mean").item() == 3.0
    assert magnitude(values, "max").item() == 6.0


@given(st.integers(1, 6), st.integers(1, 30), st.floats(0.01, 1.0), st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_saliency_equals_a_slow_loop(num: int, width: int, clip: float, decimals: int) -> None:
    # rounding makes ties, up to constant images
    values = attribution(num, 2, width).div(3).round(decimals=decimals)
    assert torch.allclose(saliency_map(values, clip=clip), slow(values.abs().sum(1), clip), rtol=1e-9, atol=1e-12)


def test_saliency_of_one_image_by_hand() -> None:
    values = torch.arange(101.0).reshape(1, 1, 1, 101) * 2 + 10
    result = saliency_map(values)[0, 0]
    assert result[[0, 50, 99, 100]].tolist() == pytest.approx([0.0, 50 / 99, 1.0, 1.0])


def test_the_maximum_takes_the_place_of_a_quantile_that_equals_the_minimum() -> None:
    values = torch.zeros(1, 1, 20, 20)
    values[0, 0, 3, 3], values[0, 0, 4, 4] = 8.0, 2.0
    result = saliency_map(values)[0]
    assert (result[3, 3].item(), result[4, 4].item(), result.sum().item()) == (1.0, 0.25, 1.25)


def test_constant_images_are_zero_and_counted() -> None:
    values = torch.stack([torch.full((3, 4, 4), -0.3), attribution(1, 4, 4)[0].float(), torch.zeros(3, 4, 4)])
    result = saliency_map(values)
    assert result[[0, 2]].tolist() == torch.zeros(2, 4, 4).tolist()
    assert is_constant(result).tolist() == [True, False, True]
    assert is_constant(magnitude(values)).tolist() == [True, False, True]
    assert is_constant(saliency_map(torch.ones(1, 3, 1, 1))).tolist() == [True]


def test_saliency_depends_neither_on_batch_nor_on_scale() -> None:
    values = attribution()
    alone = torch.cat([saliency_map(values[i : i + 1]) for i in range(3)])
    assert torch.equal(alone, saliency_map(values))
    assert torch.allclose(saliency_map(1e-6 * values), saliency_map(values), rtol=1e-9)
    assert torch.equal(saliency_map(-values), saliency_map(values))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_saliency_is_in_the_unit_interval_and_float32_or_better(dtype: torch.dtype) -> None:
    result = saliency_map(attribution().to(dtype))
    assert result.dtype == torch.promote_types(dtype, torch.float32)
    assert (result.min().item(), result.max().item()) == (0.0, 1.0)


def test_no_images_give_no_maps() -> None:
    assert saliency_map(torch.zeros(0, 3, 4, 5)).shape == (0, 4, 5)


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `attribution` of shape \(N, C, H, W\), got \(3, 4, 4\)"):
        saliency_map(torch.zeros(3, 4, 4))
    for clip in (0.0, 1.5):
        with pytest.raises(ValueError, match=rf"Expected `clip` to be in \(0, 1\], got {clip}"):
            saliency_map(attribution(), clip=clip)
    with pytest.raises(ValueError, match="Expected `channels` to be 'sum', 'mean' or 'max', got 'norm'"):
        saliency_map(attribution(), cast(Channels, "norm"))
    broken = attribution()
    broken[1, 0, 0, 0], broken[2, 0, 0, 0] = torch.nan, torch.inf
    with pytest.raises(ValueError, match=r"Expected a finite `attribution`, .* at positions \[1, 2\]"):
        magnitude(broken)
    with pytest.raises(ValueError, match=r"Expected `saliency` of shape \(N, H, W\), got \(3, 3, 9, 11\)"):
        is_constant(attribution())


def test_the_gradient_of_a_map_goes_through_the_value_shown_as_one() -> None:
    values = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    variable = values.clone().requires_grad_()
    # not the clipped values, whose gradient is zero on one side only
    assert torch.autograd.gradcheck(lambda given: saliency_map(given, clip=0.5).square().sum(), (variable,))
