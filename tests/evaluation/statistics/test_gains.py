"""The gain over the best control: solved by hand."""

import numpy as np
import pytest

from lightning_spx.evaluation.statistics.floors import Draws
from lightning_spx.evaluation.statistics.gains import gain_over
from lightning_spx.evaluation.statistics.trainings import Spread

# of so many images that Student's limits are the normal's
SPREADS = dict.fromkeys(("near", "far", "blank"), Spread(10**6))


def level(*values: float) -> Draws:
    draws = np.array(values)
    return Draws(draws, np.zeros_like(draws), np.zeros_like(draws))


def test_gain_takes_the_worst_limits_over_the_controls() -> None:
    generator = np.random.default_rng(0)
    row, near, far = (generator.normal(size=1001) * 0.01 + center for center in (0.5, 0.45, 0.2))
    gain = gain_over(level(*row), {"near": level(*near), "far": level(*far)}, SPREADS)
    assert gain.best_control == "near"
    assert gain.gain == pytest.approx(row[0] - near[0])
    assert (gain.low, gain.high) == pytest.approx(tuple(np.percentile((row - near)[1:], [2.5, 97.5])), abs=1e-6)


def test_gain_against_an_undefined_control_is_undefined() -> None:
    undefined = Draws(np.ones(3), np.ones(3), np.ones(3))
    assert np.isnan(gain_over(level(0.5, 0.5, 0.5), {"blank": undefined}, SPREADS).low)
