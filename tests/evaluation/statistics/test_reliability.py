"""Spearman and Brown's formula, against the variances of means."""

import numpy as np
import pytest

from lightning_spx.evaluation.statistics.reliability import log_odds, spearman_brown


@pytest.mark.parametrize("signal", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("m", [1, 2, 7])
def test_it_is_the_share_of_the_signal_in_a_mean(signal: float, m: int) -> None:
    noise = 2.0
    single, mean = signal / (signal + noise), signal / (signal + noise / m)
    assert spearman_brown(single, m) == pytest.approx(mean)
    # odds grow in proportion to the number of maps
    ratio = log_odds(np.array([mean])) - log_odds(np.array([single]))
    assert np.exp(ratio).item() == pytest.approx(m)


def test_chance_and_a_perfect_match_stay_what_they_are() -> None:
    assert spearman_brown(0.0, 8) == 0.0
    assert spearman_brown(1.0, 8) == 1.0
    assert np.isnan(spearman_brown(float("nan"), 8))
    assert np.isnan(spearman_brown(-1 / 7, 8))
    assert np.isnan(log_odds(np.array([0.0, 1.0, -0.5, 2.0, np.nan]))).all()


@pytest.mark.parametrize("m", [0, -1, float("nan")])
def test_no_maps_have_no_mean(m: float) -> None:
    with pytest.raises(ValueError, match="Expected `m` to be positive"):
        spearman_brown(0.5, m)
