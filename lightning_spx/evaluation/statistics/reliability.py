"""Predicts how far means of several maps agree from how far single maps do, as test theory does for means of tests."""

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array


def spearman_brown(r: float, m: float) -> float:
    """Predict the agreement of the means of m maps each from the agreement r of two single maps.

    If each map is the same signal plus noise of its own, two means of m maps correlate as m r / (1 + (m - 1) r). The
    prediction is exact for correlations of such maps; for other numbers it is a yardstick.

    Source: Spearman, Correlation calculated from faulty data, British Journal of Psychology 1910; Brown, in the same
    issue.

    Args:
        r: agreement of two single maps, at most 1: 0 is chance, 1 a perfect match.
        m: number of maps in each mean, positive.

    Returns:
        The predicted agreement; NaN where r is so far below 0 that m maps cannot have it pair by pair, or is NaN.

    Raises:
        ValueError: `m` is not positive.

    Example:
        >>> spearman_brown(0.5, 1), spearman_brown(0.5, 4), spearman_brown(-0.5, 4)
        (0.5, 0.8, nan)
    """
    if not m > 0:
        raise ValueError(f"Expected `m` to be positive, got {m}.")
    spread = 1 + (m - 1) * r
    return m * r / spread if spread > 0 else float("nan")


def log_odds(agreement: Array) -> Array:
    """Return log(a / (1 - a)) of agreements a, and NaN outside (0, 1).

    Averaging m maps multiplies the odds by m where Spearman and Brown's formula holds. So the number of maps whose mean
    agrees as far as some other map is the ratio of their odds, and differences of log odds are logarithms of it.

    Args:
        agreement: agreements of any shape.

    Example:
        >>> float(np.exp(log_odds(np.array([spearman_brown(0.3, 5)])) - log_odds(np.array([0.3])))[0].round(6))
        5.0
    """
    inside = (agreement > 0) & (agreement < 1)
    # what is outside gets a harmless value before it is left out
    safe = np.where(inside, agreement, 0.5)
    return np.where(inside, np.log(safe / (1 - safe)), np.nan)
