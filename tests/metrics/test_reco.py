"""ReCo by hand and against a slow loop."""

import pytest
import torch

from lightning_spx.metrics import (
    reco_from_distances,
)
from tests.metrics.reco_cases import slow_reco


@pytest.mark.parametrize(
    ("agree", "differ", "expected"),
    [
        ([0.1], [0.2], 1.0),
        ([0.1, 0.2, 0.3], [0.4, 0.5], 1.0),
        ([0.4, 0.5], [0.1, 0.2], 0.0),
        ([0.3, 0.3], [0.3, 0.3], 0.0),
        ([0.1, 0.3], [0.2, 0.4], 0.5),
        ([0.2, 0.2, 0.2], [0.2, 0.9], 0.5),
        ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0], 1 / 3),
    ],
)
def test_reco_by_hand(agree: list[float], differ: list[float], expected: float) -> None:
    distances = torch.tensor([agree + differ])
    is_agree = torch.arange(distances.shape[1])[None] < len(agree)
    assert reco_from_distances(distances, is_agree, ~is_agree).item() == pytest.approx(expected)
    assert slow_reco(agree, differ) == pytest.approx(expected)


def test_reco_with_many_ties_equals_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        distances = torch.randint(0, 4, (3, 9), generator=generator).float() / 4
        draw = torch.rand(3, 9, generator=generator)
        agree, differ = draw < 0.4, draw > 0.6
        expected = slow_reco(distances[agree].tolist(), distances[differ].tolist())
        assert reco_from_distances(distances, agree, differ).item() == pytest.approx(expected)
