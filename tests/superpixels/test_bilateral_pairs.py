"""All pairs by compiled loops in float32, against products of matrices in float64."""

import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import bilateral_pairs, bilateral_pool
from lightning_spx.superpixels.bilateral_pairs import _by_tensors, pair_sums
from tests.superpixels.conftest import draw
from tests.superpixels.filter_cases import bilateral_weights, pooled_by

pytest.importorskip("numba")


def colors(channels: int, height: int, width: int) -> Tensor:
    return draw(4, height, width).flatten(0, 1)[None, :channels].double()


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5)).double()


def with_ones(values: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(values[:, :1]), values], 1)


def means(sums: Tensor) -> Tensor:
    return sums[:, 1:] / sums[:, :1]


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (5, 3), (8, 8), (9, 31), (33, 17), (64, 64)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_loops_are_the_products_of_matrices(size: tuple[int, int], channels: int) -> None:
    image, values = colors(channels, *size), with_ones(noise(1, 3, *size))
    for sigma_color, sigma_spatial in ((0.1, max(size) / 4), (0.01, 3.0), (3.0, 0.4)):
        found = pair_sums(values, image, sigma_color, sigma_spatial)
        exact = _by_tensors(values, image, sigma_color, sigma_spatial)
        torch.testing.assert_close(found[:, :1], exact[:, :1], rtol=5e-7, atol=0)
        torch.testing.assert_close(means(found), means(exact), rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_any_number_of_channels_of_values(count: int) -> None:
    image, values = colors(3, 7, 10), noise(1, count, 7, 10)
    torch.testing.assert_close(
        pair_sums(values, image, 0.1, 2.0), _by_tensors(values, image, 0.1, 2.0), rtol=1e-6, atol=3e-6
    )


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e60, 1e300])
def test_values_beyond_the_range_of_float32_keep_their_digits(scale: float) -> None:
    image, values = colors(3, 6, 9), noise(1, 2, 6, 9)
    one, scaled = pair_sums(values, image, 0.1, 2.0), pair_sums(values * scale, image, 0.1, 2.0)
    torch.testing.assert_close(scaled / scale, one, rtol=1e-6, atol=1e-6)


def test_tiny_widths_leave_every_pixel_alone() -> None:
    image, values = colors(3, 9, 12), noise(1, 3, 9, 12)
    torch.testing.assert_close(pair_sums(values, image, 1e-5, 3.0), values, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(pair_sums(values, image, 0.1, 1e-5), values, rtol=1e-6, atol=1e-12)


def test_far_colors_share_next_to_nothing_however_large_their_values_are() -> None:
    image = torch.zeros(1, 3, 4, 8).double()
    image[..., 4:] = 1
    values = torch.ones(1, 1, 4, 8).double()
    values[..., 4:] = 1e12
    pooled = means(pair_sums(with_ones(values), image, 0.1, 100.0))
    torch.testing.assert_close(pooled, values, rtol=1e-6, atol=0)


def test_colors_that_need_float64_are_not_rounded() -> None:
    # two colors that float32 cannot tell apart, which 0.001 standard deviations do
    image = torch.full((1, 1, 1, 2), 0.7).double()
    image[..., 1] += 1e-9
    values = torch.tensor([[[[1.0, 3.0]]]]).double()
    assert not torch.equal(image.float().double(), image)
    found, exact = pair_sums(values, image, 1e-9, 1e3), _by_tensors(values, image, 1e-9, 1e3)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=0)


def test_what_is_not_finite_stays_in_its_channel_and_its_image() -> None:
    images, values = torch.cat([colors(3, 8, 9)] * 2), noise(2, 3, 8, 9)
    clean = pair_sums(values, images, 0.1, 2.0)
    values[1, 1, 3, 4], values[1, 2, 0, 0] = torch.nan, torch.inf
    found = pair_sums(values, images, 0.1, 2.0)
    assert torch.equal(found[0], clean[0])
    assert torch.equal(found[1, 0], clean[1, 0])
    assert found[1, 1].isnan().all()
    assert (found[1, 2] == torch.inf).all()


