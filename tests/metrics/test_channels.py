"""Metrics that remove pixels, on images of one, two and ten channels, against loops over pixels."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from lightning_spx.metrics import deletion, impute, insertion, irof, road
from lightning_spx.metrics.imputation import solve_directly, solve_iteratively
from lightning_spx.metrics.removal import substrate_of
from tests.metrics.removal_cases import HEIGHT, PIXELS, WIDTH, TinyNet, draw, probability
from tests.metrics.test_imputation import dense_solution

CHANNELS = pytest.mark.parametrize("channels", [1, 2, 10])


def order_of(saliency: Tensor) -> list[tuple[int, int]]:
    places = sorted(range(PIXELS), key=lambda place: -float(saliency.flatten()[place]))
    return [divmod(place, WIDTH) for place in places]


def area(net: TinyNet, image: Tensor, other: Tensor, saliency: Tensor, target: int) -> float:
    """Replace one pixel after the other in all channels, and add trapezoids."""
    changed = image.clone()
    values = [probability(net, changed, target)]
    for y, x in order_of(saliency):
        for channel in range(len(image)):
            changed[channel, y, x] = other[channel, y, x]
        values.append(probability(net, changed, target))
    return sum((a + b) / 2 / PIXELS for a, b in pairwise(values))


@CHANNELS
def test_deletion_and_insertion_are_those_of_a_loop(channels: int) -> None:
    images, target, saliency = draw(4, channels=channels)
    net, color = TinyNet(channels), tuple((band + 1) / 20 for band in range(channels))
    for substrate in ("black", "blur", color):
        base = substrate_of(images, substrate)
        gone = deletion(net, images, target, saliency, PIXELS, substrate)
        come = insertion(net, images, target, saliency, PIXELS, substrate)
        for n, label in enumerate(target.tolist()):
            assert gone[n].item() == pytest.approx(area(net, images[n], base[n], saliency[n], label), abs=1e-6)
            assert come[n].item() == pytest.approx(area(net, base[n], images[n], saliency[n], label), abs=1e-6)


@CHANNELS
def test_every_channel_of_a_substrate_is_its_own(channels: int) -> None:
    images = torch.rand(2, channels, 40, 33, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    color = tuple(band / 10 for band in range(channels))
    assert (substrate_of(images, color) == torch.tensor(color, dtype=torch.float64)[:, None, None]).all()
    sigma = 33 / 16
    blurred = substrate_of(images, "blur")
    for image, found in zip(images.numpy(), blurred.numpy(), strict=True):
        for values, one in zip(image, found, strict=True):
            expected = gaussian_filter(values, sigma, mode="mirror", radius=7)
            np.testing.assert_allclose(one, expected, atol=1e-6)


@CHANNELS
@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_road_without_noise_is_that_of_a_dense_system(channels: int, order: str) -> None:
    images, target, saliency = draw(3, channels=channels)
    net = TinyNet(channels)
    found = road(net, images, target, saliency, 0.4, "morf" if order == "morf" else "lerf", noise=0.0)
    for n, label in enumerate(target.tolist()):
        removed = np.zeros((HEIGHT, WIDTH), bool)
        places = order_of(saliency[n])
        for place in places[:8] if order == "morf" else places[-8:]:
            removed[place] = True
        filled = torch.from_numpy(dense_solution(images[n].double().numpy(), removed))
        assert found[n].item() == pytest.approx(probability(net, filled, label), abs=1e-5)


@CHANNELS
def test_imputation_solves_each_channels_equations(channels: int) -> None:
    images = torch.rand(2, channels, 9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    removed = torch.rand(2, 9, 8, generator=torch.Generator().manual_seed(1)) < 0.6
    for found in (solve_directly(images, removed), solve_iteratively(images, removed), impute(images, removed)):
        for n in range(2):
            np.testing.assert_allclose(found[n], dense_solution(images[n].numpy(), removed[n].numpy()), atol=1e-7)
    everything = impute(images, torch.ones_like(removed))
    torch.testing.assert_close(everything, images.mean((2, 3), keepdim=True).expand_as(images))


@CHANNELS
def test_irof_is_that_of_a_loop_over_segments(channels: int) -> None:
    images, target, _ = draw(1, channels=channels)
    segments = torch.arange(PIXELS).view(1, HEIGHT, WIDTH) // 5
    saliency = torch.tensor([0.1, 0.4, 0.3, 0.2])[segments]
    mean = tuple((band + 1) / 20 for band in range(channels))
    net, changed = TinyNet(channels), images[0].clone()
    values = [1.0]
    for row in (1, 2, 3, 0):
        for channel, level in enumerate(mean):
            changed[channel, row] = level
        values.append(probability(net, changed, int(target)) / probability(net, images[0], int(target)))
    expected = 1 - sum((a + b) / 2 / 4 for a, b in pairwise(values))
    assert irof(net, images, target, saliency, segments, mean).item() == pytest.approx(expected, rel=1e-5)


def test_colors_of_other_images_are_refused() -> None:
    images, target, saliency = draw(1, channels=10)
    with pytest.raises(ValueError, match=r"'blur' or a color of 10 numbers, got \(0\.5, 0\.5, 0\.5\)"):
        deletion(TinyNet(10), images, target, saliency, substrate=(0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match=r"'blur' or a color of a number, got \(0\.5, 0\.5, 0\.5\)"):
        substrate_of(images[:, :1], (0.5, 0.5, 0.5))
    segments = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"`mean` to hold a number for each of 10 channels, got \(0\.5,\)"):
        irof(TinyNet(10), images, target, saliency, segments, (0.5,))
