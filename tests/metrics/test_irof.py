"""IROF against its definition."""

from itertools import pairwise

import pytest
import torch

from lightning_spx.metrics import irof
from tests.metrics.removal_cases import HEIGHT, PIXELS, WIDTH, TinyNet, draw, probability


def test_irof_is_the_area_over_the_curve_of_relative_probabilities() -> None:
    images, target, _ = draw(1)
    segments = torch.arange(PIXELS).view(1, HEIGHT, WIDTH) // 5
    saliency = torch.tensor([0.1, 0.4, 0.3, 0.2])[segments]
    mean_color = (0.4, 0.5, 0.6)
    net, changed = TinyNet(), images[0].clone()
    values = [1.0]
    for row in (1, 2, 3, 0):
        changed[:, row] = torch.tensor(mean_color)[:, None]
        values.append(probability(net, changed, int(target)) / probability(net, images[0], int(target)))
    expected = 1 - sum((a + b) / 2 / 4 for a, b in pairwise(values))
    assert irof(net, images, target, saliency, segments, mean_color).item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(
        irof(net, images, target, saliency, segments, mean_color, batch_size=2),
        irof(net, images, target, saliency, segments, mean_color),
    )