def test_images_alone_and_together_and_on_several_threads_are_the_same() -> None:
    images, values = torch.cat([colors(3, 9, 14).roll(each, 3) for each in range(5)]), noise(5, 3, 9, 14)
    together = pair_sums(values, images, 0.1, 3.0)
    for each in range(5):
        assert torch.equal(pair_sums(values[each, None], images[each, None], 0.1, 3.0)[0], together[each])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(pair_sums(values, images, 0.1, 3.0), together)
    finally:
        torch.set_num_threads(threads)


def test_a_turned_image_gives_turned_sums() -> None:
    image, values = colors(3, 6, 11), noise(1, 3, 6, 11)
    torch.testing.assert_close(
        pair_sums(values.mT, image.mT, 0.1, 3.0).mT, pair_sums(values, image, 0.1, 3.0), rtol=0, atol=0
    )


def test_without_numba_the_products_of_matrices_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    image, attribution = colors(3, 12, 13).float(), noise(1, 3, 12, 13).float()
    by_loops = bilateral_pool(attribution, image)
    monkeypatch.setattr(bilateral_pairs, "_compiled", lambda: None)
    torch.testing.assert_close(bilateral_pool(attribution, image), by_loops, rtol=1e-6, atol=3e-7)


def test_next_to_nothing_keeps_its_digits_beside_a_peak_and_its_sign() -> None:
    image = torch.nn.functional.interpolate(colors(3, 4, 4), (24, 24), mode="bilinear").float()
    peak = torch.zeros(1, 2, 24, 24)
    peak[0, 0, 12, 12], peak[0, 1, 12, 12] = 1, -1
    pooled = bilateral_pool(peak, image, sigma_spatial=3.0)
    weights = bilateral_weights(image[0], 0.1, 3.0)
    exact = pooled_by(weights, peak[0])
    assert (exact.abs() < 1e-8).any()
    near = exact.abs() > 1e-20
    torch.testing.assert_close(pooled[0][near], exact[near].float(), rtol=1e-5, atol=0)
    assert (pooled[0, 0] >= 0).all()
    assert (pooled[0, 1] <= 0).all()
    # and above a level that all have
    assert (bilateral_pool(peak.abs() + 0.5, image, sigma_spatial=3.0) >= 0.5).all()


def test_maps_of_one_sign_are_as_near_as_float32_is() -> None:
    image = colors(3, 40, 33)
    values = noise(1, 3, 40, 33)
    # an exponent is rounded, so that a weight of 2 ** -e is off by about e roundings: where values span ten decades,
    # weights of 2 ** -50 decide
    for given, bound in ((with_ones(values.abs() ** 4), 1e-6), (with_ones((12 * values).exp()), 50 * 2.0**-23)):
        found, exact = pair_sums(given, image, 0.1, 8.0), _by_tensors(given, image, 0.1, 8.0)
        torch.testing.assert_close(means(found), means(exact), rtol=bound, atol=0)


def test_a_pixel_alone_has_a_weight_of_one_whatever_its_value() -> None:
    for value in (1.0, -1e-200, 1e300):
        values = torch.full((1, 1, 1, 1), value, dtype=torch.float64)
        assert pair_sums(values, colors(3, 1, 1), 0.1, 1.0).item() == pytest.approx(value, rel=1e-15)


def test_an_image_of_other_digits_decides_for_no_other() -> None:
    images = torch.cat([colors(3, 9, 8), colors(3, 9, 8) / 3])
    values = noise(2, 3, 9, 8)
    for sigma_color in (0.1, 0.01):
        together = pair_sums(values, images, sigma_color, 2.0)
        for each in range(2):
            alone = pair_sums(values[each, None], images[each, None], sigma_color, 2.0)
            assert torch.equal(alone[0], together[each])


def test_widths_without_end_are_means() -> None:
    image, attribution = colors(3, 7, 6).float(), noise(1, 2, 7, 6).float()
    wide = bilateral_pool(attribution, image, sigma_color=10**200, sigma_spatial=1e155)
    torch.testing.assert_close(wide, attribution.mean((2, 3), keepdim=True).expand_as(wide))


def test_long_rows_are_summed_in_float64() -> None:
    image = torch.full((1, 1, 1, 1500), 0.5).double()
    values = torch.tensor([1.0, 1.0, 2.0]).repeat(500).view(1, 1, 1, 1500).double()
    torch.testing.assert_close(pair_sums(values, image, 0.001, 1e5), _by_tensors(values, image, 0.001, 1e5))
