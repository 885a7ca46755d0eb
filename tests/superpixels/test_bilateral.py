from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import JointBilateral, bilateral_pool
from lightning_spx.superpixels.bilateral_grid import _tensor_sums, axes_of, grid_sums, smoothing
from lightning_spx.superpixels.bilateral_pairs import pair_sums
from tests.superpixels.conftest import draw
from tests.superpixels.filter_cases import bilateral_weights, pooled_by


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def guide(channels: int, height: int, width: int) -> Tensor:
    image = draw(4, height, width).flatten(0, 1)[:channels]
    return image[None]


@pytest.mark.parametrize("channels", [1, 3, 10])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (7, 11), (12, 8)])
def test_small_images_are_the_slow_loop(size: tuple[int, int], channels: int) -> None:
    image, attribution = guide(channels, *size), noise(1, channels, *size)
    weights = bilateral_weights(image[0], 0.1, min(size) / 4)
    torch.testing.assert_close(
        bilateral_pool(attribution, image)[0], pooled_by(weights, attribution[0]), rtol=1e-6, atol=1e-7
    )
    own = JointBilateral(sigma_color=0.3, sigma_spatial=2.5)
    weights = bilateral_weights(image[0], 0.3, 2.5)
    torch.testing.assert_close(
        own.pool(attribution, image)[0], pooled_by(weights, attribution[0]), rtol=1e-6, atol=1e-7
    )


def test_the_variance_of_noise_and_the_effective_number_are_those_of_the_squared_weights() -> None:
    image, variance = guide(3, 9, 13), noise(1, 2, 9, 13).square()
    weights = bilateral_weights(image[0], 0.1, 9 / 4) ** 2
    pooling = JointBilateral()
    found = pooling.pooled_variance(variance, image)[0]
    torch.testing.assert_close(found, pooled_by(weights, variance[0]), rtol=1e-6, atol=0)
    assert pooling.effective_segments(image).tolist() == pytest.approx([weights.sum()], rel=1e-6)


def test_from_64_pixels_on_a_grid_takes_over_and_the_default_width_is_an_eighth() -> None:
    image, attribution = guide(3, 64, 64), noise(1, 1, 64, 64)
    assert torch.equal(bilateral_pool(attribution, image), bilateral_pool(attribution, image, sigma_spatial=16.0))
    image, attribution = guide(3, 72, 65), noise(1, 1, 72, 65)
    assert torch.equal(bilateral_pool(attribution, image), bilateral_pool(attribution, image, sigma_spatial=65 / 8))


def by_pairs(attribution: Tensor, image: Tensor, sigma_spatial: float) -> Tensor:
    given = torch.cat([torch.ones_like(attribution[:, :1]), attribution], 1)
    sums = pair_sums(given, image.double(), 0.1, sigma_spatial)
    return (sums[:, 1:] / sums[:, :1]).float()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_grid_is_near_all_pairs(channels: int) -> None:
    image = guide(channels, 72, 80)
    rough, smooth = noise(1, 3, 72, 80), torch.nn.functional.interpolate(noise(1, 3, 6, 6), (72, 80), mode="bicubic")
    edges = rough * (image.diff(dim=2, prepend=image[:, :, :1]).abs().sum(1, keepdim=True) + 0.02)
    for attribution, bound in ((rough, 0.025), (smooth, 0.012), (edges, 0.025)):
        exact = by_pairs(attribution, image, 9.0)
        error = (bilateral_pool(attribution, image) - exact).norm() / exact.norm()
        assert error < bound
    squares = (JointBilateral().effective_segments(image), _effective(image))
    assert float(squares[0] / squares[1]) == pytest.approx(1, abs=0.02)


def _effective(image: Tensor) -> Tensor:
    ones = torch.ones_like(image[:, :1])
    squares = pair_sums(ones, image.double(), 0.1 / 2**0.5, 9 / 2**0.5)
    return (squares / pair_sums(ones, image.double(), 0.1, 9.0).square()).sum((1, 2, 3))


def test_weights_on_the_grid_are_positive_and_sum_to_one() -> None:
    image = guide(3, 66, 70)
    # each channel has a single one, so that pooled values are weights; all sources together sum to one
    single = torch.zeros(1, 40, 66, 70)
    places = torch.arange(40)
    single[0, places, places * 13 % 66, places * 29 % 70] = 1
    rest = 1 - single.sum(1, keepdim=True)
    pooled = bilateral_pool(torch.cat([single, rest], 1), image)
    assert pooled.min() >= -1e-9
    torch.testing.assert_close(pooled.sum(1), torch.ones(1, 66, 70))


def test_loops_and_tensors_agree_on_the_grid() -> None:
    for channels in (1, 2, 3):
        images = torch.cat([guide(channels, 66, 70), 0.5 + 0 * guide(channels, 66, 70)]).double()
        values = noise(2, 6, 66, 70).double()
        by_loops = grid_sums(values, images, 0.1, 8.0)
        for each in range(2):
            alone = _tensor_sums(values[each, None], axes_of(images[each, None], 0.1, 8.0))
            torch.testing.assert_close(by_loops[each, None], alone, rtol=1e-9, atol=1e-9)
        together = _tensor_sums(values, axes_of(images, 0.1, 8.0))
        torch.testing.assert_close(by_loops, together, rtol=1e-9, atol=1e-9)


def test_the_smoothing_has_no_negative_weight_and_its_variance() -> None:
    matrix = smoothing(21)
    assert (matrix >= 0).all()
    line = torch.arange(21.0).double() - 10
    assert float((matrix[10] * line**2).sum() / matrix[10].sum()) == pytest.approx(1 / 0.64 - 0.5, rel=1e-3)


def test_many_channels_and_tiny_widths_of_large_images_use_all_pairs() -> None:
    image, attribution = guide(4, 66, 65), noise(1, 1, 66, 65)
    torch.testing.assert_close(bilateral_pool(attribution, image), by_pairs(attribution, image, 65 / 8))
    image = guide(3, 66, 65)
    exact = bilateral_pool(attribution, image, sigma_color=1e-3, sigma_spatial=0.3)
    torch.testing.assert_close(exact, attribution, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: JointBilateral(sigma_color=0), "Expected `sigma_color` to be finite and at least 1e-05, got 0"),
        (
            lambda: JointBilateral(sigma_spatial=float("nan")),
            "`sigma_spatial` to be finite and at least 1e-05, got nan",
        ),
        (lambda: bilateral_pool(torch.zeros(2, 2), torch.zeros(2, 2), sigma_spatial=0), "at least 1e-05, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_settings_that_are_no_numbers_are_refused() -> None:
    build: Any = JointBilateral
    for wrong in ("0.1", True):
        with pytest.raises(TypeError, match=rf"Expected `sigma_color` to be a number, got {wrong!r}"):
            build(sigma_color=wrong)
