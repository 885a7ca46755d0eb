"""Distances to the parts that a bird is drawn from."""

import numpy as np

from lightning_spx.data.bird_parts import ellipse, limb


def test_the_distance_to_a_circle_is_exact() -> None:
    x, y = np.random.default_rng(0).uniform(-3, 3, (2, 100))
    distance = ellipse(x, y, center=(0.5, -1.0), radii=(1.5, 1.5), angle=0.7)
    np.testing.assert_allclose(distance, np.hypot(x - 0.5, y + 1) - 1.5, atol=1e-9)


def test_the_sign_of_the_distance_to_a_turned_ellipse_is_exact() -> None:
    x, y = np.random.default_rng(0).uniform(-3, 3, (2, 1000))
    turned = (x + 1j * y) * np.exp(-0.4j)
    inside = (turned.real / 2) ** 2 + (turned.imag / 0.7) ** 2 < 1
    np.testing.assert_array_equal(ellipse(x, y, (0, 0), (2.0, 0.7), angle=0.4) < 0, inside)


def test_the_distance_to_a_limb_of_one_width_is_that_to_its_line() -> None:
    x, y = np.random.default_rng(0).uniform(-3, 3, (2, 200))
    line = np.linspace((-1.0, 0.5), (2.0, -0.5), 20001)
    expected = [np.hypot(line[:, 0] - a, line[:, 1] - b).min() - 0.2 for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(limb(x, y, (-1.0, 0.5), (2.0, -0.5), (0.2, 0.2)), expected, atol=1e-6)
