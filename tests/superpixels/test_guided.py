from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import GuidedFilter, guided_pool
from lightning_spx.superpixels.guided_filter import _filtered
from tests.superpixels.conftest import draw
from tests.superpixels.filter_cases import guided_weights, pooled_by


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def guide(channels: int, height: int, width: int) -> Tensor:
    return draw(4, height, width).flatten(0, 1)[None, :channels]


@pytest.mark.parametrize("channels", [1, 3, 10])
@pytest.mark.parametrize("size", [(1, 1), (1, 17), (17, 1), (11, 24), (24, 17)])
def test_the_filter_is_the_slow_loop(size: tuple[int, int], channels: int) -> None:
    image, attribution = guide(channels, *size), noise(1, channels, *size)
    weights = guided_weights(image[0], max(1, min(size) // 8), 0.01)
    expected = pooled_by(weights, attribution[0])
    torch.testing.assert_close(guided_pool(attribution, image)[0], expected, rtol=1e-5, atol=1e-6)
    own = GuidedFilter(radius=4, eps=1e-4)
    expected = pooled_by(guided_weights(image[0], 4, 1e-4), attribution[0])
    torch.testing.assert_close(own.pool(attribution, image)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("radius", [1, 5, 40])
def test_loops_and_tensors_agree(radius: int) -> None:
    for channels in (1, 2, 3, 5):
        image, values = guide(channels, 21, 33), noise(1, 4, 21, 33).double()
        expected = _filtered(values, image.double(), min(radius, 33), 0.01)
        torch.testing.assert_close(guided_pool(values, image, radius), expected.float(), rtol=1e-6, atol=1e-7)


def test_the_variance_of_noise_is_that_of_the_squared_weights() -> None:
    image, variance = guide(3, 17, 13), noise(1, 2, 17, 13).square()
    weights = guided_weights(image[0], 1, 0.01) ** 2
    pooling = GuidedFilter()
    expected = pooled_by(weights, variance[0])
    torch.testing.assert_close(pooling.pooled_variance(variance, image)[0], expected, rtol=1e-5, atol=0)
    assert pooling.effective_segments(image).tolist() == pytest.approx([weights.sum()], rel=1e-5)


def test_the_estimated_variance_of_larger_images_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    image = guide(3, 40, 36)
    estimate = GuidedFilter().effective_segments(image)
    monkeypatch.setattr("lightning_spx.superpixels.guided_filter.EXACT_PIXELS", 40 * 36)
    exact = GuidedFilter().effective_segments(image)
    assert not torch.equal(estimate, exact)
    assert float(estimate / exact) == pytest.approx(1, abs=0.05)


def test_a_nan_reaches_two_radii_of_its_channel() -> None:
    images, attribution = draw(2, 30, 26), noise(2, 3, 30, 26)
    expected = guided_pool(attribution, images, radius=3)
    for wrong in (torch.nan, torch.inf):
        broken = attribution.clone()
        broken[1, 2, 10, 4] = wrong
        pooled = guided_pool(broken, images, radius=3)
        reached = torch.zeros(2, 3, 30, 26, dtype=torch.bool)
        reached[1, 2, 4:17, 0:11] = True
        assert torch.equal(pooled.isnan(), reached)
        untouched = torch.ones(2, 3, dtype=torch.bool)
        untouched[1, 2] = False
        assert torch.equal(pooled[untouched], expected[untouched])
        far = ~reached[1, 2]
        without = broken[1].clone()
        without[2, 10, 4] = 0
        torch.testing.assert_close(pooled[1, 2][far], guided_pool(without, images[1], radius=3)[2][far])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GuidedFilter(radius=0), "Expected `radius` to be finite and at least 1, got 0"),
        (lambda: GuidedFilter(eps=0), "Expected `eps` to be finite and at least 1e-12, got 0"),
        (lambda: GuidedFilter(eps=float("nan")), "`eps` to be finite and at least 1e-12, got nan"),
        (
            lambda: guided_pool(torch.zeros(2, 2), torch.zeros(2, 2), eps=-1),
            "`eps` to be finite and at least 1e-12, got -1",
        ),
    ],
)
def test_settings_out_of_range_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_settings_that_are_no_whole_numbers_are_refused() -> None:
    build: Any = GuidedFilter
    with pytest.raises(ValueError, match=r"Expected `radius` to be a whole number, got 1\.5"):
        build(radius=1.5)
    for wrong in ("3", True):
        with pytest.raises(TypeError, match=rf"Expected `radius` to be a number, got {wrong!r}"):
            build(radius=wrong)
