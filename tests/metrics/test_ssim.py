"""SSIM against scikit-image, image by image."""

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.metrics import SaliencySSIM, map_distance, pair_distances, saliency_ssim, ssim_compiled, ssim_tensors
from lightning_spx.metrics import ssim as ssim_module
from lightning_spx.metrics.ssim import Preset, pairwise_ssim
from tests.metrics.reference_ssim import reference_ssim


@pytest.fixture(autouse=True, params=["compiled", "tensors"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "tensors":
        monkeypatch.setattr(ssim_module, "_compiled", lambda: None)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_maps(n: int, height: int, width: int, seed: int) -> Tensor:
    return torch.rand(n, height, width, generator=generator(seed))


def spiky(n: int, height: int, width: int, seed: int) -> Tensor:
    maps = random_maps(n, height, width, seed)
    return torch.where(maps > 0.99, maps, 0.0)


def nearly_constant(n: int, height: int, width: int, seed: int) -> Tensor:
    return 1 - 1e-3 * random_maps(n, height, width, seed)


def piecewise_constant(n: int, height: int, width: int, seed: int) -> Tensor:
    cells = random_maps(n, -(-height // 8), -(-width // 8), seed)
    return cells.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :height, :width].contiguous()


def two_level(n: int, height: int, width: int, seed: int) -> Tensor:
    return (piecewise_constant(n, height, width, seed) > 0.5).float()


def scikit_image(first: Tensor, second: Tensor) -> Tensor:
    pairs = zip(first.double().numpy(), second.double().numpy(), strict=True)
    return torch.tensor([reference_ssim(a, b) for a, b in pairs], dtype=torch.float32)


def scikit_image_signed(first: Tensor, second: Tensor, *, symmetric: bool) -> Tensor:
    values = []
    for a, b in zip(first.double().numpy(), second.double().numpy(), strict=True):
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        data_range = max(np.ptp(a), np.ptp(b)) if symmetric else np.ptp(b)
        values.append(reference_ssim(a, b, data_range, channel_axis=0))
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize("make", [random_maps, spiky, nearly_constant, piecewise_constant, two_level])
@pytest.mark.parametrize("size", [(11, 11), (12, 31), (32, 32), (33, 64), (97, 45), (224, 224)])
def test_equals_scikit_image(make: Callable[[int, int, int, int], Tensor], size: tuple[int, int]) -> None:
    first, second = make(3, *size, 0), make(3, *size, 1)
    close = (0.9 * first + 0.1 * second).clamp(0, 1)
    torch.testing.assert_close(saliency_ssim(first, second), scikit_image(first, second), atol=1e-6, rtol=0)
    torch.testing.assert_close(saliency_ssim(first, close), scikit_image(first, close), atol=1e-6, rtol=0)


def test_constants_of_different_level_equal_scikit_image() -> None:
    # The case in which a variance in single precision is off by as much as the constant it is compared with.
    first, second = torch.full((1, 40, 40), 1.0), torch.full((1, 40, 40), 0.5)
    torch.testing.assert_close(saliency_ssim(first, second), scikit_image(first, second), atol=1e-7, rtol=0)


@pytest.mark.parametrize("make", [random_maps, spiky, nearly_constant, piecewise_constant, two_level])
def test_equal_maps_have_exactly_one(make: Callable[[int, int, int, int], Tensor]) -> None:
    maps = make(2, 32, 40, 0)
    assert saliency_ssim(maps, maps).tolist() == [1.0, 1.0]


def test_all_zero_maps_are_equal_and_against_ones_only_the_constant_is_left() -> None:
    zeros, ones = torch.zeros(1, 16, 16), torch.ones(1, 16, 16)
    assert saliency_ssim(zeros, zeros).item() == 1.0
    assert saliency_ssim(zeros, ones).item() == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-6)


@pytest.mark.parametrize("preset", ["signed", "signed_symmetric"])
@pytest.mark.parametrize("channels", [1, 3])
def test_signed_equals_scikit_image_over_channels(preset: Preset, channels: int) -> None:
    first = torch.randn(4, channels, 24, 37, generator=generator(0))
    second = first + torch.randn(first.shape, generator=generator(1))
    second[1, 0, 0, 0] = 30.0  # a spike makes the two ranges differ
    expected = scikit_image_signed(first, second, symmetric=preset == "signed_symmetric")
    torch.testing.assert_close(saliency_ssim(first, second, preset), expected, atol=1e-6, rtol=0)


def test_signed_takes_the_range_of_the_reference_and_symmetric_does_not() -> None:
    first, second = torch.randn(1, 3, 16, 16, generator=generator(0)), torch.randn(1, 3, 16, 16, generator=generator(1))
    second[0, 0, 8, 8] = 40.0
    signed = saliency_ssim(first, second, "signed"), saliency_ssim(second, first, "signed")
    assert abs((signed[0] - signed[1]).item()) > 0.01
    symmetric = saliency_ssim(first, second, "signed_symmetric"), saliency_ssim(second, first, "signed_symmetric")
    torch.testing.assert_close(*symmetric, atol=1e-7, rtol=0)


def test_signed_does_not_depend_on_scale() -> None:
    first, second = torch.randn(2, 3, 16, 16, generator=generator(0)), torch.randn(2, 3, 16, 16, generator=generator(1))
    torch.testing.assert_close(
        saliency_ssim(1e-6 * first, 1e4 * second, "signed"), saliency_ssim(first, second, "signed"), atol=1e-6, rtol=0
    )


def test_signed_constant_reference_is_one_if_equal_else_zero() -> None:
    varying = torch.randn(1, 3, 16, 16, generator=generator(0))
    zeros, constant = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.3)
    assert saliency_ssim(zeros, zeros, "signed").item() == 1.0
    assert saliency_ssim(7 * constant, constant, "signed").item() == 1.0
    assert saliency_ssim(zeros, constant, "signed").item() == 0.0
    assert saliency_ssim(varying, zeros, "signed").item() == 0.0
    assert torch.isnan(saliency_ssim(torch.full_like(zeros, torch.nan), zeros, "signed")).all()


@pytest.mark.parametrize("preset", ["unit", "signed"])
def test_nan_stays_in_its_image(preset: Preset) -> None:
    shape = (4, 20, 20) if preset == "unit" else (4, 3, 20, 20)
    first, second = torch.rand(shape, generator=generator(0)), torch.rand(shape, generator=generator(1))
    clean = saliency_ssim(first, second, preset)
    first[1, ..., 0, 0] = torch.nan
    second[3, ..., 19, 19] = torch.nan
    values = saliency_ssim(first, second, preset)
    assert values.isnan().tolist() == [False, True, False, True]
    assert torch.equal(values[[0, 2]], clean[[0, 2]])


def test_result_does_not_depend_on_the_batch_or_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = random_maps(9, 20, 24, 0), random_maps(9, 20, 24, 1)
    whole = saliency_ssim(first, second)
    alone = torch.cat([saliency_ssim(a[None], b[None]) for a, b in zip(first, second, strict=True)])
    monkeypatch.setattr(ssim_tensors, "_images_per_chunk", lambda maps: 2)
    assert torch.equal(whole, alone)
    assert torch.equal(whole, saliency_ssim(first, second))


def test_signed_maps_do_not_depend_on_how_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = torch.randn(2, 5, 3, 16, 16, generator=generator(0))
    whole = saliency_ssim(first, second, "signed")
    monkeypatch.setattr(ssim_module, "SIGNED_AT_ONCE", 2)
    assert torch.equal(whole, saliency_ssim(first, second, "signed"))


@pytest.mark.parametrize("others", [False, True])
def test_loops_and_tensors_give_the_same_pairs(others: bool) -> None:
    first, second = torch.rand(2, 3, 5, 17, 23, generator=generator(0))
    ranges = torch.rand(5, generator=generator(1))
    pairs = [(0, 1), (0, 2), (1, 2), (2, 2)]
    arguments = (first, second if others else None, pairs, ranges)
    torch.testing.assert_close(
        ssim_compiled.pair_values(*arguments), ssim_tensors.pair_values(*arguments), rtol=1e-12, atol=1e-12
    )


def test_it_can_be_differentiated() -> None:
    first, second = torch.rand(2, 2, 12, 13, dtype=torch.float64, generator=generator(0))
    assert torch.autograd.gradcheck(saliency_ssim, (first.requires_grad_(), second), eps=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_computed_in_double(dtype: torch.dtype) -> None:
    first, second = random_maps(2, 16, 16, 0).to(dtype), random_maps(2, 16, 16, 1).to(dtype)
    torch.testing.assert_close(saliency_ssim(first, second), scikit_image(first, second), atol=1e-6, rtol=0)
    assert saliency_ssim(first, second).dtype == torch.float32


def test_autocast_changes_nothing() -> None:
    first, second = random_maps(2, 16, 16, 0), random_maps(2, 16, 16, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = saliency_ssim(first, second)
    assert torch.equal(inside, saliency_ssim(first, second))


def test_no_image_gives_no_value() -> None:
    assert saliency_ssim(torch.rand(0, 16, 16), torch.rand(0, 16, 16)).shape == (0,)
    assert saliency_ssim(torch.rand(0, 3, 16, 16), torch.rand(0, 3, 16, 16), "signed").shape == (0,)


def test_one_model_alone_has_no_pair() -> None:
    assert pairwise_ssim(torch.rand(1, 3, 16, 16)).shape == (0, 3)


def test_loops_are_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(**settings: object) -> Callable[[Callable[[], int]], Callable[[], int]]:
        if settings.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(ssim_compiled, "njit", refusing)
    assert ssim_compiled.compiled(lambda: 3)() == 3


def test_pairs_equal_single_comparisons() -> None:
    maps = torch.rand(4, 5, 20, 17, generator=generator(0))
    expected = torch.stack([saliency_ssim(maps[i], maps[j]) for i in range(4) for j in range(i + 1, 4)])
    torch.testing.assert_close(1 - pair_distances(maps, "ssim"), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(map_distance(maps[1], maps[2], "ssim"), 1 - expected[3], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(10, 32), (32, 10)])
def test_small_maps_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 11x11 px"):
        saliency_ssim(torch.rand(1, *size), torch.rand(1, *size))
    with pytest.raises(ValueError, match="at least 11x11 px"):
        pair_distances(torch.rand(2, 1, *size), "ssim")


def test_wrong_arguments_are_refused() -> None:
    maps = torch.rand(2, 16, 16)
    with pytest.raises(ValueError, match=r"Expected `saliency` of shape \(N,H,W\), got \(16, 16\)"):
        saliency_ssim(maps[0], maps[0])
    with pytest.raises(ValueError, match=r"Expected `saliency` of shape \(N,C,H,W\)"):
        saliency_ssim(maps, maps, "signed")
    with pytest.raises(ValueError, match="Expected `reference` to have the shape of `saliency`"):
        saliency_ssim(maps, maps[:1])
    with pytest.raises(ValueError, match="Expected `saliency` to have at least one pixel"):
        saliency_ssim(maps[:, :0], maps[:, :0])
    with pytest.raises(ValueError, match=r"Expected `reference` to lie in \[0, 1\]"):
        saliency_ssim(maps, 2 * maps)
    with pytest.raises(ValueError, match=r"Expected `saliency` to lie in \[0, 1\]"):
        saliency_ssim(-maps, maps)
    unknown = cast(Preset, "gray")
    for call in (lambda: saliency_ssim(maps, maps, unknown), lambda: SaliencySSIM(unknown)):
        with pytest.raises(ValueError, match="Expected `preset` to be one of"):
            call()
